package porttest

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

var errUndo = errors.New("undo")

var transactionCases = []contractCase{
	{"an error undoes every write and comes back itself", func(f *fixture) {
		w := f.world()
		err := f.store.InTx(f.ctx, func(ctx context.Context, tx ports.Tx) error {
			return errors.Join(everyWrite(ctx, tx, w), errUndo)
		})
		f.True(errors.Is(err, errUndo)) // the very error, not a copy of its text
		f.unchanged(w)
	}},
	{"a panic undoes every write, comes back, and does not stop the next", func(f *fixture) {
		w := f.world()
		func() {
			defer func() { f.Equal(recover(), "boom") }()
			_ = f.store.InTx(f.ctx, func(ctx context.Context, tx ports.Tx) error {
				if err := everyWrite(ctx, tx, w); err != nil {
					return err
				}
				panic("boom")
			})
		}()
		f.unchanged(w)
		f.do(func(ctx context.Context, tx ports.Tx) error { return everyWrite(ctx, tx, w) })
	}},
	{"a function that ends its goroutine undoes every write, and does not stop the next", func(f *fixture) {
		w := f.world()
		ended := make(chan error, 1)
		go func() {
			defer close(ended) // an adapter may end the caller's goroutine with it
			ended <- f.store.InTx(f.ctx, func(ctx context.Context, tx ports.Tx) error {
				if err := everyWrite(ctx, tx, w); err != nil {
					return err
				}
				runtime.Goexit() // as t.FailNow does
				return nil
			})
		}()
		if err, returned := <-ended; returned {
			f.True(err != nil)
		}
		f.unchanged(w)
		f.do(func(ctx context.Context, tx ports.Tx) error { return everyWrite(ctx, tx, w) })
	}},
	{"it reads its own writes, others do not before the commit", func(f *fixture) {
		w := f.world()
		s := newSession(w.flow)
		var inside domain.Session
		var outside error
		f.do(func(ctx context.Context, tx ports.Tx) (err error) {
			if err := tx.CreateSession(ctx, s); err != nil {
				return err
			}
			inside, err = tx.Session(ctx, s.WorkspaceID, s.ID)
			done := make(chan struct{})
			go func() {
				_, outside = f.store.Session(f.ctx, s.WorkspaceID, s.ID)
				close(done)
			}()
			<-done
			return err
		})
		f.Equal(inside, s)
		f.kind(outside, domain.ErrNotFound)
		f.sameSession(s)
	}},
	{"a conflict inside does not poison it", func(f *fixture) {
		w := f.world()
		after := newSession(w.flow)
		var conflicts, missing []error
		f.do(func(ctx context.Context, tx ports.Tx) error {
			stale := w.session
			conflicts = append(conflicts, tx.CreateSession(ctx, w.session), tx.CreateWorkspace(ctx, w.ws), tx.CreateKey(ctx, w.key),
				tx.CreateFlow(ctx, w.flow), tx.SaveFlow(ctx, w.flow), tx.SaveSession(ctx, stale), tx.AppendEvent(ctx, w.event))
			orphanKey, orphanFlow, orphan := newKey("none"), newFlow("none", "x"), newSession(newFlow(w.ws.ID, "x"))
			missing = append(missing, tx.CreateKey(ctx, orphanKey), tx.CreateFlow(ctx, orphanFlow), tx.CreateSession(ctx, orphan),
				tx.AppendEvent(ctx, newEvent(orphan, now)), tx.SaveSession(ctx, orphan))
			return tx.CreateSession(ctx, after)
		})
		for _, err := range conflicts {
			f.kind(err, domain.ErrConflict)
		}
		for _, err := range missing {
			f.kind(err, domain.ErrNotFound)
		}
		f.sameSession(after)
	}},
	{"16 finishes at once have one winner and one event", func(f *fixture) {
		w := f.world()
		var won, lost atomic.Int64
		atOnce(16, func(i int) {
			decide := keep
			if i%2 == 1 {
				decide = cancel
			}
			err := f.finish(w.ws.ID, w.session.ID, func(s domain.Session) (domain.Session, domain.Event, error) {
				if s.Outcome != domain.Pending {
					return s, domain.Event{}, domain.Conflict("already_decided", "decided")
				}
				return decide(s)
			})
			switch {
			case err == nil:
				won.Add(1)
			case errors.Is(err, domain.ErrConflict):
				lost.Add(1)
			default:
				f.t.Errorf("finish %d: %v", i, err)
			}
		})
		f.Equal(won.Load(), int64(1))
		f.Equal(lost.Load(), int64(15))
		events, err := f.store.Events(f.ctx, w.ws.ID, w.session.ID)
		f.NoErr(err)
		f.Equal(len(events), 2) // the world's own and the decision
		got, err := f.store.Session(f.ctx, w.ws.ID, w.session.ID)
		f.NoErr(err)
		f.equalsRecount(w.ws.ID, got)
	}},
	{"one that fails does not disturb those beside it", func(f *fixture) {
		w := f.world()
		atOnce(32, func(i int) {
			s := newSession(w.flow)
			err := f.store.InTx(f.ctx, func(ctx context.Context, tx ports.Tx) error {
				if err := tx.CreateSession(ctx, s); err != nil || i%2 == 0 {
					return err
				}
				return errUndo
			})
			_, read := f.store.Session(f.ctx, s.WorkspaceID, s.ID)
			if kept := i%2 == 0; kept != (err == nil) || kept != (read == nil) {
				f.t.Errorf("transaction %d: committed with %v, read with %v", i, err, read)
			}
		})
	}},
	{"a cancelled context runs nothing", func(f *fixture) {
		w := f.world()
		ctx, stop := context.WithCancel(f.ctx)
		stop()
		err := f.store.InTx(ctx, func(ctx context.Context, tx ports.Tx) error { return tx.CreateSession(ctx, newSession(w.flow)) })
		f.True(errors.Is(err, context.Canceled))
		_, err = f.store.StartSession(ctx, newSession(w.flow), ports.StartCondition{})
		f.True(errors.Is(err, context.Canceled))
		_, err = f.store.Session(ctx, w.ws.ID, w.session.ID)
		f.True(errors.Is(err, context.Canceled))
		f.unchanged(w)
	}},
}

