// Package sqlstore is the SQL of the storage adapters, written once. It speaks the
// part of SQL that SQLite and PostgreSQL share, over a connection interface that
// either driver satisfies with a few lines.
package sqlstore

import (
	"context"
	"time"

	"github.com/retainrabbit/retainrabbit/domain"
)

// Conn runs statements with $1, $2, … as placeholders, on one connection, in one
// transaction, or on a pool. Its errors are already of a domain.Kind wherever the
// engine's error has a meaning there.
type Conn interface {
	// Exec returns how many rows were changed.
	Exec(ctx context.Context, query string, args ...any) (int64, error)
	Query(ctx context.Context, query string, args ...any) (Rows, error)
}

// Rows are the rows of a query. Close may be called twice.
type Rows interface {
	Next() bool
	Scan(dest ...any) error
	Err() error
	Close() error
}

// scanner is a row that can be scanned.
type scanner interface{ Scan(dest ...any) error }

// list collects every row of a query.
func list[T any](ctx context.Context, c Conn, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := c.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []T
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, err
		}
		found = append(found, item)
	}
	return found, rows.Err()
}

// one returns the only row of a query, or ErrNotFound.
func one[T any](ctx context.Context, c Conn, what string, scan func(scanner) (T, error), query string, args ...any) (T, error) {
	var item T
	rows, err := c.Query(ctx, query, args...)
	if err != nil {
		return item, err
	}
	defer rows.Close()
	if rows.Next() {
		return scan(rows)
	}
	if err := rows.Err(); err != nil {
		return item, err
	}
	return item, domain.NotFound(what)
}

// millis stores a time; the zero time is 0.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// flag stores a bool.
func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
