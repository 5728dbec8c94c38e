package porttest

import (
	"context"
	"time"

	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

var workspaceCases = []contractCase{
	{"round trip", func(f *fixture) {
		w := f.workspace()
		got, err := f.store.Workspace(f.ctx, w.ID)
		f.NoErr(err)
		f.Equal(got, w)
	}},
	{"unknown is not found", func(f *fixture) {
		_, err := f.store.Workspace(f.ctx, domain.WorkspaceID(newID()))
		f.kind(err, domain.ErrNotFound)
	}},
	{"known id conflicts", func(f *fixture) {
		w := f.workspace()
		f.kind(f.store.InTx(f.ctx, func(ctx context.Context, tx ports.Tx) error { return tx.CreateWorkspace(ctx, w) }), domain.ErrConflict)
	}},
	{"list is oldest first, ties by id", func(f *fixture) {
		list, err := f.store.Workspaces(f.ctx)
		f.NoErr(err)
		f.Equal(len(list), 0)
		for _, w := range []domain.Workspace{
			{ID: "c", Name: "C", Currency: "usd", CreatedAt: now},
			{ID: "b", Name: "B", Currency: "usd", CreatedAt: now.Add(-time.Millisecond)},
			{ID: "a", Name: "A", Currency: "usd", CreatedAt: now},
		} {
			f.do(func(ctx context.Context, tx ports.Tx) error { return tx.CreateWorkspace(ctx, w) })
		}
		list, err = f.store.Workspaces(f.ctx)
		f.NoErr(err)
		f.Equal(ids(list, func(w domain.Workspace) string { return string(w.ID) }), "b a c")
	}},
}

var keyCases = []contractCase{
	{"round trip with and without times", func(f *fixture) {
		ws := f.workspace().ID
		bare, full := newKey(ws), newKey(ws)
		full.Mode, full.Scope = domain.Test, domain.ScopeRead
		full.ExpiresAt, full.RevokedAt, full.LastUsedAt = now.Add(time.Hour), now.Add(time.Minute), now.Add(time.Second)
		for _, k := range []domain.Key{bare, full} {
			f.do(func(ctx context.Context, tx ports.Tx) error { return tx.CreateKey(ctx, k) })
			got, err := f.store.Key(f.ctx, ws, k.Public)
			f.NoErr(err)
			f.Equal(got, k)
		}
	}},
	{"known id or public part conflicts", func(f *fixture) {
		k := f.key(f.workspace().ID)
		sameID, samePublic := newKey(k.WorkspaceID), newKey(k.WorkspaceID)
		sameID.ID, samePublic.Public = k.ID, k.Public
		for _, dup := range []domain.Key{sameID, samePublic} {
			f.kind(f.store.InTx(f.ctx, func(ctx context.Context, tx ports.Tx) error { return tx.CreateKey(ctx, dup) }), domain.ErrConflict)
		}
	}},
	{"unknown workspace is not found", func(f *fixture) {
		k := newKey(domain.WorkspaceID(newID()))
		f.kind(f.store.InTx(f.ctx, func(ctx context.Context, tx ports.Tx) error { return tx.CreateKey(ctx, k) }), domain.ErrNotFound)
	}},
	{"the first revocation stays", func(f *fixture) {
		k := f.key(f.workspace().ID)
		for _, at := range []time.Time{now, now.Add(time.Hour)} {
			f.do(func(ctx context.Context, tx ports.Tx) error { return tx.RevokeKey(ctx, k.WorkspaceID, k.ID, at) })
		}
		got, err := f.store.Key(f.ctx, k.WorkspaceID, k.Public)
		f.NoErr(err)
		f.Equal(got.RevokedAt, now)
	}},
	{"last use never goes back and touches nothing else", func(f *fixture) {
		k := f.key(f.workspace().ID)
		f.do(func(ctx context.Context, tx ports.Tx) error { return tx.RevokeKey(ctx, k.WorkspaceID, k.ID, now) })
		for _, at := range []time.Time{now.Add(time.Hour), now} {
			f.do(func(ctx context.Context, tx ports.Tx) error { return tx.TouchKey(ctx, k.WorkspaceID, k.ID, at) })
		}
		k.RevokedAt, k.LastUsedAt = now, now.Add(time.Hour)
		got, err := f.store.Key(f.ctx, k.WorkspaceID, k.Public)
		f.NoErr(err)
		f.Equal(got, k)
	}},
	{"revoking or touching the unknown is not found", func(f *fixture) {
		ws, id := f.workspace().ID, domain.KeyID(newID())
		f.kind(f.store.InTx(f.ctx, func(ctx context.Context, tx ports.Tx) error { return tx.RevokeKey(ctx, ws, id, now) }), domain.ErrNotFound)
		f.kind(f.store.InTx(f.ctx, func(ctx context.Context, tx ports.Tx) error { return tx.TouchKey(ctx, ws, id, now) }), domain.ErrNotFound)
	}},
	{"list is oldest first, ties by id", func(f *fixture) {
		ws := f.workspace().ID
		list, err := f.store.Keys(f.ctx, ws)
		f.NoErr(err)
		f.Equal(len(list), 0)
		for id, at := range map[domain.KeyID]time.Time{"c": now, "a": now, "b": now.Add(-time.Millisecond)} {
			k := newKey(ws)
			k.ID, k.CreatedAt = id, at
			f.do(func(ctx context.Context, tx ports.Tx) error { return tx.CreateKey(ctx, k) })
		}
		list, err = f.store.Keys(f.ctx, ws)
		f.NoErr(err)
		f.Equal(ids(list, func(k domain.Key) string { return string(k.ID) }), "b a c")
	}},
}

var flowCases = []contractCase{
	{"round trip", func(f *fixture) {
		flow := f.flow(f.workspace().ID, "win-back")
		byID, err := f.store.Flow(f.ctx, flow.WorkspaceID, flow.ID)
		f.NoErr(err)
		f.Equal(byID, flow)
		bySlug, err := f.store.FlowBySlug(f.ctx, flow.WorkspaceID, "win-back")
		f.NoErr(err)
		f.Equal(bySlug, flow)
	}},
	{"unknown is not found", func(f *fixture) {
		flow := f.flow(f.workspace().ID, "win-back")
		_, err := f.store.Flow(f.ctx, flow.WorkspaceID, domain.FlowID(newID()))
		f.kind(err, domain.ErrNotFound)
		_, err = f.store.FlowBySlug(f.ctx, flow.WorkspaceID, "Win-back")
		f.kind(err, domain.ErrNotFound)
		_, err = f.store.FlowAt(f.ctx, flow.WorkspaceID, flow.ID, 2)
		f.kind(err, domain.ErrNotFound)
		_, err = f.store.ActiveFlow(f.ctx, f.workspace().ID)
		f.kind(err, domain.ErrNotFound)
	}},
	{"known id or slug conflicts", func(f *fixture) {
		flow := f.flow(f.workspace().ID, "win-back")
		sameID, sameSlug := newFlow(flow.WorkspaceID, "other"), newFlow(flow.WorkspaceID, "win-back")
		sameID.ID = flow.ID
		for _, dup := range []domain.Flow{sameID, sameSlug} {
			f.kind(f.store.InTx(f.ctx, func(ctx context.Context, tx ports.Tx) error { return tx.CreateFlow(ctx, dup) }), domain.ErrConflict)
		}
	}},
	{"unknown workspace is not found", func(f *fixture) {
		flow := newFlow(domain.WorkspaceID(newID()), "win-back")
		f.kind(f.store.InTx(f.ctx, func(ctx context.Context, tx ports.Tx) error { return tx.CreateFlow(ctx, flow) }), domain.ErrNotFound)
	}},
	{"an earlier version stays as it was", func(f *fixture) {
		first := f.flow(f.workspace().ID, "win-back")
		second := revised(first, now.Add(time.Hour))
		second.Name, second.Slug, second.Status = "Renamed", "renamed", domain.Archived
		second.Steps = second.Steps[:1]
		f.do(func(ctx context.Context, tx ports.Tx) error { return tx.SaveFlow(ctx, second) })
		newest, err := f.store.Flow(f.ctx, first.WorkspaceID, first.ID)
		f.NoErr(err)
		f.Equal(newest, second)
		earlier, err := f.store.FlowAt(f.ctx, first.WorkspaceID, first.ID, 1)
		f.NoErr(err)
		f.Equal(earlier, first)
	}},
	{"a stale version conflicts", func(f *fixture) {
		flow := f.flow(f.workspace().ID, "win-back")
		for _, version := range []int{1, 3} {
			stale := flow
			stale.Version = version
			f.kind(f.store.InTx(f.ctx, func(ctx context.Context, tx ports.Tx) error { return tx.SaveFlow(ctx, stale) }), domain.ErrConflict)
		}
	}},
	{"saving under another flow's slug conflicts", func(f *fixture) {
		ws := f.workspace().ID
		f.flow(ws, "taken")
		flow := revised(f.flow(ws, "mine"), now)
		flow.Slug = "taken"
		f.kind(f.store.InTx(f.ctx, func(ctx context.Context, tx ports.Tx) error { return tx.SaveFlow(ctx, flow) }), domain.ErrConflict)
	}},
	{"saving the unknown is not found", func(f *fixture) {
		flow := revised(newFlow(f.workspace().ID, "win-back"), now)
		f.kind(f.store.InTx(f.ctx, func(ctx context.Context, tx ports.Tx) error { return tx.SaveFlow(ctx, flow) }), domain.ErrNotFound)
	}},
	{"list is updated last first, ties by id; the active flow is its first active one", func(f *fixture) {
		ws := f.workspace().ID
		add := func(id domain.FlowID, status domain.FlowStatus, at time.Time) {
			flow := newFlow(ws, "slug-"+string(id))
			flow.ID, flow.Status, flow.UpdatedAt = id, status, at
			f.do(func(ctx context.Context, tx ports.Tx) error { return tx.CreateFlow(ctx, flow) })
		}
		add("b", domain.Active, now)
		add("a", domain.Active, now)
		add("c", domain.Archived, now)
		add("d", domain.Draft, now.Add(time.Millisecond))
		add("e", domain.Active, now.Add(-time.Hour))
		list, err := f.store.Flows(f.ctx, ws)
		f.NoErr(err)
		f.Equal(ids(list, func(flow domain.Flow) string { return string(flow.ID) }), "d c b a e")
		active, err := f.store.ActiveFlow(f.ctx, ws)
		f.NoErr(err)
		f.Equal(active.ID, domain.FlowID("b"))
	}},
	{"what a newer version stored comes back", func(f *fixture) {
		flow := newFlow(f.workspace().ID, "win-back")
		flow.Steps = domain.Steps{
			domain.UnknownStep{StepType: "quiz", Label: "?", Config: []byte(`{"b":1,"a":2}`)},
			domain.OfferStep{Label: "!", Offer: domain.UnknownOffer{Type: "gift", Raw: []byte(`{"kind":"gift"}`)}},
		}
		f.do(func(ctx context.Context, tx ports.Tx) error { return tx.CreateFlow(ctx, flow) })
		got, err := f.store.Flow(f.ctx, flow.WorkspaceID, flow.ID)
		f.NoErr(err)
		f.Equal(got.Steps, flow.Steps)
	}},
}

func revised(flow domain.Flow, at time.Time) domain.Flow {
	flow.Version++
	flow.UpdatedAt = at
	return flow
}

// ids joins the ids of a list, to compare an order at a glance.
func ids[T any](list []T, id func(T) string) string {
	text := ""
	for i, item := range list {
		if i > 0 {
			text += " "
		}
		text += id(item)
	}
	return text
}
