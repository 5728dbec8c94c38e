package porttest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

var sessionCases = []contractCase{
	{"round trip with nothing optional", func(f *fixture) {
		s := newSession(f.flow(f.workspace().ID, "win-back"))
		s.Customer.SubscriptionID, s.Customer.MRR = "", nil
		f.sameSession(f.start(s))
	}},
	{"round trip with everything", func(f *fixture) {
		f.sameSession(f.start(fullSession(f.flow(f.workspace().ID, "win-back"))))
	}},
	{"an MRR of zero is not an unknown MRR", func(f *fixture) {
		s := newSession(f.flow(f.workspace().ID, "win-back"))
		*s.Customer.MRR = 0
		f.sameSession(f.start(s))
	}},
	{"created in a transaction", func(f *fixture) {
		s := newSession(f.flow(f.workspace().ID, "win-back"))
		f.do(func(ctx context.Context, tx ports.Tx) error { return tx.CreateSession(ctx, s) })
		f.sameSession(s)
	}},
	{"unknown is not found", func(f *fixture) {
		ws := f.workspace().ID
		_, err := f.store.Session(f.ctx, ws, domain.SessionID(newID()))
		f.kind(err, domain.ErrNotFound)
		_, err = f.store.SessionResult(f.ctx, ws, domain.SessionID(newID()))
		f.kind(err, domain.ErrNotFound)
		events, err := f.store.Events(f.ctx, ws, domain.SessionID(newID()))
		f.NoErr(err)
		f.Equal(len(events), 0)
	}},
	{"known id conflicts", func(f *fixture) {
		s := f.session(f.flow(f.workspace().ID, "win-back"))
		again := s
		again.CreatedAt = now.Add(time.Hour)
		f.kind(f.store.InTx(f.ctx, func(ctx context.Context, tx ports.Tx) error { return tx.CreateSession(ctx, again) }), domain.ErrConflict)
	}},
	{"unknown flow version is not found", func(f *fixture) {
		s := newSession(f.flow(f.workspace().ID, "win-back"))
		s.FlowVersion = 2
		f.kind(f.store.InTx(f.ctx, func(ctx context.Context, tx ports.Tx) error { return tx.CreateSession(ctx, s) }), domain.ErrNotFound)
	}},
	{"a saved session comes back as saved", func(f *fixture) {
		flow := f.flow(f.workspace().ID, "win-back")
		s := f.session(flow)
		full := fullSession(flow)
		full.ID, full.Mode, full.Customer, full.CreatedAt, full.LinkExpiresAt = s.ID, s.Mode, s.Customer, s.CreatedAt, s.LinkExpiresAt
		full.Recovered.Currency, full.Version = s.Customer.Currency, 2
		f.do(func(ctx context.Context, tx ports.Tx) error { return tx.SaveSession(ctx, full) })
		f.sameSession(full)
		result, err := f.store.SessionResult(f.ctx, s.WorkspaceID, s.ID)
		f.NoErr(err)
		f.Equal(result, full.Result())
	}},
	{"a stale version conflicts", func(f *fixture) {
		s := f.session(f.flow(f.workspace().ID, "win-back"))
		for _, version := range []int{1, 3} {
			stale := s
			stale.Version, stale.Reason = version, "stale"
			f.kind(f.store.InTx(f.ctx, func(ctx context.Context, tx ports.Tx) error { return tx.SaveSession(ctx, stale) }), domain.ErrConflict)
		}
		f.sameSession(s)
	}},
	{"saving the unknown is not found", func(f *fixture) {
		s := newSession(f.flow(f.workspace().ID, "win-back"))
		s.Version = 2
		f.kind(f.store.InTx(f.ctx, func(ctx context.Context, tx ports.Tx) error { return tx.SaveSession(ctx, s) }), domain.ErrNotFound)
	}},
	{"recent is newest first, ties by id, live only, up to the limit", func(f *fixture) {
		flow := f.flow(f.workspace().ID, "win-back")
		list, err := f.store.RecentSessions(f.ctx, flow.WorkspaceID, 100)
		f.NoErr(err)
		f.Equal(len(list), 0)
		for id, at := range map[domain.SessionID]time.Time{
			"c": now, "a": now, "b": now.Add(time.Millisecond), "d": now.Add(-time.Millisecond), "e": now.Add(-time.Hour),
		} {
			s := newSession(flow)
			s.ID, s.CreatedAt = id, at
			f.start(s)
		}
		test := newSession(flow)
		test.Mode, test.CreatedAt = domain.Test, now.Add(time.Hour)
		f.start(test)
		list, err = f.store.RecentSessions(f.ctx, flow.WorkspaceID, 4)
		f.NoErr(err)
		f.Equal(ids(list, func(s domain.SessionResult) string { return string(s.ID) }), "b c a d")
	}},
	{"events come oldest first, ties as appended", func(f *fixture) {
		s := f.session(f.flow(f.workspace().ID, "win-back"))
		at := []time.Time{now.Add(time.Second), now, now, now}
		var want [4]domain.Event
		f.do(func(ctx context.Context, tx ports.Tx) error {
			var errs []error
			for i := range at {
				want[i] = newEvent(s, at[i])
				errs = append(errs, tx.AppendEvent(ctx, want[i]))
			}
			return errors.Join(errs...)
		})
		got, err := f.store.Events(f.ctx, s.WorkspaceID, s.ID)
		f.NoErr(err)
		f.Equal(got, []domain.Event{want[1], want[2], want[3], want[0]})
	}},
	{"an event comes back whole", func(f *fixture) {
		s := f.session(f.flow(f.workspace().ID, "win-back"))
		step, recovered := 1, int64(1750)
		e := newEvent(s, now)
		e.Type = domain.SessionSaved
		e.Data = domain.EventData{
			FlowVersion: 3, Screen: domain.StageDone, Step: &step, Offer: []byte(`{"kind":"discount","percentOff":30}`),
			Reason: "Too expensive", Feedback: "🐇", Choice: domain.ChoseOffer, Outcome: domain.Saved, Recovered: &recovered, Currency: "usd",
		}
		f.do(func(ctx context.Context, tx ports.Tx) error { return tx.AppendEvent(ctx, e) })
		got, err := f.store.Events(f.ctx, s.WorkspaceID, s.ID)
		f.NoErr(err)
		f.Equal(got, []domain.Event{e})
	}},
	{"a known event conflicts, an unknown session is not found", func(f *fixture) {
		s := f.session(f.flow(f.workspace().ID, "win-back"))
		e := newEvent(s, now)
		f.do(func(ctx context.Context, tx ports.Tx) error { return tx.AppendEvent(ctx, e) })
		f.kind(f.store.InTx(f.ctx, func(ctx context.Context, tx ports.Tx) error { return tx.AppendEvent(ctx, e) }), domain.ErrConflict)
		lost := newEvent(s, now)
		lost.SessionID = domain.SessionID(newID())
		f.kind(f.store.InTx(f.ctx, func(ctx context.Context, tx ports.Tx) error { return tx.AppendEvent(ctx, lost) }), domain.ErrNotFound)
	}},
}

