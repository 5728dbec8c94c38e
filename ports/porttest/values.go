package porttest

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

var valueCases = []contractCase{
	{"ids compare by bytes", func(f *fixture) {
		w := f.world()
		for _, change := range []func(string) string{strings.ToUpper, func(s string) string { return s + " " }} {
			_, err := f.store.Session(f.ctx, w.ws.ID, domain.SessionID(change(string(w.session.ID))))
			f.kind(err, domain.ErrNotFound)
			_, err = f.store.SessionResult(f.ctx, w.ws.ID, domain.SessionID(change(string(w.session.ID))))
			f.kind(err, domain.ErrNotFound)
			_, err = f.store.Flow(f.ctx, w.ws.ID, domain.FlowID(change(string(w.flow.ID))))
			f.kind(err, domain.ErrNotFound)
			_, err = f.store.FlowBySlug(f.ctx, w.ws.ID, change(w.flow.Slug))
			f.kind(err, domain.ErrNotFound)
			_, err = f.store.Workspace(f.ctx, domain.WorkspaceID(change(string(w.ws.ID))))
			f.kind(err, domain.ErrNotFound)
		}
		upper := w.session
		upper.ID = domain.SessionID(strings.ToUpper(string(upper.ID)))
		f.start(upper) // another id, so no conflict
		key := newKey(w.ws.ID)
		key.Public = strings.ToUpper("abcdefg")
		lower := newKey(w.ws.ID)
		lower.Public = "abcdefg"
		f.do(func(ctx context.Context, tx ports.Tx) error { return tx.CreateKey(ctx, key) })
		f.do(func(ctx context.Context, tx ports.Tx) error { return tx.CreateKey(ctx, lower) })
	}},
	{"text comes back byte for byte", func(f *fixture) {
		flow := f.flow(f.workspace().ID, "win-back")
		for _, text := range []string{
			"🐇 Kaninchen 兎 \u202eRTL", "e\u0301 is not \u00e9", "  blanks  ", "'; DROP TABLE sessions; --", `back\slash "quote"`, "%_", "\t\r\n", "\x01\x7f", "null", "",
		} {
			s := newSession(flow)
			s.Customer.ID, s.Reason, s.Feedback = text, text, text
			s.Customer.Metadata = map[string]string{"k": text}
			f.sameSession(f.start(s))
		}
	}},
	{"NUL and invalid UTF-8 are refused", func(f *fixture) {
		w := f.world()
		for _, text := range []string{"a\x00b", "\xff", "\xed\xa0\x80"} {
			s := newSession(w.flow)
			s.Feedback = text
			_, err := f.store.StartSession(f.ctx, s, ports.StartCondition{})
			f.kind(err, domain.ErrInvalid)
			k := newKey(w.ws.ID)
			k.Name = text
			f.kind(f.store.InTx(f.ctx, func(ctx context.Context, tx ports.Tx) error { return tx.CreateKey(ctx, k) }), domain.ErrInvalid)
		}
		f.unchanged(w)
	}},
	{"a document of 1 MB", func(f *fixture) {
		flow := newFlow(f.workspace().ID, "win-back")
		flow.Steps = domain.Steps{domain.Confirmation{Label: "Done", Message: strings.Repeat("🐇", 1<<18)}}
		f.do(func(ctx context.Context, tx ports.Tx) error { return tx.CreateFlow(ctx, flow) })
		got, err := f.store.Flow(f.ctx, flow.WorkspaceID, flow.ID)
		f.NoErr(err)
		f.Equal(got, flow)
	}},
	{"times to the millisecond, in UTC, from any zone", func(f *fixture) {
		flow := f.flow(f.workspace().ID, "win-back")
		for _, at := range []time.Time{
			now, time.Date(2026, 12, 31, 23, 59, 59, 999_000_000, time.UTC), time.Date(2099, 1, 1, 0, 0, 0, 1_000_000, time.UTC),
			now.In(time.FixedZone("Kathmandu", (5*60+45)*60)), now.In(time.FixedZone("", -11*60*60)),
		} {
			s := newSession(flow)
			s.CreatedAt = at
			f.start(s)
			got, err := f.store.Session(f.ctx, s.WorkspaceID, s.ID)
			f.NoErr(err)
			f.Equal(got.CreatedAt, at.UTC())
			f.Equal(got.DecidedAt, time.Time{})
		}
	}},
	{"money is exact", func(f *fixture) {
		flow := f.flow(f.workspace().ID, "win-back")
		for _, minor := range []int64{1, 1<<53 + 1, math.MaxInt64 / 4} {
			s := newSession(flow)
			s.Mode = domain.Test
			s.Customer.MRR, s.Recovered.Minor = &minor, minor
			f.sameSession(f.start(s))
		}
	}},
	{"what is returned is a copy", func(f *fixture) {
		flow := f.flow(f.workspace().ID, "win-back")
		s := newSession(flow)
		s.Customer.Metadata = map[string]string{"k": "v"}
		f.start(s)
		first, err := f.store.Session(f.ctx, s.WorkspaceID, s.ID)
		f.NoErr(err)
		first.Customer.Metadata["k"] = "changed"
		*first.Customer.MRR = 1
		stolen, err := f.store.Flow(f.ctx, flow.WorkspaceID, flow.ID)
		f.NoErr(err)
		stolen.Steps[0] = domain.Confirmation{}
		for range 3 { // more than once: a store may remember what it read
			recent, err := f.store.RecentSessions(f.ctx, s.WorkspaceID, 100)
			f.NoErr(err)
			f.Equal(recent, []domain.SessionResult{s.Result()})
			recent[0].Reason = "changed"
		}
		f.sameSession(s)
		again, err := f.store.Flow(f.ctx, flow.WorkspaceID, flow.ID)
		f.NoErr(err)
		f.Equal(again, flow)
	}},
}

