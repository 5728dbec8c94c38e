package porttest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

// take tries to take a lease for a minute.
func (f *fixture) take(ws domain.WorkspaceID, name, holder string, at time.Time) (got bool) {
	f.t.Helper()
	f.do(func(ctx context.Context, tx ports.Tx) (err error) {
		got, err = tx.TakeLease(ctx, ws, name, holder, at, at.Add(time.Minute))
		return err
	})
	return got
}

var leaseCases = []contractCase{
	{"one has it until it ends", func(f *fixture) {
		ws := f.workspace().ID
		f.True(f.take(ws, "job", "a", now))
		f.True(!f.take(ws, "job", "b", now.Add(59*time.Second)))
		f.True(f.take(ws, "job", "a", now.Add(59*time.Second))) // who has it may have it for longer
		f.True(!f.take(ws, "job", "b", now.Add(61*time.Second)))
		f.True(f.take(ws, "job", "b", now.Add(119*time.Second))) // it has just ended
		f.True(!f.take(ws, "job", "a", now.Add(119*time.Second)))
	}},
	{"names and workspaces are apart, and need not exist", func(f *fixture) {
		ws := f.workspace().ID
		f.True(f.take(ws, "job", "a", now))
		f.True(f.take(ws, "Job", "b", now))
		f.True(f.take(f.workspace().ID, "job", "b", now))
		f.True(f.take("", "job", "b", now))
	}},
	{"of many at once one gets it", func(f *fixture) {
		ws := f.workspace().ID
		var winners atomic.Int64
		atOnce(16, func(i int) {
			err := f.store.InTx(f.ctx, func(ctx context.Context, tx ports.Tx) error {
				got, err := tx.TakeLease(ctx, ws, "job", fmt.Sprint(i), now, now.Add(time.Minute))
				if got {
					winners.Add(1)
				}
				return err
			})
			if err != nil {
				f.t.Errorf("instance %d: %v", i, err)
			}
		})
		f.Equal(winners.Load(), int64(1))
	}},
	{"it is not taken by what is undone, and its holder alone ends it", func(f *fixture) {
		ws := f.workspace().ID
		f.True(errors.Is(f.store.InTx(f.ctx, func(ctx context.Context, tx ports.Tx) error {
			_, err := tx.TakeLease(ctx, ws, "job", "a", now, now.Add(time.Minute))
			return errors.Join(err, errUndo)
		}), errUndo))
		_, err := f.store.LeaseHolder(f.ctx, ws, "job")
		f.kind(err, domain.ErrNotFound)
		f.True(f.take(ws, "job", "b", now))
		end := func(holder string) {
			f.do(func(ctx context.Context, tx ports.Tx) error { return tx.EndLease(ctx, ws, "job", holder) })
		}
		end("a")
		holder, err := f.store.LeaseHolder(f.ctx, ws, "job")
		f.NoErr(err)
		f.Equal(holder, "b")
		end("b")
		f.True(f.take(ws, "job", "a", now))
	}},
}

// pages collects every page of a list.
func pages[T any](f *fixture, limit int, next func(after T, limit int) ([]T, error)) (all []T) {
	f.t.Helper()
	var last T
	for {
		page, err := next(last, limit)
		f.NoErr(err)
		f.True(len(page) <= limit)
		if len(page) == 0 {
			return all
		}
		all, last = append(all, page...), page[len(page)-1]
	}
}

var archiveCases = []contractCase{
	{"nothing", func(f *fixture) {
		ws := f.workspace().ID
		counts, err := f.store.Counts(f.ctx, ws)
		f.NoErr(err)
		f.Equal(counts, ports.Counts{})
		sessions, err := f.store.SessionsAfter(f.ctx, ws, "", 10)
		f.NoErr(err)
		f.Equal(len(sessions), 0)
	}},
	{"every session once, by id, live and test", func(f *fixture) {
		w := f.world()
		want := []domain.Session{w.session}
		for i := range 10 {
			s := newSession(w.flow)
			s.CreatedAt = now.Add(-time.Duration(i) * time.Hour)
			if i%2 == 0 {
				s.Mode = domain.Test
			}
			want = append(want, f.start(s))
		}
		f.world() // another workspace's are not among them
		slices.SortFunc(want, func(a, b domain.Session) int { return cmp.Compare(a.ID, b.ID) })
		for _, limit := range []int{1, 3, 100} {
			got := pages(f, limit, func(after domain.Session, limit int) ([]domain.Session, error) {
				return f.store.SessionsAfter(f.ctx, w.ws.ID, after.ID, limit)
			})
			f.Equal(got, want)
		}
	}},
	{"every event once, those of a session as appended", func(f *fixture) {
		w := f.world()
		want := []domain.Event{w.event}
		for range 5 {
			s := f.session(w.flow)
			for i := range 5 {
				e := newEvent(s, now.Add(time.Duration(i/2)*time.Second)) // some at one time
				f.do(func(ctx context.Context, tx ports.Tx) error { return tx.AppendEvent(ctx, e) })
				want = append(want, e)
			}
		}
		f.world()
		slices.SortStableFunc(want, func(a, b domain.Event) int { return cmp.Compare(a.SessionID, b.SessionID) })
		for _, limit := range []int{1, 4, 100} {
			got := pages(f, limit, func(after domain.Event, limit int) ([]domain.Event, error) {
				return f.store.EventsAfter(f.ctx, w.ws.ID, after, limit)
			})
			f.Equal(got, want)
		}
	}},
	{"every idempotency record once", func(f *fixture) {
		w := f.world()
		want := []domain.IdempotencyRecord{w.record}
		for i := range 7 {
			r := domain.IdempotencyRecord{Key: fmt.Sprintf("Key %d", i), Digest: [32]byte{byte(i)}, SessionID: w.session.ID, CreatedAt: now}
			create := func(ctx context.Context, tx ports.Tx) error {
				return tx.CreateIdempotency(ctx, w.ws.ID, domain.Live, r)
			}
			f.do(create)
			f.kind(f.store.InTx(f.ctx, create), domain.ErrConflict)
			want = append(want, r)
		}
		f.do(func(ctx context.Context, tx ports.Tx) error {
			return tx.CreateIdempotency(ctx, w.ws.ID, domain.Test, want[0])
		})
		f.kind(f.store.InTx(f.ctx, func(ctx context.Context, tx ports.Tx) error {
			return tx.CreateIdempotency(ctx, "none", domain.Test, want[0])
		}), domain.ErrNotFound)
		slices.SortFunc(want, func(a, b domain.IdempotencyRecord) int { return cmp.Compare(a.Key, b.Key) })
		for _, limit := range []int{1, 3, 100} {
			got := pages(f, limit, func(after domain.IdempotencyRecord, limit int) ([]domain.IdempotencyRecord, error) {
				return f.store.IdempotencyAfter(f.ctx, w.ws.ID, domain.Live, after.Key, limit)
			})
			f.Equal(got, want)
		}
	}},
	{"counts are what is there", func(f *fixture) {
		w := f.world()
		f.world()
		f.do(func(ctx context.Context, tx ports.Tx) error { return tx.SaveFlow(ctx, revised(w.flow, now)) })
		f.session(f.flow(w.ws.ID, "second"))
		counts, err := f.store.Counts(f.ctx, w.ws.ID)
		f.NoErr(err)
		f.Equal(counts, ports.Counts{Keys: 1, Flows: 2, FlowVersions: 3, Sessions: 2, Events: 1, Idempotency: 1})
	}},
}
