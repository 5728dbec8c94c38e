package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/retainrabbit/retainrabbit/adapters/internal/storetest"
	"github.com/retainrabbit/retainrabbit/adapters/postgres"
	"github.com/retainrabbit/retainrabbit/adapters/postgres/pgtest"
	"github.com/retainrabbit/retainrabbit/app"
	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

// settings are parameters of a URL that set the server's for its connections.
func settings(list ...string) string {
	text := "&options="
	for _, s := range list {
		text += "-c%20" + strings.ReplaceAll(s, "=", "%3D") + "%20"
	}
	return text
}

func newKey(t testing.TB, w storetest.World[*postgres.Store]) domain.Key {
	t.Helper()
	k, _, err := w.App.CreateKey(t.Context(), app.KeyRequest{WorkspaceID: w.Workspace.ID, Name: "k", Mode: domain.Live, Scope: domain.ScopeRead})
	is.New(t).NoErr(err)
	return k
}

// Two transactions that lock each other out are both made in the end.
func TestDeadlocksAreTriedAgain(t *testing.T) {
	is := is.New(t)
	w := storetest.NewWorld(t, open(t, newDatabase(t)+settings("deadlock_timeout=50ms"), postgres.Options{Timeout: 10 * time.Second}))
	one, two := newKey(t, w), newKey(t, w)
	var runs atomic.Int64
	var both, met sync.WaitGroup
	met.Add(2)
	for _, order := range [][]domain.Key{{one, two}, {two, one}} {
		both.Go(func() {
			wait := sync.OnceFunc(func() { met.Done(); met.Wait() })
			err := w.Store.InTx(t.Context(), func(ctx context.Context, tx ports.Tx) error {
				runs.Add(1)
				if err := tx.RevokeKey(ctx, w.Workspace.ID, order[0].ID, time.Now()); err != nil {
					return err
				}
				wait() // until the other has locked its first, too
				return tx.RevokeKey(ctx, w.Workspace.ID, order[1].ID, time.Now())
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	is.True(runs.Load() > 2) // one of them ran again
}

// Under a stricter isolation the server refuses what came second; it is run again.
func TestSerializationFailuresAreTriedAgain(t *testing.T) {
	is := is.New(t)
	w := storetest.NewWorld(t, open(t, newDatabase(t)+settings("default_transaction_isolation=serializable"), postgres.Options{Timeout: 10 * time.Second}))
	s, err := w.Start(t.Context())
	is.NoErr(err)
	var runs atomic.Int64
	var both, met sync.WaitGroup
	met.Add(2)
	for range 2 {
		both.Go(func() {
			wait := sync.OnceFunc(func() { met.Done(); met.Wait() })
			err := w.Store.InTx(t.Context(), func(ctx context.Context, tx ports.Tx) error {
				runs.Add(1)
				if _, err := tx.Session(ctx, w.Workspace.ID, s.ID); err != nil {
					return err
				}
				wait()
				other := s
				other.ID = domain.SessionID(strings.Replace(string(s.ID), "-", "-"+string(rune('0'+runs.Load())), 1))
				return tx.CreateSession(ctx, other) // both count on one row
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	is.True(runs.Load() > 2)
	is.Equal(w.Sessions(t, w.Store), int64(3))
}

// When every connection for writing is taken, writes are refused in time, and reads go on.
func TestPoolExhausted(t *testing.T) {
	is := is.New(t)
	w := storetest.NewWorld(t, open(t, newDatabase(t)+"&pool_max_conns=4", postgres.Options{Timeout: 300 * time.Millisecond}))
	k := newKey(t, w)
	release := make(chan struct{})
	var holding, held sync.WaitGroup
	holding.Add(3)
	for range 3 {
		held.Go(func() {
			_ = w.Store.InTx(context.Background(), func(context.Context, ports.Tx) error {
				holding.Done()
				<-release
				return nil
			})
		})
	}
	holding.Wait()
	began := time.Now()
	_, read := w.Store.Key(t.Context(), w.Workspace.ID, k.Public)
	_, start := w.Start(t.Context())
	write := w.App.RevokeKey(t.Context(), w.Workspace.ID, k.ID)
	is.NoErr(read)
	for _, err := range []error{start, write} {
		is.Equal(domain.KindOf(err), domain.ErrUnavailable)
	}
	is.True(time.Since(began) < 3*time.Second)
	close(release)
	held.Wait()
	is.NoErr(w.App.RevokeKey(t.Context(), w.Workspace.ID, k.ID)) // the pool is whole again
	_, err := w.Start(t.Context())
	is.NoErr(err)
}

// A statement that waits too long ends, by the server's time-out or by ours.
func TestStatementTimeout(t *testing.T) {
	for name, c := range map[string]struct {
		parameters string
		timeout    time.Duration
		want       string
	}{
		"the server's": {settings("statement_timeout=700ms"), 10 * time.Second, "took too long"},
		"ours":         {"", 700 * time.Millisecond, "did not answer in time"},
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			url := newDatabase(t)
			w := storetest.NewWorld(t, open(t, url+c.parameters, postgres.Options{Timeout: c.timeout}))
			k := newKey(t, w)
			lock := direct(t, url)
			_, err := lock.Exec(t.Context(), "BEGIN; SELECT 1 FROM api_keys FOR UPDATE")
			is.NoErr(err)
			err = w.App.RevokeKey(t.Context(), w.Workspace.ID, k.ID)
			is.Equal(domain.KindOf(err), domain.ErrUnavailable)
			is.True(strings.Contains(err.Error(), c.want))
			_, err = lock.Exec(t.Context(), "ROLLBACK")
			is.NoErr(err)
			is.NoErr(w.App.RevokeKey(t.Context(), w.Workspace.ID, k.ID))
		})
	}
}

// A caller who gives up is told so, and not that the database failed.
func TestCallerGivesUp(t *testing.T) {
	is := is.New(t)
	url := newDatabase(t)
	w := storetest.NewWorld(t, open(t, url, postgres.Options{}))
	k := newKey(t, w)
	lock := direct(t, url)
	_, err := lock.Exec(t.Context(), "BEGIN; SELECT 1 FROM api_keys FOR UPDATE")
	is.NoErr(err)
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	err = w.App.RevokeKey(ctx, w.Workspace.ID, k.ID)
	is.True(errors.Is(err, context.DeadlineExceeded))
	is.Equal(domain.KindOf(err), domain.Kind(""))
}

// One start that the server refuses does not take along those beside it.
func TestOneBadStartFailsAlone(t *testing.T) {
	is := is.New(t)
	w := storetest.NewWorld(t, open(t, newDatabase(t), postgres.Options{}))
	first, err := w.Start(t.Context())
	is.NoErr(err)
	var good, bad atomic.Int64
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			s := first
			if i%8 > 0 {
				other, err := w.Start(t.Context())
				if err == nil && other.ID != "" {
					good.Add(1)
				}
				return
			}
			if _, err := w.Store.StartSession(t.Context(), s, ports.StartCondition{}); domain.KindOf(err) == domain.ErrConflict {
				bad.Add(1)
			}
		})
	}
	all.Wait()
	is.Equal(good.Load(), int64(56))
	is.Equal(bad.Load(), int64(8))
	is.Equal(w.Sessions(t, w.Store), int64(57))
}

// A full disk is said, loses nothing, and needs no restart when there is room again.
func TestDiskFull(t *testing.T) {
	is := is.New(t)
	cluster := pgtest.New(t)
	small := pgtest.TempDir(t)
	options := "size=24m,mode=700"
	if owner := pgtest.Owner(); owner != nil {
		options += fmt.Sprintf(",uid=%d,gid=%d", owner.Uid, owner.Gid)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", small).CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("a small tmpfs cannot be mounted: %s", out)
		}
		t.Skipf("SKIPPED: a small tmpfs cannot be mounted, so a full disk was not tested: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", small).Run() })
	is.NoErr(cluster.Exec("postgres", "CREATE TABLESPACE small LOCATION '"+small+"'"))
	is.NoErr(cluster.Exec("postgres", "CREATE DATABASE small TABLESPACE small"))
	w := storetest.NewWorld(t, open(t, cluster.URL("small"), postgres.Options{}))
	var acked atomic.Int64
	var full atomic.Value
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for {
				if _, err := w.Start(t.Context()); err != nil {
					full.Store(err)
					return
				}
				acked.Add(1)
			}
		})
	}
	all.Wait()
	err, _ := full.Load().(error)
	is.Equal(domain.KindOf(err), domain.ErrUnavailable)
	is.True(strings.Contains(err.Error(), "disk is full"))
	is.Equal(w.Sessions(t, w.Store), acked.Load())
	is.True(acked.Load() > 1000)

	is.NoErr(exec.Command("mount", "-o", "remount,size=64m", small).Run())
	_, err = w.Start(t.Context())
	is.NoErr(err)
	is.Equal(w.Sessions(t, w.Store), acked.Load()+1)
}

