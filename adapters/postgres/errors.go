package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/retainrabbit/retainrabbit/domain"
)

// classify gives an error the kind that the port promises. ctx is the caller's own:
// that it has ended is the caller's error, that our time-out has is the database's.
func classify(ctx context.Context, err error) error {
	if err == nil || domain.KindOf(err) != "" {
		return err
	}
	if gone := ctx.Err(); gone != nil {
		return gone
	}
	var failure *pgconn.PgError
	switch {
	case errors.As(err, &failure):
		return classifyCode(failure)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), pgconn.Timeout(err):
		return unavailable("the database did not answer in time", err)
	case unreachable(err):
		return unavailable("the database cannot be reached", err)
	case strings.Contains(err.Error(), "closed pool"):
		return errClosed
	}
	return fmt.Errorf("postgres: %w", err)
}

// codes are the SQLSTATEs that a user or an operator can do something about.
var codes = map[string]error{
	"23505": domain.Conflict("exists", "this exists already"),
	"23503": domain.NotFound("what this belongs to"),
	"22021": domain.Invalid("text", "must be valid UTF-8 without NUL"),
	"40001": unavailable("the database is busy", nil),
	"40P01": unavailable("the database is busy", nil),
	"42501": unavailable("the database role lacks a privilege: see Role in the README", nil),
	"42P01": unavailable("the schema is missing: run `retainrabbit migrate`", nil),
	"42P07": domain.Conflict("not_empty", "the database has tables of another program: use an empty one"),
	"42P05": unavailable(noStatements, nil),
	"26000": unavailable(noStatements, nil),
	"25006": unavailable("the database server is read-only: it may be a standby", nil),
	"3D000": unavailable("there is no such database", nil),
	"53100": unavailable("the database's disk is full", nil),
	"57014": unavailable("the database ended the statement: it took too long", nil),
}

const noStatements = "this looks like a pooler: for PgBouncer in transaction mode add default_query_exec_mode=cache_describe to --db"

// classes are the first two characters of SQLSTATEs that mean a database out of order.
var classes = map[string]string{
	"08": "the database cannot be reached",
	"28": "the database refuses this user",
	"53": "the database has no room for this",
	"55": "the database is busy",
	"57": "the database is stopping or starting",
	"58": "the database has trouble with its files",
	"XX": "the database has an internal error",
}

func classifyCode(failure *pgconn.PgError) error {
	if failure.Code == "08P01" && strings.Contains(failure.Message, "startup parameter") { // a pooler does not take ours
		return unavailable(noStatements, failure)
	}
	var known *domain.Error
	if errors.As(codes[failure.Code], &known) {
		named := *known
		named.Err = failure
		return &named
	}
	if msg, ok := classes[failure.Code[:2]]; ok {
		return unavailable(msg, failure)
	}
	return fmt.Errorf("postgres: %w", failure)
}

// unreachable reports an error of the connection, not of a statement.
func unreachable(err error) bool {
	var network net.Error
	var connect *pgconn.ConnectError
	return err != nil && (errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || pgconn.SafeToRetry(err) || strings.Contains(err.Error(), "conn closed"))
}

// lost reports that the connection ended or refused to serve, and not the statement
// failed: another connection may do better.
func lost(err error) bool {
	var failure *pgconn.PgError
	if errors.As(err, &failure) {
		return strings.HasPrefix(failure.Code, "08") || failure.Code == "57P01" || failure.Code == "57P02" || failure.Code == "57P03" || failure.Code == "25006"
	}
	return unreachable(err) && !pgconn.Timeout(err)
}

// collided reports that two transactions were in each other's way: the whole may
// be run again.
func collided(err error) bool {
	var failure *pgconn.PgError
	return errors.As(err, &failure) && (failure.Code == "40001" || failure.Code == "40P01")
}

func unavailable(msg string, err error) error {
	return &domain.Error{Kind: domain.ErrUnavailable, Code: "database", Msg: msg, Err: err}
}

var errClosed = unavailable("the database is closed", nil)
