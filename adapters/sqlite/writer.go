package sqlite

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/retainrabbit/retainrabbit/adapters/internal/sqlstore"
	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

const (
	// maxBatch bounds how many transactions share one commit.
	maxBatch = 256
	// yields is how often the writer lets others run before it takes the queue for
	// empty: little for a lone caller beside a sync, and larger batches for many.
	yields = 64
)

// writer runs every transaction on the one connection that writes. While it
// commits, callers queue up; it then runs all that wait inside one transaction of
// the engine and commits, and syncs, once for all of them. Each runs in a savepoint
// of its own, so an error or a panic undoes that one alone.
type writer struct {
	conn *conn
	jobs chan *job
	quit chan struct{}
	done sync.WaitGroup

	commits *atomic.Int64
	commit  func(n int, took time.Duration)
}

// job is one caller's transaction.
type job struct {
	ctx    context.Context
	fn     func(ctx context.Context, tx *sqlstore.Tx) error
	single bool // fn runs one statement, which undoes itself on error: it needs no savepoint
	result chan outcome
}

// outcome is how a job ended.
type outcome struct {
	err      error
	panicked any // what fn panicked with, if it did
}

func startWriter(conn *conn, commits *atomic.Int64, commit func(int, time.Duration)) *writer {
	w := &writer{conn: conn, jobs: make(chan *job), quit: make(chan struct{}), commits: commits, commit: commit}
	w.done.Go(w.loop)
	return w
}

// close refuses new jobs and waits for those being run.
func (w *writer) close() {
	close(w.quit)
	w.done.Wait()
}