var tenancyCases = []contractCase{
	{"every read is blind to another workspace", func(f *fixture) {
		mine, other := f.world(), f.world()
		ws := mine.ws.ID
		_, err := f.store.Key(f.ctx, ws, other.key.Public)
		f.kind(err, domain.ErrNotFound)
		_, err = f.store.Flow(f.ctx, ws, other.flow.ID)
		f.kind(err, domain.ErrNotFound)
		_, err = f.store.FlowAt(f.ctx, ws, other.flow.ID, 1)
		f.kind(err, domain.ErrNotFound)
		_, err = f.store.Session(f.ctx, ws, other.session.ID)
		f.kind(err, domain.ErrNotFound)
		_, err = f.store.SessionResult(f.ctx, ws, other.session.ID)
		f.kind(err, domain.ErrNotFound)
		events, err := f.store.Events(f.ctx, ws, other.session.ID)
		f.NoErr(err)
		f.Equal(len(events), 0)
	}},
	{"every list and count is of one workspace", func(f *fixture) {
		mine, _ := f.world(), f.world()
		keys, err := f.store.Keys(f.ctx, mine.ws.ID)
		f.NoErr(err)
		f.Equal(keys, []domain.Key{mine.key})
		flows, err := f.store.Flows(f.ctx, mine.ws.ID)
		f.NoErr(err)
		f.Equal(flows, []domain.Flow{mine.flow})
		active, err := f.store.ActiveFlow(f.ctx, mine.ws.ID)
		f.NoErr(err)
		f.Equal(active, mine.flow)
		slug, err := f.store.FlowBySlug(f.ctx, mine.ws.ID, "win-back")
		f.NoErr(err)
		f.Equal(slug, mine.flow)
		recent, err := f.store.RecentSessions(f.ctx, mine.ws.ID, 100)
		f.NoErr(err)
		f.Equal(recent, []domain.SessionResult{mine.session.Result()})
		record, err := f.store.Idempotency(f.ctx, mine.ws.ID, domain.Live, mine.record.Key)
		f.NoErr(err)
		f.Equal(record, mine.record)
		f.equalsRecount(mine.ws.ID, mine.session)
	}},
	{"no write reaches another workspace", func(f *fixture) {
		mine, other := f.world(), f.world()
		ws := mine.ws.ID
		stolenFlow, stolenSession, stolenEvent := revised(other.flow, now), other.session, newEvent(other.session, now)
		stolenFlow.WorkspaceID, stolenSession.WorkspaceID, stolenEvent.WorkspaceID = ws, ws, ws
		stolenSession.Version = 2
		for name, write := range map[string]tx{
			"revoke": func(ctx context.Context, tx ports.Tx) error { return tx.RevokeKey(ctx, ws, other.key.ID, now) },
			"touch":  func(ctx context.Context, tx ports.Tx) error { return tx.TouchKey(ctx, ws, other.key.ID, now) },
			"flow":   func(ctx context.Context, tx ports.Tx) error { return tx.SaveFlow(ctx, stolenFlow) },
			"save":   func(ctx context.Context, tx ports.Tx) error { return tx.SaveSession(ctx, stolenSession) },
			"event":  func(ctx context.Context, tx ports.Tx) error { return tx.AppendEvent(ctx, stolenEvent) },
			"start": func(ctx context.Context, tx ports.Tx) error {
				s := newSession(other.flow)
				s.WorkspaceID = ws
				return tx.CreateSession(ctx, s)
			},
		} {
			if err := f.store.InTx(f.ctx, write); domain.KindOf(err) != domain.ErrNotFound {
				f.t.Errorf("%s: got %v, want not found", name, err)
			}
		}
		keys, err := f.store.Keys(f.ctx, other.ws.ID)
		f.NoErr(err)
		f.Equal(keys, []domain.Key{other.key})
		f.sameSession(other.session)
		f.equalsRecount(other.ws.ID, other.session)
		f.equalsRecount(ws, mine.session)
	}},
	{"the same ids may live in two workspaces", func(f *fixture) {
		mine := f.world()
		ws := f.workspace().ID
		key, flow, session, event := mine.key, mine.flow, mine.session, mine.event
		key.WorkspaceID, flow.WorkspaceID, session.WorkspaceID, event.WorkspaceID = ws, ws, ws, ws
		f.do(func(ctx context.Context, tx ports.Tx) error { return tx.CreateKey(ctx, key) })
		f.do(func(ctx context.Context, tx ports.Tx) error { return tx.CreateFlow(ctx, flow) })
		f.start(session)
		f.do(func(ctx context.Context, tx ports.Tx) error { return tx.AppendEvent(ctx, event) })
		f.NoErr(f.finish(ws, session.ID, keep))
		f.sameSession(mine.session)
	}},
}

