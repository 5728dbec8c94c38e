package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/retainrabbit/retainrabbit/adapters/sqlite"
	"github.com/retainrabbit/retainrabbit/app"
	"github.com/retainrabbit/retainrabbit/domain"
)

// Recorded customers are those of the latest live sessions, with what they answered.
func TestSimulateRecorded(t *testing.T) {
	is := is.New(t)
	dir := t.TempDir()
	path, file := filepath.Join(dir, "rec.db"), filepath.Join(dir, "flow.yaml")
	is.NoErr(os.WriteFile(file, exampleFlow, 0o600))
	store, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	is.NoErr(err)
	a := app.New(app.Config{Store: store})
	doc, _, err := parseFlow(exampleFlow)
	is.NoErr(err)
	ws, err := a.CreateWorkspace(t.Context(), "Acme", "usd")
	is.NoErr(err)
	_, err = a.ApplyFlow(t.Context(), ws.ID, doc)
	is.NoErr(err)
	for i := range 30 {
		mode, region := domain.Live, "CA"
		if i%3 == 0 {
			mode = domain.Test
		}
		if i >= 15 {
			region = "MN"
		}
		_, err := a.StartSession(t.Context(), app.StartRequest{
			Workspace: ws, Mode: mode, Reason: "Too expensive", Customer: domain.Customer{ID: fmt.Sprint("cus_", i), Country: "US", Region: region},
		})
		is.NoErr(err)
	}
	is.NoErr(store.Close())

	all := command(t, "flow", "simulate", file, "--recorded", "--db", "sqlite:"+path)
	is.True(strings.Contains(all, "10 of 20 sessions would be made an offer")) // test sessions are left out
	is.True(strings.Contains(all, "us-ca/1") && strings.Contains(all, "us-mn/1"))
	latest := command(t, "flow", "simulate", file, "--recorded", "--sessions", "10", "--db", "sqlite:"+path)
	is.True(strings.Contains(latest, "0 of 10 sessions would be made an offer")) // all of them in Minnesota
}
