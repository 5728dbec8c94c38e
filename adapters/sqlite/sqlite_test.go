package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/retainrabbit/retainrabbit/adapters/internal/storetest"
	"github.com/retainrabbit/retainrabbit/adapters/sqlite"
	"github.com/retainrabbit/retainrabbit/app"
	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

func TestTheFileIsItsOwnersAlone(t *testing.T) {
	is := is.New(t)
	path := newPath(t)
	storetest.NewWorld(t, open(t, path))
	for _, file := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(file)
		is.NoErr(err)
		is.Equal(info.Mode().Perm(), os.FileMode(0o600)) // of file
	}
}

func TestManyProcessesMayMigrateAtOnce(t *testing.T) {
	path := newPath(t)
	var done sync.WaitGroup
	for range 8 {
		done.Go(func() {
			store, err := sqlite.Open(t.Context(), path, sqlite.Options{}) // each opens its own connections
			if err != nil {
				t.Error(err)
				return
			}
			if err := store.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	storetest.NewWorld(t, open(t, path))
}

func TestANewerDatabaseIsRefused(t *testing.T) {
	is := is.New(t)
	path := newPath(t)
	is.NoErr(open(t, path).Close())
	raw(t, path, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)")
	for _, again := range []func() (*sqlite.Store, error){
		func() (*sqlite.Store, error) { return sqlite.Open(t.Context(), path, sqlite.Options{}) },
		func() (*sqlite.Store, error) { return sqlite.OpenExisting(t.Context(), path) },
	} {
		_, err := again()
		is.Equal(domain.KindOf(err), domain.ErrConflict)
		is.True(strings.Contains(err.Error(), "999") && strings.Contains(err.Error(), path))
	}
}

func raw(t testing.TB, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	is := is.New(t)
	is.NoErr(err)
	_, err = db.Exec(statement)
	is.NoErr(err)
	is.NoErr(db.Close())
}

func TestPathsThatCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("this is not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"no folder": filepath.Join(dir, "none", "x.db"), "a folder": dir, "not a database": text} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			_, err := sqlite.Open(t.Context(), path, sqlite.Options{})
			is.Equal(domain.KindOf(err), domain.ErrUnavailable)
			is.True(strings.Contains(err.Error(), path))
		})
	}
	is := is.New(t)
	_, err := sqlite.OpenExisting(t.Context(), filepath.Join(dir, "missing.db"))
	is.Equal(domain.KindOf(err), domain.ErrUnavailable)
	odd := filepath.Join(dir, "a b?c#d%41.db") // characters that mean something in an address
	storetest.NewWorld(t, open(t, odd))
	_, err = os.Stat(odd)
	is.NoErr(err)
}

func TestReadOnlyDatabase(t *testing.T) {
	if os.Getuid() == 0 {
		// root may write any file: run this test again as nobody.
		asNobody(t, "TestReadOnlyDatabase")
		return
	}
	is := is.New(t)
	path := newPath(t)
	w := storetest.NewWorld(t, open(t, path))
	_, err := w.Start(t.Context())
	is.NoErr(err)
	is.NoErr(w.Store.Close())
	is.NoErr(os.Chmod(path, 0o400))
	_, err = sqlite.Open(t.Context(), path, sqlite.Options{})
	is.Equal(domain.KindOf(err), domain.ErrUnavailable)
	is.True(strings.Contains(err.Error(), "permission denied"))
	is.NoErr(os.Chmod(path, 0o600))
	is.Equal(w.Sessions(t, open(t, path)), int64(1)) // nothing was lost
}

// asNobody runs one test of this package in a process without rights.
func asNobody(t *testing.T, name string) {
	t.Helper()
	is := is.New(t)
	dir, err := os.MkdirTemp("", "nobody-*")
	is.NoErr(err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	const nobody = 65534
	is.NoErr(os.Chown(dir, nobody, nobody))
	self, err := os.ReadFile(os.Args[0])
	is.NoErr(err)
	program := filepath.Join(dir, "sqlite.test")
	is.NoErr(os.WriteFile(program, self, 0o755))
	cmd := exec.CommandContext(t.Context(), program, "-test.run", "^"+name+"$")
	cmd.Dir, cmd.Env = dir, []string{"TMPDIR=" + dir, "HOME=" + dir, "CI=" + os.Getenv("CI")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// On a disk that is full writes fail clearly, what was acknowledged stays, reads go
// on, and when there is room again writes do too, without a restart.
func TestDiskFull(t *testing.T) {
	is := is.New(t)
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", dir).CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("a small tmpfs cannot be mounted: %s", out)
		}
		t.Skipf("SKIPPED: a small tmpfs cannot be mounted, so a full disk was not tested: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	w := storetest.NewWorld(t, open(t, filepath.Join(dir, "full.db")))
	acknowledged := int64(0)
	var err error
	for range 200_000 {
		if _, err = w.Start(t.Context()); err != nil {
			break
		}
		acknowledged++
	}
	is.Equal(domain.KindOf(err), domain.ErrUnavailable)
	is.True(strings.Contains(err.Error(), "disk is full"))
	is.True(acknowledged > 100)
	is.Equal(w.Sessions(t, w.Store), acknowledged)
	recent, err := w.Store.RecentSessions(t.Context(), w.Workspace.ID, 100)
	is.NoErr(err)
	is.Equal(len(recent), 100)

	is.NoErr(exec.Command("mount", "-o", "remount,size=16m", dir).Run())
	_, err = w.Start(t.Context())
	is.NoErr(err)
	is.Equal(w.Sessions(t, w.Store), acknowledged+1)
	is.NoErr(w.Store.Check(t.Context()))
}

// A copy that was made under load is whole: it opens, and its counts are a recount
// of its sessions.
func TestBackupUnderLoad(t *testing.T) {
	is := is.New(t)
	w := storetest.NewWorld(t, open(t, newPath(t)))
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for ctx.Err() == nil {
				s, err := w.Start(ctx)
				if err == nil {
					_, err = w.App.Keep(ctx, s)
				}
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			}
		})
	}
	dir := t.TempDir()
	for i := range 5 {
		dest := filepath.Join(dir, fmt.Sprintf("copy-%d.db", i))
		before := w.Sessions(t, w.Store)
		is.NoErr(w.Store.Backup(t.Context(), dest))
		after := w.Sessions(t, w.Store)
		is.Equal(domain.KindOf(w.Store.Backup(t.Context(), dest)), domain.ErrConflict) // never over an existing file

		restored := open(t, dest)
		n := w.Sessions(t, restored)
		is.True(n >= before && n <= after)
		is.NoErr(restored.Check(t.Context()))
		var counted, saved int64
		row(t, dest, "SELECT COUNT(*), COUNT(*) FILTER (WHERE outcome = 'saved') FROM sessions", &counted, &saved)
		stats, err := restored.Stats(t.Context(), w.Workspace.ID, 0)
		is.NoErr(err)
		is.Equal(stats.Total("usd").Sessions, counted)
		is.Equal(stats.Total("usd").Saved, saved)
		info, err := os.Stat(dest)
		is.NoErr(err)
		is.Equal(info.Mode().Perm(), os.FileMode(0o600))
		is.NoErr(restored.Close())
	}
	stop()
	writers.Wait()
	left, err := filepath.Glob(filepath.Join(dir, ".retainrabbit*"))
	is.NoErr(err)
	is.Equal(len(left), 0)
	is.Equal(domain.KindOf(w.Store.Backup(t.Context(), filepath.Join(dir, "none", "x.db"))), domain.ErrUnavailable)
}

