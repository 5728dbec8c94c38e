package porttest

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

var statsCases = []contractCase{
	{"nothing is no tally", func(f *fixture) {
		stats, err := f.store.Stats(f.ctx, f.workspace().ID, 0)
		f.NoErr(err)
		f.Equal(len(stats), 0)
		f.Equal(stats.Total("usd"), domain.Tally{})
	}},
	{"windows begin at midnight UTC", func(f *fixture) {
		flow := f.flow(f.workspace().ID, "win-back")
		today := time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC)
		for _, at := range []time.Time{today, today.Add(-time.Millisecond), today.Add(-25 * time.Hour), today.Add(24*time.Hour - time.Millisecond)} {
			s := newSession(flow)
			s.CreatedAt = at
			f.start(s)
		}
		for since, want := range map[domain.Day]int64{
			0: 4, domain.DayOf(today): 2, domain.DayOf(today) - 1: 3, domain.DayOf(today) - 2: 4, domain.DayOf(today) + 1: 0,
		} {
			stats, err := f.store.Stats(f.ctx, flow.WorkspaceID, since)
			f.NoErr(err)
			f.Equal(stats.Total("usd").Sessions, want)
		}
	}},
	{"a decision counts on the day of the start, once", func(f *fixture) {
		s := newSession(f.flow(f.workspace().ID, "win-back"))
		s.CreatedAt = now.Add(-72 * time.Hour)
		f.start(s)
		f.NoErr(f.finish(s.WorkspaceID, s.ID, keep))
		s.Outcome, s.Choice, s.Answered, s.Recovered.Minor = domain.Saved, domain.ChoseKeep, true, 2500
		f.equalsRecount(s.WorkspaceID, s)
		stats, err := f.store.Stats(f.ctx, s.WorkspaceID, domain.DayOf(now)-1)
		f.NoErr(err)
		f.Equal(stats.Total("usd").Sessions, int64(0))
	}},
	{"a change without a count changes nothing", func(f *fixture) {
		s := f.session(f.flow(f.workspace().ID, "win-back"))
		f.NoErr(f.finish(s.WorkspaceID, s.ID, func(s domain.Session) (domain.Session, domain.Event, error) {
			s, e := s.Show(now)
			return s, e, nil
		}))
		f.equalsRecount(s.WorkspaceID, s)
	}},
	{"test sessions are never counted", func(f *fixture) {
		s := newSession(f.flow(f.workspace().ID, "win-back"))
		s.Mode = domain.Test
		f.start(s)
		f.NoErr(f.finish(s.WorkspaceID, s.ID, keep))
		f.equalsRecount(s.WorkspaceID)
	}},
	{"currencies are kept apart, in order", func(f *fixture) {
		flow := f.flow(f.workspace().ID, "win-back")
		for _, c := range []domain.Currency{"usd", "eur", "jpy", "eur"} {
			s := newSession(flow)
			s.Customer.Currency = c
			f.start(s)
		}
		stats, err := f.store.Stats(f.ctx, flow.WorkspaceID, 0)
		f.NoErr(err)
		f.Equal(ids(stats, func(t domain.CurrencyTally) string { return string(t.Currency) }), "eur jpy usd")
		f.Equal(stats[0].Sessions, int64(2))
	}},
	{"nothing failed or undone is counted", func(f *fixture) {
		flow := f.flow(f.workspace().ID, "win-back")
		s := f.session(flow)
		_, err := f.store.StartSession(f.ctx, s, ports.StartCondition{})
		f.kind(err, domain.ErrConflict)
		undo := errors.New("undo")
		err = f.store.InTx(f.ctx, func(ctx context.Context, tx ports.Tx) error {
			return errors.Join(tx.CreateSession(ctx, newSession(flow)), undo)
		})
		f.True(errors.Is(err, undo))
		f.equalsRecount(flow.WorkspaceID, s)
	}},
	{"a transaction reads its own counts", func(f *fixture) {
		flow := f.flow(f.workspace().ID, "win-back")
		f.session(flow)
		var total, window domain.Stats
		f.do(func(ctx context.Context, tx ports.Tx) (err error) {
			s := newSession(flow)
			s.Customer.Currency = "eur"
			if err := errors.Join(tx.CreateSession(ctx, newSession(flow)), tx.CreateSession(ctx, s)); err != nil {
				return err
			}
			if total, err = tx.Stats(ctx, flow.WorkspaceID, 0); err != nil {
				return err
			}
			window, err = tx.Stats(ctx, flow.WorkspaceID, domain.DayOf(now))
			return err
		})
		f.Equal(total.Total("usd").Sessions, int64(3))
		f.Equal(window.Total("usd").Sessions, int64(3))
		f.Equal(len(total), 2)
	}},
	{"they equal a recount after many random changes at once", func(f *fixture) {
		flows := []domain.Flow{f.flow(f.workspace().ID, "win-back"), f.flow(f.workspace().ID, "win-back")}
		const workers, changes = 4, 40
		var started [workers][]domain.Session
		atOnce(workers, func(w int) {
			dice := rand.New(rand.NewPCG(1, uint64(w))) // seeded: a failure comes again
			for range changes {
				s := newSession(flows[dice.IntN(len(flows))])
				s.CreatedAt = now.AddDate(0, 0, -dice.IntN(40))
				s.Customer.Currency = []domain.Currency{"usd", "eur"}[dice.IntN(2)]
				s.Recovered.Currency = s.Customer.Currency
				if _, err := f.store.StartSession(f.ctx, s, ports.StartCondition{}); err != nil {
					f.t.Errorf("start: %v", err)
				}
				decide := []func(domain.Session) (domain.Session, domain.Event, error){keep, cancel, nil}[dice.IntN(3)]
				if decide != nil {
					if err := f.finish(s.WorkspaceID, s.ID, decide); err != nil {
						f.t.Errorf("finish: %v", err)
					}
				}
				started[w] = append(started[w], s)
			}
		})
		for _, flow := range flows {
			var stored []domain.Session
			for _, s := range slices.Concat(started[:]...) {
				if s.WorkspaceID == flow.WorkspaceID {
					got, err := f.store.Session(f.ctx, s.WorkspaceID, s.ID)
					f.NoErr(err)
					stored = append(stored, got)
				}
			}
			f.equalsRecount(flow.WorkspaceID, stored...)
		}
	}},
}

// equalsRecount checks the kept counts, of all time and of every window, against
// the sum over all sessions of the workspace.
func (f *fixture) equalsRecount(ws domain.WorkspaceID, sessions ...domain.Session) {
	f.t.Helper()
	for _, days := range []domain.Day{0, 1, 7, 30, 90} {
		since := domain.Day(0)
		if days > 0 {
			since = domain.DayOf(now) - days + 1
		}
		want := map[domain.Currency]domain.Tally{}
		for _, s := range sessions {
			if s.Mode == domain.Live && domain.DayOf(s.CreatedAt) >= since {
				want[s.Customer.Currency] = want[s.Customer.Currency].Add(s.Tally())
			}
		}
		stats, err := f.store.Stats(f.ctx, ws, since)
		f.NoErr(err)
		got := map[domain.Currency]domain.Tally{}
		for _, t := range stats {
			got[t.Currency] = t.Tally
		}
		f.Equal(got, want)
	}
}