// A commit that waits for a standby is refused in time, is not seen by anybody, and
// is not lost: it is done when the standby is back.
func TestCommitWithoutItsStandby(t *testing.T) {
	is := is.New(t)
	primary := pgtest.New(t, pgtest.Durable...)
	standby := primary.Standby(t)
	w := storetest.NewWorld(t, open(t, primary.URL("postgres"), postgres.Options{Timeout: 300 * time.Millisecond}))
	s, err := w.Start(t.Context())
	is.NoErr(err)
	standby.Stop(syscall.SIGQUIT)

	_, err = w.App.Keep(t.Context(), s)
	is.Equal(domain.KindOf(err), domain.ErrUnavailable)
	request := app.StartRequest{Workspace: w.Workspace, Mode: domain.Live, Customer: domain.Customer{ID: "cus"}, IdempotencyKey: "click"}
	for range 3 {
		_, err = w.App.StartSession(t.Context(), request)
		is.Equal(domain.KindOf(err), domain.ErrUnavailable)
	}
	time.Sleep(time.Second) // whatever would cancel the commit has done so by now
	got, err := w.Store.Session(t.Context(), w.Workspace.ID, s.ID)
	is.NoErr(err)
	is.Equal(got.Outcome, domain.Pending) // no false "done"
	is.Equal(w.Sessions(t, w.Store), int64(1))

	standby.Start(t)
	for range 100 {
		if got, err = w.Store.Session(t.Context(), w.Workspace.ID, s.ID); err == nil && got.Outcome == domain.Saved {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	is.Equal(got.Outcome, domain.Saved)
	var first domain.Session
	for range 100 {
		if first, err = w.App.StartSession(t.Context(), request); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	is.NoErr(err)
	again, err := w.App.StartSession(t.Context(), request)
	is.NoErr(err)
	is.Equal(again.ID, first.ID)
	is.Equal(w.Sessions(t, w.Store), int64(2))
}

// A transaction that fails gives its connection back, ready for the next.
func TestAFailureCostsNoConnection(t *testing.T) {
	is := is.New(t)
	url := newDatabase(t)
	w := storetest.NewWorld(t, open(t, url, postgres.Options{}))
	watch := direct(t, url)
	backends := func() (pids string) {
		is.NoErr(watch.QueryRow(t.Context(), `SELECT COALESCE(string_agg(CAST(pid AS TEXT), ' ' ORDER BY pid), '') FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = 'retainrabbit'`).Scan(&pids))
		return pids
	}
	before := backends()
	is.True(before != "")
	for range 20 {
		err := w.Store.InTx(t.Context(), func(context.Context, ports.Tx) error { return errUndo })
		is.Equal(err, errUndo)
	}
	is.Equal(backends(), before)
}

var errUndo = errors.New("undo")
