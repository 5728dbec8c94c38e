package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/retainrabbit/retainrabbit/adapters/sqlite"
	"github.com/retainrabbit/retainrabbit/app"
	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

// sqlitePath reads --db.
func sqlitePath(db string) (string, error) {
	path, ok := strings.CutPrefix(db, "sqlite:")
	path = strings.TrimPrefix(path, "//")
	switch {
	case strings.HasPrefix(db, "postgres://"), strings.HasPrefix(db, "postgresql://"):
		return "", domain.Invalid("--db", "PostgreSQL is not supported by this version: use sqlite:FILE")
	case !ok, path == "", path == ":memory:":
		return "", domain.Invalid("--db", "must be sqlite:FILE, such as sqlite:retainrabbit.db")
	}
	return path, nil
}

// openStore opens the database, makes it if it is missing, and migrates it.
func (e *env) openStore(opt sqlite.Options) (*sqlite.Store, error) {
	path, err := sqlitePath(e.db)
	if err != nil {
		return nil, err
	}
	return sqlite.Open(e.ctx, path, opt)
}

// openExisting opens the database as it is.
func (e *env) openExisting() (*sqlite.Store, error) {
	path, err := sqlitePath(e.db)
	if err != nil {
		return nil, err
	}
	return sqlite.OpenExisting(e.ctx, path)
}

// with runs use with a store that exists already, and an App on it.
func (e *env) with(use func(store ports.Store, a *app.App) error) error {
	store, err := e.openExisting()
	if err != nil {
		return err
	}
	return closing(store, use)
}

// withNew is with, for the commands that may make and migrate the database.
func (e *env) withNew(use func(store ports.Store, a *app.App) error) error {
	store, err := e.openStore(sqlite.Options{})
	if err != nil {
		return err
	}
	return closing(store, use)
}

func closing(store *sqlite.Store, use func(store ports.Store, a *app.App) error) error {
	defer store.Close()
	return use(store, app.New(app.Config{Store: store}))
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
	return e.withNew(func(ports.Store, *app.App) error {
		return c.print(e.stdout, map[string]bool{"current": true}, func(out io.Writer) error {
			_, err := fmt.Fprintln(out, "The schema is up to date.")
			return err
		})
	})
}

type backupCmd struct {
	Dest string `arg:"" help:"File to write; it must not exist."`
	asJSON
}

func (c backupCmd) Run(e *env) error {
	store, err := e.openExisting()
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
