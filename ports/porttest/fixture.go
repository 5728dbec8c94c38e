package porttest

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/matryer/is"

	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

// fixture is a store with the makers of what the cases put into it.
type fixture struct {
	*is.I
	t     *testing.T
	ctx   context.Context
	store ports.Store
}

func newFixture(t *testing.T, store ports.Store) *fixture {
	return &fixture{I: is.New(t), t: t, ctx: t.Context(), store: store}
}

// now is the suite's clock, with milliseconds that are not zero.
var now = time.Date(2026, 3, 14, 15, 9, 26, 535_000_000, time.UTC)

func newID() string { return uuid.NewString() }

// do runs writes in a transaction that must commit. Closures never call the
// assertions themselves: an adapter may run them on another goroutine.
func (f *fixture) do(fn tx) {
	f.t.Helper()
	f.NoErr(f.store.InTx(f.ctx, fn))
}

func (f *fixture) workspace() domain.Workspace {
	f.t.Helper()
	w := domain.Workspace{
		ID: domain.WorkspaceID(newID()), Name: "Acme", Currency: "usd",
		LinkSecret: domain.Secret(strings.Repeat("s", 32)), CreatedAt: now,
	}
	f.do(func(ctx context.Context, tx ports.Tx) error { return tx.CreateWorkspace(ctx, w) })
	return w
}

func newKey(ws domain.WorkspaceID) domain.Key {
	return domain.Key{
		ID: domain.KeyID(newID()), WorkspaceID: ws, Public: newID()[:7], Name: "backend",
		Mode: domain.Live, Scope: domain.ScopeReadWrite, Digest: sha256.Sum256([]byte(newID())), CreatedAt: now,
	}
}

func (f *fixture) key(ws domain.WorkspaceID) domain.Key {
	f.t.Helper()
	k := newKey(ws)
	f.do(func(ctx context.Context, tx ports.Tx) error { return tx.CreateKey(ctx, k) })
	return k
}

func newFlow(ws domain.WorkspaceID, slug string) domain.Flow {
	return domain.Flow{
		ID: domain.FlowID(newID()), WorkspaceID: ws, Version: 1, CreatedAt: now, UpdatedAt: now,
		FlowDocument: domain.FlowDocument{
			Name: "Win-back", Slug: slug, Status: domain.Active,
			Steps: domain.Steps{
				domain.Survey{Label: "Why?", Options: []string{"Too expensive", "Other"}},
				domain.OfferStep{Label: "A better price", Offer: domain.Discount{Percent: 3000, Months: 3}},
				domain.Confirmation{Label: "Done", Message: "Bye"},
			},
		},
	}
}

func (f *fixture) flow(ws domain.WorkspaceID, slug string) domain.Flow {
	f.t.Helper()
	flow := newFlow(ws, slug)
	f.do(func(ctx context.Context, tx ports.Tx) error { return tx.CreateFlow(ctx, flow) })
	return flow
}

func newSession(flow domain.Flow) domain.Session {
	mrr := int64(2500)
	return domain.Session{
		ID: domain.SessionID(newID()), WorkspaceID: flow.WorkspaceID, Mode: domain.Live, FlowID: flow.ID, FlowVersion: flow.Version,
		Customer: domain.Customer{ID: "cus_1", SubscriptionID: "sub_1", Currency: "usd", MRR: &mrr},
		Stage:    domain.StageSurvey, Offered: -1, Outcome: domain.Pending, Recovered: domain.Money{Currency: "usd"},
		Version: 1, CreatedAt: now, LinkExpiresAt: now.Truncate(time.Second).Add(time.Hour),
	}
}

func (f *fixture) start(s domain.Session) domain.Session {
	f.t.Helper()
	id, err := f.store.StartSession(f.ctx, s, ports.StartCondition{})
	f.NoErr(err)
	f.Equal(id, s.ID) // without a key the session's own id comes back
	return s
}

func withRecord(r domain.IdempotencyRecord) ports.StartCondition {
	return ports.StartCondition{Record: r}
}

func (f *fixture) session(flow domain.Flow) domain.Session {
	f.t.Helper()
	return f.start(newSession(flow))
}

// world is a workspace with one of everything.
type world struct {
	ws      domain.Workspace
	key     domain.Key
	flow    domain.Flow
	session domain.Session
	event   domain.Event
	record  domain.IdempotencyRecord
}

func (f *fixture) world() world {
	f.t.Helper()
	w := world{ws: f.workspace()}
	w.key, w.flow = f.key(w.ws.ID), f.flow(w.ws.ID, "win-back")
	w.session = newSession(w.flow)
	w.record = domain.IdempotencyRecord{Key: "retry-1", Digest: [32]byte{1}, SessionID: w.session.ID, CreatedAt: now}
	_, err := f.store.StartSession(f.ctx, w.session, withRecord(w.record))
	f.NoErr(err)
	w.event = newEvent(w.session, now)
	f.do(func(ctx context.Context, tx ports.Tx) error { return tx.AppendEvent(ctx, w.event) })
	return w
}

func newEvent(s domain.Session, at time.Time) domain.Event {
	return domain.Event{
		ID: domain.EventID(newID()), WorkspaceID: s.WorkspaceID, SessionID: s.ID, Mode: s.Mode,
		Type: domain.ScreenShown, At: at, Data: domain.EventData{FlowVersion: 1, Screen: domain.StageSurvey},
	}
}

// finish decides a session in one transaction, as an application does: load,
// decide, save, append. Its error is what InTx returned.
func (f *fixture) finish(ws domain.WorkspaceID, id domain.SessionID, decide func(domain.Session) (domain.Session, domain.Event, error)) error {
	return f.store.InTx(f.ctx, func(ctx context.Context, tx ports.Tx) error {
		s, err := tx.Session(ctx, ws, id)
		if err != nil {
			return err
		}
		s, e, err := decide(s)
		if err != nil {
			return err
		}
		e.ID = domain.EventID(newID())
		return errors.Join(tx.SaveSession(ctx, s), tx.AppendEvent(ctx, e))
	})
}

func cancel(s domain.Session) (domain.Session, domain.Event, error) { return s.Cancel(now) }
func keep(s domain.Session) (domain.Session, domain.Event, error)   { return s.Keep(now) }

// is checks the kind of an error.
func (f *fixture) kind(err error, want domain.Kind) {
	f.t.Helper()
	if !errors.Is(err, want) {
		f.t.Fatalf("got error %v, want one of kind %q", err, want)
	}
}