// everyWrite uses each write of a transaction once.
func everyWrite(ctx context.Context, tx ports.Tx, w world) error {
	decided, e, err := w.session.Keep(now)
	e.ID = domain.EventID(newID())
	other := domain.Workspace{ID: domain.WorkspaceID(newID()), Name: "Other", Currency: "usd", LinkSecret: "s", CreatedAt: now}
	_, forgetErr := tx.ForgetIdempotency(ctx, w.ws.ID, now.AddDate(1, 0, 0), 10)
	_, leaseErr := tx.TakeLease(ctx, w.ws.ID, "job", "a", now, now.Add(time.Minute))
	return errors.Join(err, forgetErr, leaseErr,
		tx.CreateIdempotency(ctx, w.ws.ID, domain.Test, w.record),
		tx.CreateWorkspace(ctx, other),
		tx.CreateKey(ctx, newKey(w.ws.ID)),
		tx.RevokeKey(ctx, w.ws.ID, w.key.ID, now),
		tx.TouchKey(ctx, w.ws.ID, w.key.ID, now),
		tx.CreateFlow(ctx, newFlow(w.ws.ID, "second")),
		tx.SaveFlow(ctx, revised(w.flow, now)),
		tx.CreateSession(ctx, newSession(w.flow)),
		tx.SaveSession(ctx, decided),
		tx.AppendEvent(ctx, e),
	)
}

// unchanged checks that the store holds exactly the world.
func (f *fixture) unchanged(w world) {
	f.t.Helper()
	workspaces, err := f.store.Workspaces(f.ctx)
	f.NoErr(err)
	f.Equal(workspaces, []domain.Workspace{w.ws})
	keys, err := f.store.Keys(f.ctx, w.ws.ID)
	f.NoErr(err)
	f.Equal(keys, []domain.Key{w.key})
	flows, err := f.store.Flows(f.ctx, w.ws.ID)
	f.NoErr(err)
	f.Equal(flows, []domain.Flow{w.flow})
	f.sameSession(w.session)
	recent, err := f.store.RecentSessions(f.ctx, w.ws.ID, 100)
	f.NoErr(err)
	f.Equal(recent, []domain.SessionResult{w.session.Result()})
	events, err := f.store.Events(f.ctx, w.ws.ID, w.session.ID)
	f.NoErr(err)
	f.Equal(events, []domain.Event{w.event})
	record, err := f.store.Idempotency(f.ctx, w.ws.ID, w.session.Mode, w.record.Key)
	f.NoErr(err)
	f.Equal(record, w.record)
	counts, err := f.store.Counts(f.ctx, w.ws.ID)
	f.NoErr(err)
	f.Equal(counts, ports.Counts{Keys: 1, Flows: 1, FlowVersions: 1, Sessions: 1, Events: 1, Idempotency: 1})
	_, err = f.store.LeaseHolder(f.ctx, w.ws.ID, "job")
	f.kind(err, domain.ErrNotFound)
	f.equalsRecount(w.ws.ID, w.session)
}
