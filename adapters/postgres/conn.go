package postgres

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/retainrabbit/retainrabbit/adapters/internal/sqlstore"
	"github.com/retainrabbit/retainrabbit/ports"
)

// attempts is how often something is tried that collides or loses its connection.
const attempts = 5

// pause waits a little longer each time, and never past the end of ctx.
func pause(ctx context.Context, attempt int) {
	wait := time.NewTimer(time.Duration(attempt) * (5 + rand.N(time.Duration(15))) * time.Millisecond)
	defer wait.Stop()
	select {
	case <-ctx.Done():
	case <-wait.C:
	}
}

// reader is the pool as a sqlstore.Conn that reads outside of transactions.
type reader struct{ store *Store }

// Exec implements sqlstore.Conn; what only reads does not use it.
func (r reader) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	bounded, cancel := context.WithTimeout(ctx, r.store.timeout)
	defer cancel()
	tag, err := r.store.pool.Exec(bounded, query, args...)
	return tag.RowsAffected(), classify(ctx, err)
}

// Query implements sqlstore.Conn. It has read the first row when it returns, and so
// can ask another connection if one proves to be gone.
func (r reader) Query(ctx context.Context, query string, args ...any) (sqlstore.Rows, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	bounded, cancel := context.WithTimeout(ctx, r.store.timeout)
	for attempt := 1; ; attempt++ {
		result, err := r.store.pool.Query(bounded, query, args...)
		if err == nil {
			first := result.Next()
			if err = result.Err(); err == nil {
				return &rows{ctx: ctx, result: result, peeked: true, first: first, done: cancel}, nil
			}
			result.Close()
		}
		if attempt == attempts || !lost(err) || bounded.Err() != nil {
			cancel()
			return nil, classify(ctx, err)
		}
		pause(bounded, attempt)
	}
}

// rows implements sqlstore.Rows.
type rows struct {
	ctx    context.Context // the caller's
	result pgx.Rows
	peeked bool // the result has been moved to its first row already
	first  bool // which exists
	done   func()
	failed *error // set to an error of the result; may be nil
}

func (r *rows) Next() bool {
	if r.peeked {
		r.peeked = false
		return r.first
	}
	return r.result.Next()
}

func (r *rows) Scan(dest ...any) error { return classify(r.ctx, r.result.Scan(dest...)) }

func (r *rows) Err() error {
	err := r.result.Err()
	if err != nil && r.failed != nil {
		*r.failed = err
	}
	return classify(r.ctx, err)
}

func (r *rows) Close() error {
	r.result.Close()
	err := r.Err()
	if r.done != nil {
		r.done()
	}
	return err
}

// session is one connection in one transaction. It remembers the first failure, so
// that its owner can tell whether to run the whole again.
type session struct {
	ctx        context.Context // the caller's
	conn       *pgx.Conn
	failed     error
	committing bool
	pending    chan sent // of a commit that is no longer waited for; else nil
}

var _ sqlstore.Pipe = (*session)(nil)

func (c *session) note(err error) error {
	if err != nil && c.failed == nil {
		c.failed = err
	}
	return classify(c.ctx, err)
}

// Exec implements sqlstore.Conn.
func (c *session) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	tag, err := c.conn.Exec(ctx, query, args...)
	return tag.RowsAffected(), c.note(err)
}

// Query implements sqlstore.Conn.
func (c *session) Query(ctx context.Context, query string, args ...any) (sqlstore.Rows, error) {
	result, err := c.conn.Query(ctx, query, args...)
	if err != nil {
		return nil, c.note(err)
	}
	return &rows{ctx: c.ctx, result: result, failed: &c.failed}, nil
}

// errRolledBack is a COMMIT that rolled back: a statement before it had failed.
var errRolledBack = errors.New("postgres: a statement of the transaction had failed")

