package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/retainrabbit/retainrabbit/adapters/postgres/pgtest"
)

// TestMain lets the tests run this very program as a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv("RETAINRABBIT_TEST_PROCESS") != "" {
		program()
		return
	}
	testscript.Main(withServers{m}, map[string]func(){"retainrabbit": program})
}

// withServers stops the servers of pgtest after the tests.
type withServers struct{ *testing.M }

func (m withServers) Run() int { return pgtest.Main(m.M) }

func program() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(exitCode(run(ctx, os.Args[1:], os.Stdout, os.Stderr), os.Stderr))
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			root, err := os.Getwd()
			env.Setenv("REPO", root+"/../..")
			return err
		},
	})
}

// The same program on PostgreSQL: each script has a database $PG, and an empty one $PG2.
func TestPostgresScripts(t *testing.T) {
	cluster := pgtest.Shared(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/postgres",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PG", cluster.URL(cluster.Database(t)))
			env.Setenv("PG2", cluster.URL(cluster.Database(t)))
			env.Setenv("RETAINRABBIT_DB", env.Getenv("PG"))
			return nil
		},
	})
}
