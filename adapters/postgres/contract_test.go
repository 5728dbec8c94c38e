package postgres_test

import (
	"os"
	"sync"
	"testing"

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

// newDatabase returns the address of a database that is migrated and empty.
func newDatabase(t testing.TB) string {
	t.Helper()
	cluster := pgtest.Shared(t)
	return cluster.URL(cluster.Database(t, migrated(t, cluster)))
}

var template sync.Once

// migrated names a database to copy, so that the migrations run once.
func migrated(t testing.TB, cluster *pgtest.Cluster) string {
	t.Helper()
	const name = "migrated"
	template.Do(func() {
		is := is.New(t)
		is.NoErr(cluster.Exec("postgres", "CREATE DATABASE "+name))
		is.NoErr(postgres.Migrate(t.Context(), cluster.URL(name)))
	})
	return name
}

func open(t testing.TB, url string, opt postgres.Options) *postgres.Store {
	t.Helper()
	store, err := postgres.Open(t.Context(), url, opt)
	is.New(t).NoErr(err)
	t.Cleanup(func() { _ = store.Close() })
	return store
}
