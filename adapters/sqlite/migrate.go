package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/retainrabbit/retainrabbit/domain"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrate brings the schema up to date. When several processes start at once one
// of them wins each migration, which is a transaction; the others fail, look
// again, and find it done.
func migrate(ctx context.Context, path string) error {
	return withMigrations(path, func(p *goose.Provider) error {
		for attempt := 0; ; attempt++ {
			err := refuseNewer(ctx, p)
			if err == nil {
				_, err = p.Up(ctx)
			}
			if err == nil || errors.Is(err, domain.ErrConflict) || attempt == migrateAttempts {
				return classify(err)
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(migratePause):
			}
		}
	})
}

const (
	migrateAttempts = 20
	migratePause    = 50 * time.Millisecond
)

// checkCurrent reports a schema that is older or newer than this program's, and
// changes nothing.
func checkCurrent(ctx context.Context, path string) error {
	older := domain.Conflict("older_database", "the database needs a migration: run `retainrabbit migrate`")
	switch known, err := hasVersion(path); {
	case err != nil:
		return err
	case !known:
		return older
	}
	return withMigrations(path, func(p *goose.Provider) error {
		if err := refuseNewer(ctx, p); err != nil {
			return err
		}
		pending, err := p.HasPending(ctx)
		if err == nil && pending {
			err = older
		}
		return classify(err)
	})
}

// hasVersion reports whether the file was ever migrated; goose would write in one
// that was not.
func hasVersion(path string) (bool, error) {
	c, err := openConn(dsn(path, "_pragma=query_only(1)"))
	if err != nil {
		return false, err
	}
	rows, err := c.query(context.Background(), "SELECT 1 FROM sqlite_master WHERE name = 'goose_db_version'", nil)
	if err != nil {
		return false, errors.Join(err, c.close())
	}
	known := rows.Next()
	return known, errors.Join(rows.Err(), rows.Close(), c.close())
}

func withMigrations(path string, use func(*goose.Provider) error) error {
	db, err := sql.Open("sqlite", dsn(path))
	if err != nil {
		return classify(err)
	}
	defer db.Close()
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	return use(p)
}

func refuseNewer(ctx context.Context, p *goose.Provider) error {
	stored, err := p.GetDBVersion(ctx)
	if err != nil {
		return classify(err)
	}
	sources := p.ListSources()
	if newest := sources[len(sources)-1].Version; stored > newest {
		return domain.Conflict("newer_database",
			"the database has schema %d, this program knows up to %d: use the newer program that migrated it, or restore a backup", stored, newest)
	}
	return nil
}
