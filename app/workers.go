package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

// How often the workers run, and how long an idempotency key is kept at least.
const (
	usageEvery      = 30 * time.Second
	forgetEvery     = 15 * time.Minute
	forgetSoon      = time.Minute
	idempotencyLife = 24 * time.Hour
)

// usage collects when keys were last used, so that a request does not wait for a
// write.
type usage struct {
	mu   sync.Mutex
	last map[keyName]time.Time
}

type keyName struct {
	workspace domain.WorkspaceID
	id        domain.KeyID
}

// KeyUsed notes that a key is being used now; a worker writes it down.
func (a *App) KeyUsed(k domain.Key) {
	a.usage.note(keyName{k.WorkspaceID, k.ID}, a.clock())
}

// Workers runs the background work until ctx ends, and then writes down what is
// left. What fails is tried again, and logged when it begins to fail and when it
// works again.
func (a *App) Workers(ctx context.Context, log *slog.Logger) {
	usage, forget := time.NewTicker(usageEvery), time.NewTicker(forgetEvery)
	soon := time.NewTimer(forgetSoon) // a program that is restarted often forgets too
	defer soon.Stop()
	defer usage.Stop()
	defer forget.Stop()
	failing := map[string]bool{}
	report := func(what string, err error) {
		switch failed := err != nil && !errors.Is(err, context.Canceled); {
		case failed && !failing[what]:
			log.Error("background work fails, and is tried again", "work", what, "error", err)
			failing[what] = true
		case !failed && failing[what]:
			log.Info("background work succeeds again", "work", what)
			failing[what] = false
		}
	}
	for {
		select {
		case <-ctx.Done():
			report("key usage", a.FlushUsage(context.WithoutCancel(ctx)))
			return
		case <-usage.C:
			report("key usage", a.FlushUsage(ctx))
		case <-soon.C:
			_, err := a.ForgetIdempotency(ctx)
			report("idempotency", err)
		case <-forget.C:
			_, err := a.ForgetIdempotency(ctx)
			report("idempotency", err)
		}
	}
}

// FlushUsage writes down when keys were last used. What could not be written is
// tried again the next time; a store that is away is not asked for each key.
func (a *App) FlushUsage(ctx context.Context) error {
	a.usage.mu.Lock()
	last := a.usage.last
	a.usage.last = nil
	a.usage.mu.Unlock()
	var errs []error
	away := false
	for key, at := range last {
		if !away {
			err := a.store.InTx(ctx, func(ctx context.Context, tx ports.Tx) error {
				return tx.TouchKey(ctx, key.workspace, key.id, at)
			})
			if err == nil {
				continue
			}
			errs = append(errs, err)
			away = errors.Is(err, domain.ErrUnavailable)
		}
		a.usage.note(key, at)
	}
	return errors.Join(errs...)
}

// note keeps the latest use of a key.
func (u *usage) note(key keyName, at time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.last == nil {
		u.last = map[keyName]time.Time{}
	}
	if at.After(u.last[key]) {
		u.last[key] = at
	}
}

// forgetLease is a little shorter than the time between two runs, so that an
// instance finds its own ended.
const (
	forgetJob   = "forget idempotency"
	forgetLease = forgetEvery - time.Minute
)

// ForgetIdempotency deletes the idempotency records that are older than a day, of
// every workspace for which no other instance has done so lately. It returns for
// how many it did.
func (a *App) ForgetIdempotency(ctx context.Context) (done int, err error) {
	workspaces, err := a.store.Workspaces(ctx)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, w := range workspaces {
		mine, err := a.forget(ctx, w.ID)
		if err == nil && mine {
			done++
		}
		errs = append(errs, err)
		if errors.Is(err, domain.ErrUnavailable) {
			break
		}
	}
	return done, errors.Join(errs...)
}

// forgetPage is how many records are deleted in one transaction.
const forgetPage = 5_000

// forget deletes the old records of one workspace, if it is this instance's to do so.
func (a *App) forget(ctx context.Context, ws domain.WorkspaceID) (mine bool, err error) {
	for deleted := int64(forgetPage); deleted == forgetPage && err == nil; {
		now := a.clock()
		err = a.store.InTx(ctx, func(ctx context.Context, tx ports.Tx) (err error) {
			deleted = 0
			if mine, err = tx.TakeLease(ctx, ws, forgetJob, a.instance, now, now.Add(forgetLease)); err != nil || !mine {
				return err
			}
			deleted, err = tx.ForgetIdempotency(ctx, ws, now.Add(-idempotencyLife), forgetPage)
			return err
		})
	}
	return mine, err
}
