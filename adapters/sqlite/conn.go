package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"

	"github.com/retainrabbit/retainrabbit/adapters/internal/sqlstore"
)

// conn is one connection of the engine, for one goroutine at a time, with every
// statement prepared once and kept: some forty, all constants of package sqlstore.
// It speaks to the driver without database/sql between, whose locks, conversions
// and copies are a large part of the cost of a short statement.
type conn struct {
	driver   driver.Conn
	stmts    map[string]statement
	args     []driver.NamedValue // reused by every statement
	values   []driver.Value      // reused by every row
	snapshot snapshot            // of a connection that reads
}

// statement is what the driver's prepared statements can do.
type statement interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

func openConn(dsn string) (*conn, error) {
	c, err := (&sqlite.Driver{}).Open(dsn)
	if err != nil {
		return nil, classify(err)
	}
	return &conn{driver: c, stmts: map[string]statement{}}, nil
}

func (c *conn) close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.driver.Close())...)
}

func (c *conn) prepare(query string) (statement, error) {
	if s, ok := c.stmts[query]; ok {
		return s, nil
	}
	s, err := c.driver.Prepare(anonymous(query))
	if err != nil {
		return nil, classify(err)
	}
	kept, ok := s.(statement)
	if !ok {
		return nil, errors.Join(fmt.Errorf("sqlite: statements of type %T cannot be used", s), s.Close())
	}
	c.stmts[query] = kept
	return kept, nil
}

var placeholder = regexp.MustCompile(`\$\d+`)

// anonymous replaces $1, $2, … by ? where they stand in order, each once. The driver
// looks up every parameter that has a name by that name, at each execution.
func anonymous(query string) string {
	for i, name := range placeholder.FindAllString(query, -1) {
		if name != "$"+strconv.Itoa(i+1) {
			return query
		}
	}
	return placeholder.ReplaceAllString(query, "?")
}

// Exec implements sqlstore.Conn. Statements are short, so one that has begun is
// not cut off when ctx ends.
func (c *conn) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	s, err := c.ready(ctx, query, args)
	if err != nil {
		return 0, err
	}
	result, err := s.ExecContext(context.Background(), c.args)
	if err != nil {
		return 0, classify(err)
	}
	return result.RowsAffected()
}

// Query implements sqlstore.Conn.
func (c *conn) Query(ctx context.Context, query string, args ...any) (sqlstore.Rows, error) {
	return c.query(ctx, query, args)
}

func (c *conn) query(ctx context.Context, query string, args []any) (*rows, error) {
	s, err := c.ready(ctx, query, args)
	if err != nil {
		return nil, err
	}
	result, err := s.QueryContext(context.Background(), c.args)
	if err != nil {
		return nil, classify(err)
	}
	n := len(result.Columns())
	if cap(c.values) < n {
		c.values = make([]driver.Value, n)
	}
	return &rows{driver: result, values: c.values[:n]}, nil
}

// ready returns the prepared statement and binds its arguments.
func (c *conn) ready(ctx context.Context, query string, args []any) (statement, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.args = c.args[:0]
	for i, arg := range args {
		value, err := bind(arg)
		if err != nil {
			return nil, fmt.Errorf("sqlite: argument %d of %.40q: %w", i+1, query, err)
		}
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: value})
	}
	return c.prepare(query)
}

func bind(arg any) (driver.Value, error) {
	switch v := arg.(type) {
	case string, int64, []byte:
		return v, nil
	case int:
		return int64(v), nil
	case *int64:
		if v == nil {
			return nil, nil
		}
		return *v, nil
	}
	return nil, fmt.Errorf("a %T cannot be bound", arg)
}

// rows implements sqlstore.Rows.
type rows struct {
	driver driver.Rows
	values []driver.Value
	err    error
	closed bool
	done   func() // called once, by Close; may be nil
}

func (r *rows) Next() bool {
	if r.closed || r.err != nil {
		return false
	}
	switch err := r.driver.Next(r.values); {
	case err == nil:
		return true
	case !errors.Is(err, io.EOF):
		r.err = classify(err)
	}
	return false
}

func (r *rows) Err() error { return r.err }

func (r *rows) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	err := classify(r.driver.Close())
	if r.done != nil {
		r.done()
	}
	return err
}

func (r *rows) Scan(dest ...any) error {
	if len(dest) != len(r.values) {
		return fmt.Errorf("sqlite: %d columns scanned into %d", len(r.values), len(dest))
	}
	for i, d := range dest {
		if !assign(d, r.values[i]) {
			return fmt.Errorf("sqlite: column %d is a %T, it cannot be scanned into a %T", i+1, r.values[i], d)
		}
	}
	return nil
}

