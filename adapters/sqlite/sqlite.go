// Package sqlite stores everything in one SQLite file, by modernc.org/sqlite, a
// port of SQLite that needs no C compiler.
//
// Promises beyond those of package ports: a transaction that was acknowledged
// survives a power loss (synchronous=FULL). Other processes may read and write the
// same file meanwhile; their changes are seen within a millisecond, those of this
// process at once.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/retainrabbit/retainrabbit/adapters/internal/sqlstore"
	"github.com/retainrabbit/retainrabbit/ports"
)

// Store implements ports.Store on one SQLite file.
type Store struct {
	sqlstore.Reads
	path    string
	readers *pool
	recent  *recent
	write   *conn
	writer  *writer
	closing sync.Once
	closed  error
}

var _ ports.Store = (*Store)(nil)

// Options change how a file is opened. The zero value is ready to use.
type Options struct {
	// OnCommit, if set, is told of every commit how many transactions shared it
	// and how long it took. It must be quick.
	OnCommit func(n int, took time.Duration)
}

// fileMode keeps the file to its owner: it holds link secrets and customers' data.
const fileMode = 0o600

// Open opens the file, makes it if it is missing, and brings its schema up to
// date. Its errors say what is wrong with the path: domain.ErrUnavailable for a
// file that cannot be opened or written, domain.ErrConflict with code
// newer_database for one that a newer version has migrated.
func Open(ctx context.Context, path string, opt Options) (*Store, error) {
	if err := makeFile(path); err != nil {
		return nil, err
	}
	if err := migrate(ctx, path); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return open(path, opt)
}

// OpenExisting opens a file whose schema is up to date, and changes nothing of it
// by itself. Errors are those of Open; a missing file, and a schema that needs a
// migration, are errors too.
func OpenExisting(ctx context.Context, path string) (*Store, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, unavailable(fmt.Sprintf("%s: there is no such database file", path), err)
	}
	if err := checkCurrent(ctx, path); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return open(path, Options{})
}

func open(path string, opt Options) (*Store, error) {
	write, err := openConn(dsn(path))
	if err != nil {
		return nil, err
	}
	// A few readers keep the processors busy; each holds a page cache of its own.
	commits := new(atomic.Int64)
	readers, err := openPool(dsn(path, "_pragma=query_only(1)"), max(4, runtime.GOMAXPROCS(0)), commits)
	if err != nil {
		return nil, errors.Join(err, write.close())
	}
	watch, err := openConn(dsn(path))
	if err != nil {
		return nil, errors.Join(err, readers.close(), write.close())
	}
	return &Store{
		Reads: sqlstore.Reads{Conn: readers},
		path:  path, readers: readers, recent: newRecent(watch), write: write,
		writer: startWriter(write, commits, opt.OnCommit),
	}, nil
}

// dsn names the file with the pragmas that every connection needs.
func dsn(path string, more ...string) string {
	pragmas := []string{
		"_pragma=busy_timeout(5000)", // ms to wait for another process
		"_pragma=journal_mode(WAL)",
		"_pragma=synchronous(FULL)", // NORMAL loses acknowledged rows when power fails
		"_pragma=foreign_keys(1)",
		"_pragma=temp_store(MEMORY)", // the journals of savepoints need no file
		"_pragma=cache_size(-8192)",  // KiB for each connection
		"_pragma=mmap_size(268435456)",
		"_txlock=immediate",
	}
	text := "file:" + (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath()
	for i, p := range append(pragmas, more...) {
		sep := "&"
		if i == 0 {
			sep = "?"
		}
		text += sep + p
	}
	return text
}

func makeFile(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, fileMode)
	if err != nil {
		return unavailable(fmt.Sprintf("cannot open the database: %v", err), err)
	}
	return f.Close()
}

// Ping implements ports.Store.
func (s *Store) Ping(ctx context.Context) error {
	rows, err := s.Conn.Query(ctx, "SELECT 1 FROM workspaces LIMIT 1")
	if err != nil {
		return err
	}
	return rows.Close()
}

// Close implements ports.Store. It may be called twice.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.writer.close()
		s.closed = errors.Join(s.readers.close(), s.recent.close(), s.write.close())
	})
	return s.closed
}

// Check reads the whole file and reports what is damaged.
func (s *Store) Check(ctx context.Context) error {
	rows, err := s.Conn.Query(ctx, "PRAGMA quick_check(1)")
	if err != nil {
		return err
	}
	defer rows.Close()
	verdict := "no answer"
	if rows.Next() {
		if err := rows.Scan(&verdict); err != nil {
			return classify(err)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if verdict != "ok" {
		return unavailable("the database file is damaged: "+verdict, nil)
	}
	return nil
}