var lifeCases = []contractCase{
	{"ping", func(f *fixture) { f.NoErr(f.store.Ping(f.ctx)) }},
	{"use after close is unavailable", func(f *fixture) {
		w := f.world()
		f.NoErr(f.store.Close())
		_, err := f.store.Session(f.ctx, w.ws.ID, w.session.ID)
		f.kind(err, domain.ErrUnavailable)
		_, err = f.store.StartSession(f.ctx, newSession(w.flow), ports.StartCondition{})
		f.kind(err, domain.ErrUnavailable)
		f.kind(f.store.InTx(f.ctx, func(ctx context.Context, tx ports.Tx) error { return tx.CreateWorkspace(ctx, w.ws) }), domain.ErrUnavailable)
		f.kind(f.store.Ping(f.ctx), domain.ErrUnavailable)
	}},
	{"reads that race close return or are unavailable", func(f *fixture) {
		w := f.world()
		var readers sync.WaitGroup
		started := make(chan struct{}, 8)
		for range cap(started) {
			readers.Go(func() {
				started <- struct{}{}
				for {
					_, recent := f.store.RecentSessions(f.ctx, w.ws.ID, 100)
					_, one := f.store.Session(f.ctx, w.ws.ID, w.session.ID)
					for _, err := range []error{recent, one} {
						if err != nil && !errors.Is(err, domain.ErrUnavailable) {
							f.t.Errorf("read: %v", err)
						}
					}
					if recent != nil && one != nil {
						return
					}
				}
			})
		}
		for range cap(started) {
			<-started
		}
		f.NoErr(f.store.Close())
		readers.Wait()
	}},
	{"close waits for what is being written", func(f *fixture) {
		w := f.world()
		started := make(chan struct{})
		wrote := make(chan error, 1)
		go func() {
			wrote <- f.store.InTx(f.ctx, func(ctx context.Context, tx ports.Tx) error {
				close(started)
				time.Sleep(20 * time.Millisecond) // a write that takes a while
				return tx.CreateSession(ctx, newSession(w.flow))
			})
		}()
		<-started
		f.NoErr(f.store.Close())
		f.NoErr(<-wrote)
	}},
}
