package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/retainrabbit/retainrabbit/adapters/postgres"
	"github.com/retainrabbit/retainrabbit/adapters/sqlite"
	"github.com/retainrabbit/retainrabbit/app"
	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

// database is where --db leads to.
type database struct {
	sqlite   string // the file's path, or
	postgres string // the URL
}

func parseDB(db string) (database, error) {
	if strings.HasPrefix(db, "postgres://") || strings.HasPrefix(db, "postgresql://") {
		return database{postgres: db}, nil
	}
	path, ok := strings.CutPrefix(db, "sqlite:")
	path = strings.TrimPrefix(path, "//")
	if !ok || path == "" || path == ":memory:" {
		return database{}, domain.Invalid("--db", "must be sqlite:FILE, such as sqlite:retainrabbit.db, or postgres://USER@HOST/DATABASE")
	}
	return database{sqlite: path}, nil
}

// open opens the database, makes it if it is missing, and migrates it.
func (db database) open(ctx context.Context, m *metrics) (ports.Store, error) {
	if db.postgres == "" {
		return sqlite.Open(ctx, db.sqlite, sqlite.Options{OnCommit: m.commit})
	}
	store, err := postgres.Open(ctx, db.postgres, postgres.Options{OnCommit: m.commit, OnQuery: m.query})
	if err != nil {
		return nil, err
	}
	m.watchPool(store.PoolStats)
	return store, nil
}

// requestTimeout bounds a request that asks a database across a network, however
// often; a file answers or fails by itself.
func (db database) requestTimeout() time.Duration {
	if db.postgres == "" {
		return 0
	}
	return 1800 * time.Millisecond
}

// openExisting opens the database as it is.
func (db database) openExisting(ctx context.Context) (ports.Store, error) {
	if db.postgres == "" {
		return sqlite.OpenExisting(ctx, db.sqlite)
	}
	return postgres.OpenExisting(ctx, db.postgres, postgres.Options{Timeout: patient})
}

// patient is the time-out of commands, which nobody waits for as for a page.
const patient = time.Minute

// migrate brings the database's schema up to date.
func (db database) migrate(ctx context.Context) error {
	if db.postgres != "" {
		return postgres.Migrate(ctx, db.postgres)
	}
	store, err := sqlite.Open(ctx, db.sqlite, sqlite.Options{})
	if err != nil {
		return err
	}
	return store.Close()
}

// with runs use with a store that exists already, and an App on it.
func (e *env) with(use func(store ports.Store, a *app.App) error) error {
	db, err := parseDB(e.db)
	if err != nil {
		return err
	}
	store, err := db.openExisting(e.ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	return use(store, app.New(app.Config{Store: store}))
}

// withNew is with, for the commands that may make and migrate the database.
func (e *env) withNew(use func(store ports.Store, a *app.App) error) error {
	db, err := parseDB(e.db)
	if err == nil {
		err = db.migrate(e.ctx)
	}
	if err != nil {
		return err
	}
	return e.with(use)
}

// inWorkspace is embedded by the commands that work in one workspace.
type inWorkspace struct {
	Workspace string `help:"Id of the workspace; may be left out if there is only one." placeholder:"ID"`
}

// find returns the workspace that the flag names, or the only one.
func (w inWorkspace) find(ctx context.Context, store ports.Store) (domain.Workspace, error) {
	if w.Workspace != "" {
		return store.Workspace(ctx, domain.WorkspaceID(w.Workspace))
	}
	all, err := store.Workspaces(ctx)
	switch {
	case err != nil:
		return domain.Workspace{}, err
	case len(all) == 1:
		return all[0], nil
	}
	return domain.Workspace{}, domain.Invalid("--workspace", "is required: there are %d workspaces, see `retainrabbit workspace list`", len(all))
}

// withWorkspace runs use in the workspace of the flag.
func (e *env) withWorkspace(w inWorkspace, use func(store ports.Store, a *app.App, ws domain.Workspace) error) error {
	return e.with(func(store ports.Store, a *app.App) error {
		ws, err := w.find(e.ctx, store)
		if err != nil {
			return err
		}
		return use(store, a, ws)
	})
}

type migrateCmd struct{ asJSON }

func (c migrateCmd) Run(e *env) error {
	db, err := parseDB(e.db)
	if err == nil {
		err = db.migrate(e.ctx)
	}
	if err != nil {
		return err
	}
	return c.print(e.stdout, map[string]bool{"current": true}, func(out io.Writer) error {
		_, err := fmt.Fprintln(out, "The schema is up to date.")
		return err
	})
}

type backupCmd struct {
	Dest string `arg:"" help:"File to write; it must not exist."`
	asJSON
}

func (c backupCmd) Run(e *env) error {
	db, err := parseDB(e.db)
	if err != nil {
		return err
	}
	if db.postgres != "" {
		return domain.Invalid("--db", "backup is for SQLite: use pg_dump, or your server's own backups, for PostgreSQL")
	}
	store, err := sqlite.OpenExisting(e.ctx, db.sqlite)
	if err != nil {
		return err
	}
	defer store.Close()
	if err := store.Backup(e.ctx, c.Dest); err != nil {
		return err
	}
	return c.print(e.stdout, map[string]string{"backup": c.Dest}, func(out io.Writer) error {
		_, err := fmt.Fprintf(out, "Wrote %s. To restore it, stop the server and put it in the database's place.\n", c.Dest)
		return err
	})
}
