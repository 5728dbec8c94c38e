// Package app changes things: one method for each change of state, and the workers
// that run beside them. Reads go to ports directly.
package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

// App makes changes in a store. Its methods may be called at once from many
// goroutines. Their errors are those of package domain, and the store's.
type App struct {
	store    ports.Store
	now      func() time.Time
	linkLife time.Duration
	instance string // tells this App from others on the same store
	usage    usage
	flows    flowCache
}

// Config is what an App works with.
type Config struct {
	Store    ports.Store
	LinkLife time.Duration    // how long a personal link works; 0: DefaultLinkLife
	Now      func() time.Time // nil: the system's clock
}

// DefaultLinkLife is how long a personal link works unless configured.
const DefaultLinkLife = 24 * time.Hour

// New returns an App. Run its Workers beside it.
func New(cfg Config) *App {
	a := &App{store: cfg.Store, now: cfg.Now, linkLife: cfg.LinkLife, instance: newID()}
	if a.now == nil {
		a.now = time.Now
	}
	if a.linkLife == 0 {
		a.linkLife = DefaultLinkLife
	}
	return a
}

// clock is the time in the precision that stores keep.
func (a *App) clock() time.Time { return a.now().UTC().Truncate(time.Millisecond) }

// newID returns a UUID of version 7: later ids sort after earlier ones.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

// lostRaces is how often a change is tried that others come before.
const lostRaces = 10

// inTx is the store's InTx for a change that reads what it changes: where somebody
// else changed that meanwhile, it looks and tries again.
func (a *App) inTx(ctx context.Context, fn func(ctx context.Context, tx ports.Tx) error) error {
	for attempt := 1; ; attempt++ {
		err := a.store.InTx(ctx, fn)
		var conflict *domain.Error
		lost := errors.As(err, &conflict) && conflict.Kind == domain.ErrConflict && (conflict.Code == "stale" || conflict.Code == "exists")
		if !lost || attempt == lostRaces {
			return err
		}
	}
}

// CreateWorkspace makes a workspace that counts its stats in the currency, an
// ISO 4217 code in any case; empty is usd.
func (a *App) CreateWorkspace(ctx context.Context, name, currency string) (domain.Workspace, error) {
	w, err := a.newWorkspace(name, currency)
	if err != nil {
		return domain.Workspace{}, err
	}
	return w, a.store.InTx(ctx, func(ctx context.Context, tx ports.Tx) error { return tx.CreateWorkspace(ctx, w) })
}

func (a *App) newWorkspace(name, currency string) (domain.Workspace, error) {
	if currency == "" {
		currency = "usd"
	}
	c, err := domain.ParseCurrency("currency", currency)
	if err != nil {
		return domain.Workspace{}, err
	}
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails: crypto/rand ends the program instead
	w := domain.Workspace{
		ID: domain.WorkspaceID(newID()), Name: name, Currency: c,
		LinkSecret: domain.Secret(hex.EncodeToString(secret[:])), CreatedAt: a.clock(),
	}
	return w, w.Validate()
}

// KeyRequest is what a new API key is to be.
type KeyRequest struct {
	WorkspaceID domain.WorkspaceID
	Name        string
	Mode        domain.Mode
	Scope       domain.Scope
	ExpiresAt   time.Time // zero: never
}

// CreateKey makes an API key. The Secret is its text, which cannot be had again.
func (a *App) CreateKey(ctx context.Context, req KeyRequest) (domain.Key, domain.Secret, error) {
	k, text, err := a.newKey(req)
	if err != nil {
		return domain.Key{}, "", err
	}
	return k, text, a.store.InTx(ctx, func(ctx context.Context, tx ports.Tx) error { return tx.CreateKey(ctx, k) })
}