// run queues fn and waits until it is committed, or has failed.
func (w *writer) run(ctx context.Context, single bool, fn func(context.Context, *sqlstore.Tx) error) error {
	j := &job{ctx: ctx, fn: fn, single: single, result: make(chan outcome, 1)}
	select {
	case <-w.quit:
		return errClosed
	default:
	}
	select {
	case w.jobs <- j:
	case <-w.quit:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	// From here on the job may be committed at any moment: only its result tells.
	end := <-j.result
	if end.panicked != nil {
		panic(end.panicked)
	}
	return end.err
}

func (w *writer) loop() {
	for {
		select {
		case <-w.quit:
			return
		case first := <-w.jobs:
			w.runBatch(first)
		}
	}
}

// batch is the jobs of one transaction of the engine, with how each ended.
type batch struct {
	jobs []*job
	ends []outcome
}

// runBatch runs the first job and whatever is queued behind it. If the engine
// fails, nothing is committed, and every job that had not failed by itself fails
// with that.
func (w *writer) runBatch(first *job) {
	start := time.Now()
	b := &batch{}
	if err := w.inTransaction(first, b); err != nil {
		// The engine may have rolled back by itself already.
		_, _ = w.conn.Exec(context.Background(), "ROLLBACK")
		for i := range b.ends {
			if b.ends[i] == (outcome{}) {
				b.ends[i].err = err
			}
		}
	}
	w.commits.Add(1)
	if w.commit != nil {
		w.commit(len(b.jobs), time.Since(start))
	}
	for i, j := range b.jobs {
		j.result <- b.ends[i]
	}
}

// inTransaction runs jobs until none is waiting: those that come while others run
// still join the commit.
func (w *writer) inTransaction(first *job, b *batch) error {
	ctx := context.Background()
	_, begun := w.conn.Exec(ctx, "BEGIN IMMEDIATE")
	shared := sqlstore.NewBatch()
	for j := first; j != nil; j = w.next(b) {
		b.jobs, b.ends = append(b.jobs, j), append(b.ends, outcome{})
		if begun != nil {
			continue // whoever waited through this has waited long enough
		}
		var err error
		if b.ends[len(b.ends)-1], err = w.runJob(j, shared); err != nil {
			return err
		}
	}
	if begun != nil {
		return begun
	}
	if err := shared.Flush(ctx, w.conn); err != nil {
		return err
	}
	_, err := w.conn.Exec(ctx, "COMMIT")
	return err
}

// next returns a job that is waiting, or nil if there is none or the batch is full.
func (w *writer) next(b *batch) *job {
	if len(b.jobs) == maxBatch {
		return nil
	}
	for range yields {
		select {
		case j := <-w.jobs:
			return j
		default:
			runtime.Gosched()
		}
	}
	return nil
}

// runJob runs one job; its error is the engine's, which ends the whole batch.
func (w *writer) runJob(j *job, shared *sqlstore.Batch) (end outcome, err error) {
	if gone := j.ctx.Err(); gone != nil {
		return outcome{err: gone}, nil //nolint:nilerr // the caller's failure, not the engine's
	}
	conn := &watched{Conn: w.conn}
	if j.single {
		end = call(j, shared.BeginSingle(conn))
	} else if end, err = w.runInSavepoint(j, shared, conn); err != nil {
		return outcome{}, err
	}
	if conn.broken != nil {
		return outcome{}, conn.broken
	}
	return end, nil
}

func (w *writer) runInSavepoint(j *job, shared *sqlstore.Batch, conn sqlstore.Conn) (outcome, error) {
	if _, err := w.conn.Exec(context.Background(), "SAVEPOINT job"); err != nil {
		return outcome{}, err
	}
	tx := shared.Begin(conn)
	ended := make(chan outcome, 1)
	go func() {
		end := outcome{err: errUnfinished}
		defer func() { ended <- end }()
		end = call(j, tx)
	}()
	end := <-ended
	if err := w.endSavepoint(end); err != nil {
		return outcome{}, err
	}
	if end == (outcome{}) {
		shared.Keep(tx)
	}
	return end, nil
}

func (w *writer) endSavepoint(end outcome) error {
	ctx := context.Background()
	if end != (outcome{}) {
		if _, err := w.conn.Exec(ctx, "ROLLBACK TO job"); err != nil {
			return err
		}
	}
	_, err := w.conn.Exec(ctx, "RELEASE job")
	return err
}

// errUnfinished is the end of a transaction that left by runtime.Goexit, as a test
// does that fails inside of it. On a goroutine of its own it takes only that along.
var errUnfinished = errors.New("sqlite: the transaction's function ended its goroutine")

func call(j *job, tx *sqlstore.Tx) (end outcome) {
	defer func() { end.panicked = recover() }()
	return outcome{err: j.fn(j.ctx, tx)}
}

// watched remembers that the engine itself failed (a full disk, an I/O error):
// SQLite may then have rolled back more than the statement.
type watched struct {
	sqlstore.Conn
	broken error
}

func (w *watched) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	n, err := w.Conn.Exec(ctx, query, args...)
	if domain.KindOf(err) == domain.ErrUnavailable {
		w.broken = err
	}
	return n, err
}

func (w *watched) Query(ctx context.Context, query string, args ...any) (sqlstore.Rows, error) {
	rows, err := w.Conn.Query(ctx, query, args...)
	if domain.KindOf(err) == domain.ErrUnavailable {
		w.broken = err
	}
	return rows, err
}

// InTx implements ports.Store.
func (s *Store) InTx(ctx context.Context, fn func(context.Context, ports.Tx) error) error {
	return s.writer.run(ctx, false, func(ctx context.Context, tx *sqlstore.Tx) error { return fn(ctx, tx) })
}

// StartSession implements ports.Store.
func (s *Store) StartSession(ctx context.Context, session domain.Session, cond ports.StartCondition) (id domain.SessionID, err error) {
	single := cond.Record.Key == ""
	err = s.writer.run(ctx, single, func(ctx context.Context, tx *sqlstore.Tx) (err error) {
		id, err = tx.StartSession(ctx, session, cond)
		return err
	})
	return id, err
}
