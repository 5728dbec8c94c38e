package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/retainrabbit/retainrabbit/domain"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// The library's tables, by names that say whose they are.
const (
	versionTable = "retainrabbit_schema"
	lockTable    = "retainrabbit_schema_lock"
)

// How long a process waits for another that migrates.
const (
	lockPoll  = 100 * time.Millisecond
	lockPolls = 3000
)

// Migrate brings the schema up to date. Of many processes that start at once one
// does, under a lock in a table, which holds through a pooler too; the others wait.
// A schema that is up to date is left alone, so a role that may only read and write
// can start the program.
func Migrate(ctx context.Context, url string) error {
	pool, err := parse(url)
	if err != nil {
		return err
	}
	config := pool.ConnConfig
	stored, err := schemaOf(ctx, config)
	if err != nil {
		return err
	}
	newest, err := newestMigration()
	if err != nil || stored.version >= newest {
		return errors.Join(err, stored.check(newest))
	}
	locker, err := lock.NewPostgresTableLocker(lock.WithTableName(lockTable), lock.WithTableLockTimeout(lockPoll, lockPolls))
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	db := stdlib.OpenDB(*config)
	defer db.Close()
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithDisableGlobalRegistry(true), goose.WithLocker(locker), goose.WithTableName(versionTable))
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	_, err = p.Up(ctx)
	return classify(ctx, err)
}

func newestMigration() (int64, error) {
	files, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return 0, err
	}
	return goose.NumericComponent(files[len(files)-1])
}

// checkCurrent reports a schema that is older than this program's, or too new for
// it, and changes nothing.
func checkCurrent(ctx context.Context, config *pgx.ConnConfig) error {
	stored, err := schemaOf(ctx, config)
	if err != nil {
		return err
	}
	newest, err := newestMigration()
	if err != nil {
		return err
	}
	if stored.version < newest {
		return domain.Conflict("older_database", "the database has schema %d and needs %d: run `retainrabbit migrate`", stored.version, newest)
	}
	return stored.check(newest)
}

// schema is what a database says of its schema.
type schema struct {
	version        int64 // the newest migration that was applied; 0: none
	compatibleFrom int64 // the oldest migration that a program must know to use it
}

// check refuses a schema that a program which knows no more than newest may not use.
func (s schema) check(newest int64) error {
	if s.compatibleFrom <= newest {
		return nil
	}
	return domain.Conflict("newer_database",
		"the database has schema %d, which only programs that know schema %d may use; this one knows up to %d: use a newer retainrabbit", s.version, s.compatibleFrom, newest)
}

func schemaOf(ctx context.Context, config *pgx.ConnConfig) (s schema, err error) {
	conn, err := pgx.ConnectConfig(ctx, config.Copy())
	if err != nil {
		return s, classify(ctx, err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	err = conn.QueryRow(ctx, "SELECT COALESCE(MAX(version_id), 0), COALESCE((SELECT MAX(compatible_from) FROM schema_info), 0) FROM "+versionTable+" WHERE is_applied").
		Scan(&s.version, &s.compatibleFrom)
	var failure *pgconn.PgError
	if errors.As(err, &failure) && failure.Code == "42P01" { // never migrated
		return schema{}, nil
	}
	return s, classify(ctx, err)
}