func (a *App) newKey(req KeyRequest) (domain.Key, domain.Secret, error) {
	var entropy [domain.KeyEntropyBytes]byte
	_, _ = rand.Read(entropy[:]) // never fails
	text, ref, err := domain.MintKey(req.WorkspaceID, req.Mode, entropy)
	if err != nil {
		return domain.Key{}, "", err
	}
	k := domain.Key{
		ID: domain.KeyID(newID()), WorkspaceID: req.WorkspaceID, Public: ref.Public, Name: req.Name,
		Mode: req.Mode, Scope: req.Scope, Digest: ref.Digest, CreatedAt: a.clock(), ExpiresAt: req.ExpiresAt,
	}
	if !k.ExpiresAt.IsZero() && !k.ExpiresAt.After(k.CreatedAt) {
		return domain.Key{}, "", domain.Invalid("expires", "must be in the future")
	}
	return k, text, k.Validate()
}

// RevokeKey ends a key for good.
func (a *App) RevokeKey(ctx context.Context, ws domain.WorkspaceID, id domain.KeyID) error {
	now := a.clock()
	return a.store.InTx(ctx, func(ctx context.Context, tx ports.Tx) error { return tx.RevokeKey(ctx, ws, id, now) })
}

// ApplyFlow creates the flow of the document's slug, or makes the document its
// next version. A document that is stored already changes nothing.
func (a *App) ApplyFlow(ctx context.Context, ws domain.WorkspaceID, doc domain.FlowDocument) (domain.Flow, error) {
	now := a.clock()
	var flow domain.Flow
	err := a.inTx(ctx, func(ctx context.Context, tx ports.Tx) error {
		stored, err := tx.FlowBySlug(ctx, ws, doc.Slug)
		switch {
		case errors.Is(err, domain.ErrNotFound):
			if flow, err = domain.NewFlow(domain.FlowID(newID()), ws, doc, now); err != nil {
				return err
			}
			return tx.CreateFlow(ctx, flow)
		case err != nil:
			return err
		case stored.Equal(doc):
			flow = stored
			return nil
		}
		if flow, err = stored.Revise(doc, now); err != nil {
			return err
		}
		return tx.SaveFlow(ctx, flow)
	})
	return flow, err
}

// everybody stands for a workspace in leases that concern the whole store.
const everybody domain.WorkspaceID = ""

// Bootstrapped is what an empty store was given.
type Bootstrapped struct {
	Workspace domain.Workspace
	Key       domain.Secret // of scope read+write; shown once
}

// Bootstrap gives an empty store a workspace, a flow and a live key, all or
// nothing. A store that has a workspace is left alone: ok is false. Of many
// instances that start at once on an empty store one makes these.
func (a *App) Bootstrap(ctx context.Context, name string, doc domain.FlowDocument) (made Bootstrapped, ok bool, err error) {
	if there, err := a.store.Workspaces(ctx); err != nil || len(there) > 0 {
		return Bootstrapped{}, false, err
	}
	w, err := a.newWorkspace(name, "")
	if err != nil {
		return Bootstrapped{}, false, err
	}
	k, text, err := a.newKey(KeyRequest{WorkspaceID: w.ID, Name: "first key", Mode: domain.Live, Scope: domain.ScopeReadWrite})
	if err != nil {
		return Bootstrapped{}, false, err
	}
	f, err := domain.NewFlow(domain.FlowID(newID()), w.ID, doc, a.clock())
	if err != nil {
		return Bootstrapped{}, false, err
	}
	err = a.store.InTx(ctx, func(ctx context.Context, tx ports.Tx) error {
		ok = false
		now := a.clock()
		// Who comes second waits here until the first has committed, or failed.
		first, err := tx.TakeLease(ctx, everybody, "bootstrap", a.instance, now, now.Add(time.Minute))
		if err != nil || !first {
			return err
		}
		all, err := tx.Workspaces(ctx)
		if ok = err == nil && len(all) == 0; !ok {
			return err
		}
		return errors.Join(tx.CreateWorkspace(ctx, w), tx.CreateKey(ctx, k), tx.CreateFlow(ctx, f))
	})
	return Bootstrapped{Workspace: w, Key: text}, ok, err
}
