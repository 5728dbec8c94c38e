package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/matryer/is"

	"github.com/retainrabbit/retainrabbit/adapters/sqlite"
	"github.com/retainrabbit/retainrabbit/ports"
	"github.com/retainrabbit/retainrabbit/ports/porttest"
)

func TestContract(t *testing.T) {
	porttest.Store(t, func(t *testing.T) ports.Store { return open(t, newPath(t)) })
}

func newPath(t testing.TB) string { return filepath.Join(t.TempDir(), "retainrabbit.db") }

func open(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	store, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	is.New(t).NoErr(err)
	t.Cleanup(func() { _ = store.Close() })
	return store
}
