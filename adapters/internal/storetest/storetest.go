// Package storetest is what the tests of the storage adapters share beyond the contract.
package storetest

import (
	"context"
	"testing"

	"github.com/matryer/is"

	"github.com/retainrabbit/retainrabbit/app"
	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

// WinBack is a small active flow.
var WinBack = domain.FlowDocument{
	Name: "Win-back", Slug: "win-back", Status: domain.Active,
	Steps: domain.Steps{domain.OfferStep{Label: "o", Offer: domain.Pause{Months: 1}}},
}

// World is a workspace with the flow WinBack in a store.
type World[S ports.Store] struct {
	Store     S
	App       *app.App
	Workspace domain.Workspace
}

// NewWorld makes a World, or fails the test.
func NewWorld[S ports.Store](t testing.TB, store S) World[S] {
	t.Helper()
	is := is.New(t)
	w := World[S]{Store: store, App: app.New(app.Config{Store: store})}
	var err error
	w.Workspace, err = w.App.CreateWorkspace(t.Context(), "Acme", "usd")
	is.NoErr(err)
	_, err = w.App.ApplyFlow(t.Context(), w.Workspace.ID, WinBack)
	is.NoErr(err)
	return w
}

// Start starts a live session.
func (w World[S]) Start(ctx context.Context) (domain.Session, error) {
	return w.App.StartSession(ctx, app.StartRequest{Workspace: w.Workspace, Mode: domain.Live, Customer: domain.Customer{ID: "cus"}})
}

// Sessions is how many sessions a store counts in the workspace.
func (w World[S]) Sessions(t testing.TB, store S) int64 {
	t.Helper()
	stats, err := store.Stats(t.Context(), w.Workspace.ID, 0)
	is.New(t).NoErr(err)
	return stats.Total("usd").Sessions
}
