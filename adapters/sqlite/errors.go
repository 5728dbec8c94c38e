package sqlite

import (
	"context"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/retainrabbit/retainrabbit/domain"
)

// classify gives an engine's error the kind that the port promises.
func classify(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var failure *sqlite.Error
	if !errors.As(err, &failure) {
		return fmt.Errorf("sqlite: %w", err)
	}
	switch failure.Code() {
	case lib.SQLITE_CONSTRAINT_PRIMARYKEY, lib.SQLITE_CONSTRAINT_UNIQUE, lib.SQLITE_CONSTRAINT_ROWID:
		return &domain.Error{Kind: domain.ErrConflict, Code: "exists", Msg: "this exists already", Err: err}
	case lib.SQLITE_CONSTRAINT_FOREIGNKEY:
		return &domain.Error{Kind: domain.ErrNotFound, Code: "not_found", Msg: "what this belongs to was not found", Err: err}
	}
	switch failure.Code() & 0xff { // the primary code of an extended one
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return unavailable("the database is busy", err)
	case lib.SQLITE_FULL:
		return unavailable("the disk is full", err)
	case lib.SQLITE_READONLY:
		return unavailable("the database cannot be written: check the file's and its folder's permissions", err)
	case lib.SQLITE_CANTOPEN:
		return unavailable("the database file cannot be opened: check that its folder exists and may be written", err)
	case lib.SQLITE_IOERR, lib.SQLITE_NOMEM, lib.SQLITE_PERM:
		return unavailable("the database cannot be reached", err)
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return unavailable("the file is not a sound SQLite database", err)
	case lib.SQLITE_INTERRUPT:
		return context.Canceled
	}
	return fmt.Errorf("sqlite: %w", err)
}

func unavailable(msg string, err error) error {
	return &domain.Error{Kind: domain.ErrUnavailable, Code: "database", Msg: msg, Err: err}
}

var errClosed = unavailable("the database is closed", nil)