func row(t testing.TB, path, query string, dest ...any) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	is := is.New(t)
	is.NoErr(err)
	defer db.Close()
	is.NoErr(db.QueryRow(query).Scan(dest...))
}

// What another process commits is seen at once, also by what is remembered here.
func TestAnotherProcessWrites(t *testing.T) {
	is := is.New(t)
	path := newPath(t)
	w := storetest.NewWorld(t, open(t, path))
	other := w // in another process
	other.Store = open(t, path)
	other.App = app.New(app.Config{Store: other.Store})
	for n := range 5 {
		s, err := other.Start(t.Context())
		is.NoErr(err)
		recent, err := w.Store.RecentSessions(t.Context(), w.Workspace.ID, 100)
		is.NoErr(err)
		is.Equal(len(recent), n+1)
		is.Equal(recent[0].ID, s.ID)
		_, err = other.App.Cancel(t.Context(), s)
		is.NoErr(err)
		recent, err = w.Store.RecentSessions(t.Context(), w.Workspace.ID, 100)
		is.NoErr(err)
		is.Equal(recent[0].Outcome, domain.Canceled)
		recent[0].Reason = "changed by the caller"
		again, err := w.Store.RecentSessions(t.Context(), w.Workspace.ID, 100)
		is.NoErr(err)
		is.Equal(again[0].Reason, "")
	}
}

// Many callers share a commit; a lone caller does not wait for others.
func TestCommitsAreShared(t *testing.T) {
	is := is.New(t)
	var commits, transactions int
	store, err := sqlite.Open(t.Context(), newPath(t), sqlite.Options{OnCommit: func(n int, took time.Duration) {
		commits++
		transactions += n
	}})
	is.NoErr(err)
	t.Cleanup(func() { _ = store.Close() })
	w := storetest.NewWorld(t, store)
	is.Equal(commits, transactions)
	var done sync.WaitGroup
	for range 32 {
		done.Go(func() {
			for range 20 {
				if _, err := w.Start(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done.Wait()
	is.Equal(transactions, 640+2)
	is.True(commits < transactions/2)
}

// The engine must be asked for what the promises rest on.
func TestPragmas(t *testing.T) {
	is := is.New(t)
	store := open(t, newPath(t))
	for pragma, want := range map[string]int64{"synchronous": 2, "foreign_keys": 1, "query_only": 1} {
		rows, err := store.Conn.Query(t.Context(), "PRAGMA "+pragma)
		is.NoErr(err)
		is.True(rows.Next())
		var got int64
		is.NoErr(rows.Scan(&got))
		is.NoErr(rows.Close())
		is.Equal(got, want) // of pragma
	}
	_, err := store.Conn.Exec(t.Context(), "DELETE FROM workspaces") // the readers cannot write
	is.Equal(domain.KindOf(err), domain.ErrUnavailable)
}

// A transaction of a caller that went away before it began is not run.
func TestACallerThatIsGone(t *testing.T) {
	is := is.New(t)
	w := storetest.NewWorld(t, open(t, newPath(t)))
	ctx, cancel := context.WithCancel(t.Context())
	blocked, release := make(chan struct{}), make(chan struct{})
	go func() {
		_ = w.Store.InTx(t.Context(), func(context.Context, ports.Tx) error {
			close(blocked)
			<-release
			return nil
		})
	}()
	<-blocked
	result := make(chan error, 1)
	go func() { _, err := w.Start(ctx); result <- err }()
	time.Sleep(10 * time.Millisecond) // it waits behind the blocked one
	cancel()
	is.True(errors.Is(<-result, context.Canceled))
	close(release)
	_, err := w.Start(t.Context())
	is.NoErr(err)
	is.Equal(w.Sessions(t, w.Store), int64(1))
}