// Send implements sqlstore.Pipe.
func (c *session) Send(ctx context.Context, statements []sqlstore.Statement) ([]int64, error) {
	batch := &pgx.Batch{}
	for _, s := range statements {
		batch.Queue(s.SQL, s.Args...)
	}
	if c.committing = statements[len(statements)-1].SQL == "COMMIT"; !c.committing {
		counts, err := send(ctx, c.conn, batch)
		return counts, c.note(err)
	}
	// A commit is never given up, only no longer waited for: to cancel one that waits
	// for its standby would leave it done here alone, and seen, and lost in a failover.
	ended, unending := make(chan sent, 1), context.WithoutCancel(ctx)
	go func() {
		counts, err := send(unending, c.conn, batch)
		ended <- sent{counts, err}
	}()
	select {
	case end := <-ended:
		return end.counts, c.note(end.err)
	case <-ctx.Done():
		c.pending = ended
		return nil, c.note(ctx.Err())
	}
}

// sent is what came of a batch.
type sent struct {
	counts []int64
	err    error
}

func send(ctx context.Context, conn *pgx.Conn, batch *pgx.Batch) ([]int64, error) {
	results := conn.SendBatch(ctx, batch)
	counts := make([]int64, batch.Len())
	for i, q := range batch.QueuedQueries {
		tag, err := results.Exec()
		if err == nil && q.SQL == "COMMIT" && tag.String() == "ROLLBACK" {
			err = errRolledBack
		}
		if err != nil {
			_ = results.Close() // says the same again
			return nil, err
		}
		counts[i] = tag.RowsAffected()
	}
	return counts, results.Close()
}

// transact runs fn on a connection, which fn puts in a transaction and commits.
// What fn leaves open is rolled back. A run that collided, or lost its connection
// before it began to commit, is run again.
func (s *Store) transact(ctx context.Context, fn func(ctx context.Context, c *session) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	for attempt := 1; ; attempt++ {
		again, err := s.transactOnce(ctx, bounded, fn)
		if !again || attempt == attempts || bounded.Err() != nil {
			return err
		}
		pause(bounded, attempt)
	}
}

func (s *Store) transactOnce(ctx, bounded context.Context, fn func(ctx context.Context, c *session) error) (again bool, err error) {
	select {
	case s.writers <- struct{}{}:
	case <-bounded.Done():
		return false, classify(ctx, bounded.Err())
	}
	conn, err := s.pool.Acquire(bounded)
	if err != nil {
		<-s.writers
		return lost(err), classify(ctx, err)
	}
	c := &session{ctx: ctx, conn: conn.Conn()}
	defer s.finish(c, conn) // also when fn panics, or ends its goroutine
	err = fn(bounded, c)
	return err != nil && (collided(c.failed) || !c.committing && lost(c.failed)), err
}

// finish gives the connection back, when its commit has ended.
func (s *Store) finish(c *session, conn *pgxpool.Conn) {
	if c.pending == nil {
		release(conn)
		<-s.writers
		return
	}
	go func() {
		<-c.pending
		release(conn)
		<-s.writers
	}()
}

// idle is the transaction status of a connection without one.
const idle = 'I'

// release gives the connection back, without a transaction.
func release(conn *pgxpool.Conn) {
	if raw := conn.Conn(); !raw.IsClosed() && raw.PgConn().TxStatus() != idle {
		ctx, cancel := context.WithTimeout(context.Background(), rollbackTimeout)
		defer cancel()
		_, _ = raw.Exec(ctx, "ROLLBACK") // if it fails the pool closes the connection
	}
	conn.Release()
}

const rollbackTimeout = 300 * time.Millisecond

// InTx implements ports.Store.
func (s *Store) InTx(ctx context.Context, fn func(context.Context, ports.Tx) error) error {
	return s.transact(ctx, func(ctx context.Context, c *session) error {
		if _, err := c.Exec(ctx, "BEGIN"); err != nil {
			return err
		}
		batch := sqlstore.NewBatch()
		tx := batch.Begin(c)
		if err := fn(ctx, tx); err != nil {
			return err
		}
		batch.Keep(tx)
		_, err := c.Send(ctx, append(batch.Statements(), sqlstore.Statement{SQL: "COMMIT"}))
		return err
	})
}
