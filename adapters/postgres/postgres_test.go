package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/matryer/is"

	"github.com/retainrabbit/retainrabbit/adapters/internal/storetest"
	"github.com/retainrabbit/retainrabbit/adapters/postgres"
	"github.com/retainrabbit/retainrabbit/adapters/postgres/pgtest"
	"github.com/retainrabbit/retainrabbit/app"
	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
	"github.com/retainrabbit/retainrabbit/ports/porttest"
)

// direct is a connection beside the store's own.
func direct(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	is.New(t).NoErr(err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// The whole contract through a pooler that gives each transaction another
// connection, three in all.
func TestContractBehindPgBouncer(t *testing.T) {
	cluster := pgtest.Shared(t)
	port := cluster.PgBouncer(t, 3)
	porttest.Store(t, func(t *testing.T) ports.Store {
		url := pgtest.Through(newDatabase(t), cluster.Port, port, "&default_query_exec_mode=cache_describe&pool_max_conns=8")
		return open(t, url, postgres.Options{Timeout: time.Minute})
	})
}

// Two hundred clients share three connections without an error.
func TestManyClientsBehindPgBouncer(t *testing.T) {
	is := is.New(t)
	cluster := pgtest.Shared(t)
	port := cluster.PgBouncer(t, 3)
	url := pgtest.Through(newDatabase(t), cluster.Port, port, "&default_query_exec_mode=cache_describe&pool_max_conns=200")
	w := storetest.NewWorld(t, open(t, url, postgres.Options{Timeout: time.Minute}))
	var clients sync.WaitGroup
	for range 200 {
		clients.Go(func() {
			for range 5 {
				s, err := w.Start(t.Context())
				if err == nil {
					_, err = w.App.Keep(t.Context(), s)
				}
				if err == nil {
					_, err = w.Store.Session(t.Context(), w.Workspace.ID, s.ID)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	clients.Wait()
	stats, err := w.Store.Stats(t.Context(), w.Workspace.ID, 0)
	is.NoErr(err)
	is.Equal(stats.Total("usd").Saved, int64(1000))
}

// Without the parameter that a pooler needs the error says which.
func TestPoolerNeedsAParameter(t *testing.T) {
	cluster := pgtest.Shared(t)
	port := cluster.PgBouncer(t, 1)
	_, err := postgres.OpenExisting(t.Context(), pgtest.Through(newDatabase(t), cluster.Port, port, ""), postgres.Options{})
	if err == nil || !strings.Contains(err.Error(), "default_query_exec_mode=cache_describe") {
		t.Fatalf("got %v", err)
	}
}

func TestManyInstancesMigrateOnce(t *testing.T) {
	is := is.New(t)
	cluster := pgtest.Shared(t)
	url := cluster.URL(cluster.Database(t))
	var starts sync.WaitGroup
	var made atomic.Int64
	for range 10 {
		starts.Go(func() {
			store, err := postgres.Open(t.Context(), url, postgres.Options{Timeout: 10 * time.Second})
			if err != nil {
				t.Error(err)
				return
			}
			defer store.Close()
			_, ok, err := app.New(app.Config{Store: store}).Bootstrap(t.Context(), "First", storetest.WinBack)
			if err != nil {
				t.Error(err)
			}
			if ok {
				made.Add(1)
			}
		})
	}
	starts.Wait()
	is.Equal(made.Load(), int64(1)) // one of them made the first workspace
	var applied, twice int
	is.NoErr(direct(t, url).QueryRow(t.Context(), "SELECT COUNT(*), COUNT(*) - COUNT(DISTINCT version_id) FROM retainrabbit_schema WHERE version_id > 0").Scan(&applied, &twice))
	is.True(applied > 0)
	is.Equal(twice, 0)
}

// An older program goes on working on a schema that a newer one has expanded, and
// refuses one that no longer is what it knows.
func TestNewerSchemas(t *testing.T) {
	is := is.New(t)
	cluster := pgtest.Shared(t)
	url := cluster.URL(cluster.Database(t))
	is.NoErr(postgres.Migrate(t.Context(), url))
	conn := direct(t, url)
	exec := func(statement string) {
		_, err := conn.Exec(t.Context(), statement)
		is.NoErr(err)
	}
	exec("INSERT INTO retainrabbit_schema (version_id, is_applied) VALUES (998, true)")
	exec("ALTER TABLE sessions ADD COLUMN of_tomorrow TEXT NOT NULL DEFAULT ''")
	w := storetest.NewWorld(t, open(t, url, postgres.Options{}))
	_, err := w.Start(t.Context())
	is.NoErr(err)

	exec("INSERT INTO retainrabbit_schema (version_id, is_applied) VALUES (999, true)")
	exec("UPDATE schema_info SET compatible_from = 999")
	for _, again := range []func(context.Context, string, postgres.Options) (*postgres.Store, error){postgres.Open, postgres.OpenExisting} {
		_, err := again(t.Context(), url, postgres.Options{})
		is.Equal(domain.KindOf(err), domain.ErrConflict)
		is.True(strings.Contains(err.Error(), "schema 999") && strings.Contains(err.Error(), "newer retainrabbit"))
	}
}

// The role that the README describes is enough to serve, and not enough to migrate.
func TestLeastPrivilege(t *testing.T) {
	is := is.New(t)
	before, after := readmeSQL(t, "role"), readmeSQL(t, "role after")
	cluster := pgtest.New(t)
	is.NoErr(cluster.Exec("postgres", "CREATE DATABASE retainrabbit"))
	owner := cluster.URL("retainrabbit")
	served := strings.Replace(owner, "postgres@", "retainrabbit_serve@", 1)
	is.NoErr(cluster.Exec("retainrabbit", before))
	_, err := postgres.Open(t.Context(), served, postgres.Options{})
	is.Equal(domain.KindOf(err), domain.ErrUnavailable) // it may not create the tables
	is.NoErr(postgres.Migrate(t.Context(), owner))
	is.NoErr(cluster.Exec("retainrabbit", after))
	w := storetest.NewWorld(t, open(t, served, postgres.Options{}))
	s, err := w.Start(t.Context())
	is.NoErr(err)
	_, err = w.App.Keep(t.Context(), s)
	is.NoErr(err)
	_, err = w.App.ForgetIdempotency(t.Context())
	is.NoErr(err)
	health, err := w.Store.Health(t.Context())
	is.NoErr(err)
	is.True(health.Serves && !health.Owner && !health.Standby)
	for _, forbidden := range []string{"DROP TABLE sessions", "DELETE FROM sessions", "DELETE FROM session_events", "UPDATE session_events SET data = ''"} {
		_, err = direct(t, served).Exec(t.Context(), forbidden)
		is.True(err != nil)
	}
}

// readmeSQL is the block of SQL behind a mark.
func readmeSQL(t *testing.T, mark string) string {
	t.Helper()
	is := is.New(t)
	text, err := os.ReadFile("../../README.md")
	is.NoErr(err)
	_, sql, ok := strings.Cut(string(text), "<!-- "+mark+" -->\n```sql\n")
	is.True(ok)
	sql, _, ok = strings.Cut(sql, "```")
	is.True(ok)
	return sql
}

// Jobs that concern all instances are done by one of them.
func TestJobsRunOnce(t *testing.T) {
	is := is.New(t)
	url := newDatabase(t)
	var apps []*app.App
	for range 4 {
		apps = append(apps, app.New(app.Config{Store: open(t, url, postgres.Options{})}))
	}
	for range 8 {
		_, err := apps[0].CreateWorkspace(t.Context(), "W", "usd")
		is.NoErr(err)
	}
	var total atomic.Int64
	var all sync.WaitGroup
	for _, a := range apps {
		all.Go(func() {
			n, err := a.ForgetIdempotency(t.Context())
			if err != nil {
				t.Error(err)
			}
			total.Add(int64(n))
		})
	}
	all.Wait()
	is.Equal(total.Load(), int64(8)) // each workspace by one
}

// Keys that many instances are given at once begin one session.
func TestIdempotentAcrossInstances(t *testing.T) {
	is := is.New(t)
	url := newDatabase(t)
	w := storetest.NewWorld(t, open(t, url, postgres.Options{Timeout: 10 * time.Second}))
	apps := []*app.App{w.App}
	for range 3 {
		apps = append(apps, app.New(app.Config{Store: open(t, url, postgres.Options{Timeout: 10 * time.Second})}))
	}
	for key := range 20 {
		var ids sync.Map
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() {
				s, err := apps[i%len(apps)].StartSession(t.Context(), app.StartRequest{
					Workspace: w.Workspace, Mode: domain.Live, Customer: domain.Customer{ID: "cus"}, IdempotencyKey: fmt.Sprint("retry ", key),
				})
				if err != nil {
					t.Error(err)
				}
				ids.Store(s.ID, true)
			})
		}
		all.Wait()
		n := 0
		ids.Range(func(any, any) bool { n++; return true })
		is.Equal(n, 1)
	}
	is.Equal(w.Sessions(t, w.Store), int64(20))
}

// A database that is moved is the same afterwards, also when the move is cut off.
func TestCopyIsContinued(t *testing.T) {
	is := is.New(t)
	from := storetest.NewWorld(t, open(t, newDatabase(t), postgres.Options{}))
	for i := range 700 {
		s, err := from.App.StartSession(t.Context(), app.StartRequest{
			Workspace: from.Workspace, Mode: []domain.Mode{domain.Live, domain.Test}[i%2], Customer: domain.Customer{ID: "cus"}, IdempotencyKey: fmt.Sprint(i),
		})
		is.NoErr(err)
		if i%3 == 0 {
			_, err = from.App.Cancel(t.Context(), s)
			is.NoErr(err)
		}
	}
	to := open(t, newDatabase(t), postgres.Options{Timeout: time.Minute})
	for cut := int64(300); ; cut += 300 { // cut off again and again, later each time
		ctx, stop := context.WithCancel(t.Context())
		copied, err := app.Copy(ctx, from.Store, to, func(done, _ int64) {
			if done >= cut {
				stop()
			}
		})
		stop()
		if err != nil {
			is.True(errors.Is(err, context.Canceled))
			continue
		}
		is.Equal(copied.Sessions, int64(700))
		is.Equal(copied.Events, int64(234))
		is.Equal(copied.Idempotency, int64(700))
		is.True(cut > 900) // it was cut off before
		break
	}
}

// Of two copies to one target at once, from whatever sources, one goes on.
func TestTwoCopiesAtOnce(t *testing.T) {
	is := is.New(t)
	from := []storetest.World[*postgres.Store]{storetest.NewWorld(t, open(t, newDatabase(t), postgres.Options{})), storetest.NewWorld(t, open(t, newDatabase(t), postgres.Options{}))}
	for _, w := range from {
		for range 50 {
			_, err := w.Start(t.Context())
			is.NoErr(err)
		}
	}
	to := open(t, newDatabase(t), postgres.Options{Timeout: time.Minute})
	var copied, refused atomic.Int64
	var all sync.WaitGroup
	for i := range 4 { // two of each source
		all.Go(func() {
			switch _, err := app.Copy(t.Context(), from[i%2].Store, to, nil); {
			case err == nil:
				copied.Add(1)
			case errors.Is(err, domain.ErrConflict):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	is.Equal(copied.Load(), int64(1))
	is.Equal(refused.Load(), int64(3))
	there, err := to.Workspaces(t.Context())
	is.NoErr(err)
	is.Equal(len(there), 1)
}

// More old keys than one statement could delete in time are deleted all the same.
func TestManyKeysAreForgotten(t *testing.T) {
	is := is.New(t)
	url := newDatabase(t)
	w := storetest.NewWorld(t, open(t, url, postgres.Options{}))
	_, err := direct(t, url).Exec(t.Context(), `INSERT INTO idempotency SELECT id, 'live', i::text, '', '', 1 FROM workspaces, generate_series(1, 23456) i`)
	is.NoErr(err)
	done, err := w.App.ForgetIdempotency(t.Context())
	is.NoErr(err)
	is.Equal(done, 1)
	counts, err := w.Store.Counts(t.Context(), w.Workspace.ID)
	is.NoErr(err)
	is.Equal(counts.Idempotency, int64(0))
}

// A pooler whose server is away says so, and is not taken for one that lacks a parameter.
func TestOutageBehindPgBouncer(t *testing.T) {
	is := is.New(t)
	cluster := pgtest.New(t)
	port := cluster.PgBouncer(t, 3)
	is.NoErr(postgres.Migrate(t.Context(), cluster.URL("postgres")))
	store := open(t, pgtest.Through(cluster.URL("postgres"), cluster.Port, port, "&default_query_exec_mode=cache_describe"), postgres.Options{})
	cluster.Stop(syscall.SIGQUIT)
	for range 3 {
		err := store.Ping(t.Context())
		is.Equal(domain.KindOf(err), domain.ErrUnavailable)
		is.True(!strings.Contains(err.Error(), "pooler"))
	}
}

// Tables of another program are left alone, and said to be.
func TestForeignTables(t *testing.T) {
	is := is.New(t)
	cluster := pgtest.Shared(t)
	name := cluster.Database(t)
	is.NoErr(cluster.Exec(name, "CREATE TABLE sessions (theirs TEXT)"))
	err := postgres.Migrate(t.Context(), cluster.URL(name))
	is.Equal(domain.KindOf(err), domain.ErrConflict)
	is.True(strings.Contains(err.Error(), "another program"))
}

// With verify-full the server must be who it says it is.
func TestTLS(t *testing.T) {
	is := is.New(t)
	dir := pgtest.TempDir(t)
	cert, key := dir+"/server.crt", dir+"/server.key"
	is.NoErr(pgtest.Command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
		"-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert).Run())
	cluster := pgtest.New(t, "ssl=on", "ssl_cert_file='"+cert+"'", "ssl_key_file='"+key+"'")
	url := strings.Replace(strings.Replace(cluster.URL("postgres"), "127.0.0.1", "localhost", 1), "sslmode=disable", "sslmode=verify-full&sslrootcert="+cert, 1)
	health, err := open(t, url, postgres.Options{}).Health(t.Context())
	is.NoErr(err)
	is.True(health.TLS)
	for name, wrong := range map[string]string{
		"another name":      strings.Replace(url, "localhost", "127.0.0.1", 1),
		"another authority": strings.Replace(url, "&sslrootcert="+cert, "", 1),
	} {
		_, err := postgres.Open(t.Context(), wrong, postgres.Options{})
		if domain.KindOf(err) != domain.ErrUnavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
}
