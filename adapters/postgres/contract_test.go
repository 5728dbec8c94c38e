package postgres_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/matryer/is"

	"github.com/retainrabbit/retainrabbit/adapters/postgres"
	"github.com/retainrabbit/retainrabbit/adapters/postgres/pgtest"
	"github.com/retainrabbit/retainrabbit/ports"
	"github.com/retainrabbit/retainrabbit/ports/porttest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func TestContract(t *testing.T) {
	porttest.Store(t, func(t *testing.T) ports.Store { return open(t, newDatabase(t), postgres.Options{}) })
}

// The same on a database that already exists, such as one that is spread over
// several servers. It is emptied.
func TestContractElsewhere(t *testing.T) {
	url := os.Getenv("RETAINRABBIT_TEST_POSTGRES")
	if url == "" {
		return // nobody asked for it
	}
	porttest.Store(t, func(t *testing.T) ports.Store {
		is := is.New(t)
		is.NoErr(clearAll(url))
		t.Cleanup(func() { is.NoErr(clearAll(url)) })
		return open(t, url, postgres.Options{})
	})
}

func clearAll(url string) error {
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		return err
	}
	_, err = conn.Exec(context.Background(), empty, pgx.QueryExecModeSimpleProtocol)
	return errors.Join(err, conn.Close(context.Background()))
}

// newDatabase returns the address of a database that is migrated and empty.
func newDatabase(t testing.TB) string {
	t.Helper()
	cluster := pgtest.Shared(t)
	name := takeDatabase(t, cluster)
	t.Cleanup(func() { giveDatabase(t, cluster, name) })
	return cluster.URL(name)
}

// free are databases that a test has left. They are emptied and used again: to make
// one is slow.
var free struct {
	sync.Mutex
	names []string
}

func takeDatabase(t testing.TB, cluster *pgtest.Cluster) string {
	t.Helper()
	free.Lock()
	defer free.Unlock()
	if n := len(free.names); n > 0 {
		name := free.names[n-1]
		free.names = free.names[:n-1]
		return name
	}
	name := cluster.Database(t)
	is.New(t).NoErr(postgres.Migrate(t.Context(), cluster.URL(name)))
	return name
}

const empty = `DELETE FROM session_events; DELETE FROM sessions; DELETE FROM session_stats; DELETE FROM idempotency;
DELETE FROM leases; DELETE FROM flow_versions; DELETE FROM flows; DELETE FROM api_keys; DELETE FROM workspaces`

func giveDatabase(t testing.TB, cluster *pgtest.Cluster, name string) {
	if err := cluster.Exec(name, empty); err != nil {
		t.Errorf("database %s cannot be emptied: %v", name, err)
		return
	}
	free.Lock()
	defer free.Unlock()
	free.names = append(free.names, name)
}

func open(t testing.TB, url string, opt postgres.Options) *postgres.Store {
	t.Helper()
	store, err := postgres.Open(t.Context(), url, opt)
	is.New(t).NoErr(err)
	t.Cleanup(func() { _ = store.Close() })
	return store
}