func assign(dest any, value driver.Value) (ok bool) {
	switch d := dest.(type) {
	case *string:
		*d, ok = value.(string)
	case *int64:
		*d, ok = value.(int64)
	case *int:
		var n int64
		n, ok = value.(int64)
		*d = int(n)
	case **int64:
		n, known := value.(int64)
		*d, ok = nil, known || value == nil
		if known {
			*d = &n
		}
	case *[]byte:
		*d, ok = value.([]byte)
	}
	return ok
}

// pool lends a fixed number of connections for reading. A connection that is given
// back keeps its read transaction for a moment, because beginning and ending one
// is a large part of a short read. It is never older than the last commit of
// this process, and at most snapshotLife behind those of others.
type pool struct {
	free     chan *conn
	size     int
	quit     chan struct{}
	commits  *atomic.Int64 // of this process, counted before they are acknowledged
	sweeping atomic.Bool
}

// snapshotLife bounds how late a commit of another process is seen.
const snapshotLife = time.Millisecond

func openPool(dsn string, size int, commits *atomic.Int64) (*pool, error) {
	p := &pool{free: make(chan *conn, size), quit: make(chan struct{}), commits: commits}
	for range size {
		c, err := openConn(dsn)
		if err != nil {
			return nil, errors.Join(err, p.close())
		}
		p.size++
		p.free <- c
	}
	return p, nil
}

func (p *pool) take(ctx context.Context) (*conn, error) {
	select {
	case <-p.quit:
		return nil, errClosed
	default:
	}
	select {
	case c := <-p.free:
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.quit:
		return nil, errClosed
	}
}

// give takes a connection back, and sees to it that its read transaction ends soon
// even if nobody takes it again: an old one keeps the write-ahead log from shrinking.
func (p *pool) give(c *conn) {
	open := c.snapshot.open
	p.free <- c
	if open && p.sweeping.CompareAndSwap(false, true) {
		time.AfterFunc(2*snapshotLife, p.sweep)
	}
}

func (p *pool) sweep() {
	p.sweeping.Store(false)
	for range p.size {
		select {
		case c := <-p.free:
			_ = c.endRead() // fails only where the next read will say so
			p.free <- c
		default:
			return
		}
	}
}

// Exec implements sqlstore.Conn; what only reads does not use it.
func (p *pool) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	c, err := p.take(ctx)
	if err != nil {
		return 0, err
	}
	defer p.give(c)
	return c.Exec(ctx, query, args...)
}

// Query implements sqlstore.Conn. The connection is back when the rows are closed.
func (p *pool) Query(ctx context.Context, query string, args ...any) (sqlstore.Rows, error) {
	return p.query(ctx, snapshotLife, query, args)
}

// query reads from a transaction that began at most life ago.
func (p *pool) query(ctx context.Context, life time.Duration, query string, args []any) (sqlstore.Rows, error) {
	c, err := p.take(ctx)
	if err != nil {
		return nil, err
	}
	err = c.beginRead(p.commits.Load(), life)
	var r *rows
	if err == nil {
		r, err = c.query(ctx, query, args)
	}
	if err != nil {
		err = errors.Join(err, c.endRead())
		p.give(c)
		return nil, err
	}
	r.done = func() { p.give(c) }
	return r, nil
}

// now is the pool as a sqlstore.Conn that reads what is committed now, by whomever.
type now struct{ *pool }

func (n now) Query(ctx context.Context, query string, args ...any) (sqlstore.Rows, error) {
	return n.query(ctx, 0, query, args)
}

// snapshot is a connection's read transaction.
type snapshot struct {
	open    bool
	commits int64 // of this process, before it began
	began   time.Time
}

// beginRead keeps the read transaction if it is as new as is wanted, or begins one.
func (c *conn) beginRead(commits int64, life time.Duration) error {
	if c.snapshot.open && c.snapshot.commits == commits && time.Since(c.snapshot.began) < life {
		return nil
	}
	if err := c.endRead(); err != nil {
		return err
	}
	if _, err := c.Exec(context.Background(), "BEGIN DEFERRED"); err != nil {
		return err
	}
	c.snapshot = snapshot{open: true, commits: commits, began: time.Now()}
	return nil
}

func (c *conn) endRead() error {
	if !c.snapshot.open {
		return nil
	}
	c.snapshot.open = false
	_, err := c.Exec(context.Background(), "ROLLBACK")
	return err
}

// close waits for every connection that is lent and closes them all.
func (p *pool) close() error {
	close(p.quit)
	var errs []error
	for range p.size {
		errs = append(errs, (<-p.free).close())
	}
	return errors.Join(errs...)
}