var startCases = []contractCase{
	{"known id conflicts", func(f *fixture) {
		s := f.session(f.flow(f.workspace().ID, "win-back"))
		_, err := f.store.StartSession(f.ctx, s, ports.StartCondition{})
		f.kind(err, domain.ErrConflict)
	}},
	{"a flow that is not as wanted conflicts, and the key stays free", func(f *fixture) {
		ws := f.workspace().ID
		older, newer := f.flow(ws, "older"), newFlow(ws, "newer")
		newer.UpdatedAt = now.Add(time.Millisecond)
		archived := newFlow(ws, "archived")
		archived.Status = domain.Archived
		f.do(func(ctx context.Context, tx ports.Tx) error {
			return errors.Join(tx.CreateFlow(ctx, newer), tx.CreateFlow(ctx, archived), tx.SaveFlow(ctx, revised(older, now)))
		})
		stale, unknown, notNewest := newSession(older), newSession(newFlow(ws, "unknown")), newSession(revised(older, now))
		for _, start := range []struct {
			s    domain.Session
			cond ports.StartCondition
		}{
			{stale, ports.StartCondition{}}, {unknown, ports.StartCondition{}}, {newSession(archived), ports.StartCondition{}},
			{notNewest, ports.StartCondition{Newest: true}},
		} {
			start.cond.Record = domain.IdempotencyRecord{Key: "k", Digest: [32]byte{1}, SessionID: start.s.ID, CreatedAt: now}
			_, err := f.store.StartSession(f.ctx, start.s, start.cond)
			f.kind(err, domain.ErrConflict)
			var shown *domain.Error
			f.True(errors.As(err, &shown) && shown.Code == "flow_changed")
			_, err = f.store.Idempotency(f.ctx, ws, start.s.Mode, "k")
			f.kind(err, domain.ErrNotFound)
		}
		_, err := f.store.StartSession(f.ctx, notNewest, ports.StartCondition{})
		f.NoErr(err)
		_, err = f.store.StartSession(f.ctx, newSession(newer), ports.StartCondition{Newest: true})
		f.NoErr(err)
	}},
	{"of many starts at once each has its own fate", func(f *fixture) { f.manyStarts(false) }},
	{"of many starts at once in the newest flow each has its own fate", func(f *fixture) { f.manyStarts(true) }},
	{"the same key and digest give the first session", func(f *fixture) {
		flow := f.flow(f.workspace().ID, "win-back")
		first, second := newSession(flow), newSession(flow)
		record := domain.IdempotencyRecord{Key: "k", Digest: [32]byte{1}, SessionID: first.ID, CreatedAt: now}
		id, err := f.store.StartSession(f.ctx, first, withRecord(record))
		f.NoErr(err)
		f.Equal(id, first.ID)
		got, err := f.store.Idempotency(f.ctx, flow.WorkspaceID, domain.Live, "k")
		f.NoErr(err)
		f.Equal(got, record)
		record.SessionID = second.ID
		id, err = f.store.StartSession(f.ctx, second, withRecord(record))
		f.NoErr(err)
		f.Equal(id, first.ID)
		_, err = f.store.Session(f.ctx, flow.WorkspaceID, second.ID)
		f.kind(err, domain.ErrNotFound)
		f.equalsRecount(flow.WorkspaceID, first)
	}},
	{"the same key with another digest conflicts", func(f *fixture) {
		w := f.world()
		other := newSession(w.flow)
		record := w.record
		record.Digest, record.SessionID = [32]byte{2}, other.ID
		_, err := f.store.StartSession(f.ctx, other, withRecord(record))
		f.kind(err, domain.ErrConflict)
		_, err = f.store.Session(f.ctx, w.ws.ID, other.ID)
		f.kind(err, domain.ErrNotFound)
	}},
	{"keys of another mode, case or workspace are other keys", func(f *fixture) {
		w := f.world()
		test := newSession(w.flow)
		test.Mode = domain.Test
		id, err := f.store.StartSession(f.ctx, test, withRecord(domain.IdempotencyRecord{Key: w.record.Key, Digest: [32]byte{2}, SessionID: test.ID, CreatedAt: now}))
		f.NoErr(err)
		f.Equal(id, test.ID)
		upper := newSession(w.flow)
		id, err = f.store.StartSession(f.ctx, upper, withRecord(domain.IdempotencyRecord{Key: "RETRY-1", Digest: [32]byte{2}, SessionID: upper.ID, CreatedAt: now}))
		f.NoErr(err)
		f.Equal(id, upper.ID)
		f.world() // uses the same key in its own workspace
	}},
	{"16 at once with one key start one session", func(f *fixture) {
		flow := f.flow(f.workspace().ID, "win-back")
		var got [16]domain.SessionID
		atOnce(len(got), func(i int) {
			s := newSession(flow)
			id, err := f.store.StartSession(f.ctx, s, withRecord(domain.IdempotencyRecord{Key: "k", Digest: [32]byte{1}, SessionID: s.ID, CreatedAt: now}))
			if err != nil {
				f.t.Errorf("start %d: %v", i, err)
			}
			got[i] = id
		})
		for _, id := range got {
			f.Equal(id, got[0])
		}
		list, err := f.store.RecentSessions(f.ctx, flow.WorkspaceID, 100)
		f.NoErr(err)
		f.Equal(len(list), 1)
	}},
	{"old records are forgotten, younger and others' are kept", func(f *fixture) {
		w, other := f.world(), f.world()
		young := newSession(w.flow)
		record := domain.IdempotencyRecord{Key: "young", SessionID: young.ID, CreatedAt: now.Add(time.Millisecond)}
		_, err := f.store.StartSession(f.ctx, young, withRecord(record))
		f.NoErr(err)
		for i := range 3 { // as old as the world's own
			r := domain.IdempotencyRecord{Key: fmt.Sprint("old ", i), SessionID: w.session.ID, CreatedAt: now}
			f.do(func(ctx context.Context, tx ports.Tx) error {
				return tx.CreateIdempotency(ctx, w.ws.ID, domain.Test, r)
			})
		}
		for _, want := range []int64{3, 1, 0} { // at most as many as are asked for
			var n int64
			f.do(func(ctx context.Context, tx ports.Tx) (err error) {
				n, err = tx.ForgetIdempotency(ctx, w.ws.ID, now.Add(time.Millisecond), 3)
				return err
			})
			f.Equal(n, want)
		}
		_, err = f.store.Idempotency(f.ctx, w.ws.ID, domain.Live, w.record.Key)
		f.kind(err, domain.ErrNotFound)
		_, err = f.store.Idempotency(f.ctx, w.ws.ID, domain.Live, "young")
		f.NoErr(err)
		_, err = f.store.Idempotency(f.ctx, other.ws.ID, domain.Live, other.record.Key)
		f.NoErr(err)
	}},
}

