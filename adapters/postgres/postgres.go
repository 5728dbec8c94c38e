// Package postgres stores everything in a PostgreSQL database that many instances
// of the program share, by pgx.
//
// Promises beyond those of package ports: no call takes longer than the time-out of
// its Options, whatever the server does. Transactions that collide with others are
// run again, and so is whatever met a connection that was gone, until the moment of
// the commit. Nothing here depends on a session of the server's: the pool may go
// through PgBouncer in transaction mode, with default_query_exec_mode=cache_describe.
package postgres

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/retainrabbit/retainrabbit/adapters/internal/sqlstore"
	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

// Store implements ports.Store on one PostgreSQL database.
type Store struct {
	sqlstore.Reads
	pool    *pgxpool.Pool
	timeout time.Duration
	writers chan struct{} // a place for each transaction that may be open at once
	starter *starter
	closing sync.Once
}

var _ ports.Store = (*Store)(nil)

// Options change how a database is used. The zero value is ready to use.
type Options struct {
	// Timeout bounds every call; 0: DefaultTimeout.
	Timeout time.Duration
	// OnCommit, if set, is told of every commit of started sessions how many
	// shared it and how long it took. It must be quick.
	OnCommit func(n int, took time.Duration)
	// OnQuery, if set, is told of every statement, by name, how long it took. It
	// must be quick.
	OnQuery func(name string, took time.Duration)
}

// DefaultTimeout leaves a client its answer within two seconds.
const DefaultTimeout = 1500 * time.Millisecond

// closePatience bounds how long Close waits for a server that does not answer.
const closePatience = 5 * time.Second

const (
	defaultConns   = 16
	connectTimeout = time.Second
)

// Open connects to the database of a URL or a connection string and brings its
// schema up to date. The URL may name several hosts, and the pool's size as
// pool_max_conns (default 16). Its errors are domain.ErrInvalid for a URL that
// cannot be read, domain.ErrUnavailable for a database that cannot be used, and
// domain.ErrConflict with code newer_database for one that only newer programs may use.
func Open(ctx context.Context, url string, opt Options) (*Store, error) {
	if err := Migrate(ctx, url); err != nil {
		return nil, err
	}
	return open(ctx, url, opt)
}

// OpenExisting is Open for a database whose schema is up to date, and changes nothing of it.
func OpenExisting(ctx context.Context, url string, opt Options) (*Store, error) {
	config, err := parse(url)
	if err != nil {
		return nil, err
	}
	if err := checkCurrent(ctx, config.ConnConfig); err != nil {
		return nil, err
	}
	return open(ctx, url, opt)
}

// parse reads the URL. Its errors never hold it: it may hold a password.
func parse(url string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, domain.Invalid("--db", "must be like postgres://user:password@host:5432/database?sslmode=verify-full")
	}
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = defaultConns
	}
	if !strings.Contains(url, "connect_timeout") {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	config.ConnConfig.DialFunc = dialer.DialContext
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "retainrabbit"
	}
	if config.ConnConfig.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		// A plan is kept for as long as a connection: one made while a table was
		// small would go on reading all of it when it is large. (A pooler may not
		// know the parameter, but there plans are not kept.)
		config.ConnConfig.RuntimeParams["enable_seqscan"] = "off"
	}
	return config, nil
}

func open(ctx context.Context, url string, opt Options) (*Store, error) {
	config, err := parse(url)
	if err != nil {
		return nil, err
	}
	if opt.OnQuery != nil {
		config.ConnConfig.Tracer = tracer{opt.OnQuery}
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, classify(ctx, err)
	}
	s := &Store{pool: pool, timeout: opt.Timeout, writers: make(chan struct{}, writers(config.MaxConns))}
	if s.timeout == 0 {
		s.timeout = DefaultTimeout
	}
	s.Conn = reader{s}
	s.starter = startLanes(s, opt.OnCommit)
	if err := s.Ping(ctx); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// writers is how many connections may be writing: where commits hang, for want of
// a standby, a quarter is left for reading.
func writers(conns int32) int32 { return max(1, conns-max(1, conns/4)) }

// Ping implements ports.Store.
func (s *Store) Ping(ctx context.Context) error {
	rows, err := s.Conn.Query(ctx, "/* ping */ SELECT 1 FROM workspaces LIMIT 1")
	if err != nil {
		return err
	}
	return rows.Close()
}

// Close implements ports.Store. It may be called twice.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.starter.close()
		closed := make(chan struct{})
		go func() {
			s.pool.Close()
			close(closed)
		}()
		select {
		case <-closed:
		case <-time.After(closePatience): // a commit hangs; the process may end all the same
		}
	})
	return nil
}

// PoolStats is how the pool of connections stands.
type PoolStats struct {
	Max, Open, Used int
	Waited          int64         // calls that found no connection free, since the start
	Waiting         time.Duration // that they waited, all together
}

// PoolStats returns how the pool of connections stands.
func (s *Store) PoolStats() PoolStats {
	stat := s.pool.Stat()
	return PoolStats{
		Max: int(stat.MaxConns()), Open: int(stat.TotalConns()), Used: int(stat.AcquiredConns()),
		Waited: stat.EmptyAcquireCount(), Waiting: stat.EmptyAcquireWaitTime(),
	}
}

// tracer tells OnQuery of every statement.
type tracer struct {
	observe func(name string, took time.Duration)
}

type traced struct {
	name  string
	start time.Time
}

type tracedKey struct{}

// TraceQueryStart implements pgx.QueryTracer.
func (t tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	return context.WithValue(ctx, tracedKey{}, traced{statementName(data.SQL), time.Now()})
}

// TraceQueryEnd implements pgx.QueryTracer.
func (t tracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	if q, ok := ctx.Value(tracedKey{}).(traced); ok {
		t.observe(q.name, time.Since(q.start))
	}
}

// TraceBatchStart implements pgx.BatchTracer: a batch is named after what it does
// besides beginning and ending a transaction.
func (t tracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	name := "commit"
	for _, q := range data.Batch.QueuedQueries {
		if q.SQL != "BEGIN" && q.SQL != "COMMIT" {
			name = statementName(q.SQL) + ".batch"
			break
		}
	}
	return context.WithValue(ctx, tracedKey{}, traced{name, time.Now()})
}

// TraceBatchQuery implements pgx.BatchTracer.
func (t tracer) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd implements pgx.BatchTracer.
func (t tracer) TraceBatchEnd(ctx context.Context, conn *pgx.Conn, _ pgx.TraceBatchEndData) {
	t.TraceQueryEnd(ctx, conn, pgx.TraceQueryEndData{})
}

// statementName is the name in the comment that each statement begins with.
func statementName(sql string) string {
	if name, ok := strings.CutPrefix(sql, "/* "); ok {
		name, _, _ = strings.Cut(name, " */")
		return name
	}
	return strings.ToLower(sql)
}