// manyStarts starts sessions that may start, with and without a key, beside others
// that may not, and retries.
func (f *fixture) manyStarts(newest bool) {
	w := f.world()
	archived := newFlow(w.ws.ID, "archived")
	archived.Status = domain.Archived
	f.do(func(ctx context.Context, tx ports.Tx) error { return tx.CreateFlow(ctx, archived) })
	started := make([]domain.Session, 64)
	known := func(i int) domain.IdempotencyRecord {
		return domain.IdempotencyRecord{Key: fmt.Sprint("known ", i), Digest: [32]byte{1}, SessionID: w.session.ID, CreatedAt: now}
	}
	f.do(func(ctx context.Context, tx ports.Tx) error {
		var errs []error
		for i := range started {
			errs = append(errs, tx.CreateIdempotency(ctx, w.ws.ID, domain.Live, known(i)))
		}
		return errors.Join(errs...)
	})
	atOnce(len(started), func(i int) {
		s := newSession([]domain.Flow{w.flow, w.flow, archived, w.flow, w.flow}[i%5])
		cond := ports.StartCondition{Newest: newest, Record: domain.IdempotencyRecord{Key: fmt.Sprint("own ", i), SessionID: s.ID, CreatedAt: now}}
		want, wantErr := s.ID, error(nil)
		switch i % 5 {
		case 0:
			cond.Record = domain.IdempotencyRecord{}
		case 2:
			cond.Record.Key = fmt.Sprint("pair ", i/10) // of two such
			want, wantErr = "", domain.ErrConflict      // their flow is not active
		case 3:
			cond.Record = known(i) // a retry
			cond.Record.SessionID = s.ID
			want = w.session.ID
		case 4:
			cond.Record = known(i) // another request by the same key
			cond.Record.Digest, cond.Record.SessionID = [32]byte{9}, s.ID
			want, wantErr = w.session.ID, domain.ErrConflict
		}
		id, err := f.store.StartSession(f.ctx, s, cond)
		if !errors.Is(err, wantErr) || err == nil && id != want {
			f.t.Errorf("start %d: %s, %v", i, id, err)
		}
		if id == s.ID && err == nil {
			started[i] = s
		}
	})
	kept := []domain.Session{w.session}
	for i, s := range started {
		_, err := f.store.Idempotency(f.ctx, w.ws.ID, domain.Live, fmt.Sprint("own ", i))
		f.Equal(err == nil, i%5 == 1)
		_, err = f.store.Idempotency(f.ctx, w.ws.ID, domain.Live, fmt.Sprint("pair ", i/10))
		f.kind(err, domain.ErrNotFound) // what did not start has taken no key
		if s.ID != "" {
			kept = append(kept, s)
		}
	}
	f.Equal(len(kept), 1+26) // 13 each without a key and with one of its own
	f.equalsRecount(w.ws.ID, kept...)
	all, err := f.store.SessionsAfter(f.ctx, w.ws.ID, "", 100)
	f.NoErr(err)
	f.Equal(len(all), len(kept))
}

// fullSession has a value in every field.
func fullSession(flow domain.Flow) domain.Session {
	mrr := int64(999_999_999_999)
	s := newSession(flow)
	s.Mode = domain.Test
	s.Customer = domain.Customer{
		ID: "cus_2", SubscriptionID: "sub_2", Currency: "jpy", MRR: &mrr, ReturnURL: "https://example.com/back?a=1&b=2",
		Country: "US", Region: "MN", Locale: "pt-BR", Metadata: map[string]string{"plan": "pro", "leer": ""},
	}
	s.Reason, s.Feedback = "Too expensive", "first line\nsecond line"
	s.Stage, s.Offered, s.Shown, s.Answered = domain.StageDone, 1, domain.StageOffer, true
	s.Outcome, s.Choice, s.Accepted = domain.Saved, domain.ChoseOffer, domain.KindPause
	s.Recovered = domain.Money{Minor: mrr, Currency: "jpy"}
	s.DecidedAt = now.Add(time.Minute)
	return s
}

// sameSession checks that the stored session is exactly s.
func (f *fixture) sameSession(s domain.Session) {
	f.t.Helper()
	got, err := f.store.Session(f.ctx, s.WorkspaceID, s.ID)
	f.NoErr(err)
	f.Equal(got, s)
}

// atOnce runs fn n times at once and waits for all.
func atOnce(n int, fn func(i int)) {
	var ready, done sync.WaitGroup
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			fn(i)
		})
	}
	done.Wait()
}
