package postgres

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/retainrabbit/retainrabbit/adapters/internal/sqlstore"
	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

const (
	// lanes is how many transactions start sessions at once. Few make the batches
	// large; more than one keeps going while another waits for its commit.
	lanes = 2
	// maxBatch bounds how many starts share one transaction.
	maxBatch = 256
	// yields is how often a lane lets others run before it takes the queue for empty.
	yields = 16
)

// starter starts sessions, many in one transaction: while the lanes are at work
// callers queue up, and whoever waits goes together. A row per workspace that
// counts would otherwise make each start wait for the commit of the one before.
type starter struct {
	store   *Store
	jobs    chan *startJob
	quit    chan struct{}
	done    sync.WaitGroup
	observe func(n int, took time.Duration)
}

// startJob is one caller's start.
type startJob struct {
	ctx      context.Context
	deadline time.Time
	start    sqlstore.Start
	result   chan sqlstore.Started
}

func startLanes(store *Store, observe func(int, time.Duration)) *starter {
	st := &starter{store: store, jobs: make(chan *startJob), quit: make(chan struct{}), observe: observe}
	for range lanes {
		st.done.Go(st.lane)
	}
	return st
}

// close refuses new starts and waits for those being made.
func (st *starter) close() {
	close(st.quit)
	st.done.Wait()
}

// StartSession implements ports.Store.
func (s *Store) StartSession(ctx context.Context, session domain.Session, cond ports.StartCondition) (domain.SessionID, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	deadline := time.Now().Add(s.timeout)
	if callers, ok := ctx.Deadline(); ok && callers.Before(deadline) {
		deadline = callers
	}
	j := &startJob{
		ctx: ctx, deadline: deadline,
		start: sqlstore.Start{Session: session, Condition: cond}, result: make(chan sqlstore.Started, 1),
	}
	select {
	case <-s.starter.quit:
		return "", errClosed
	case s.starter.jobs <- j:
	default:
		if err := s.starter.wait(j); err != nil {
			return "", err
		}
	}
	// From here on the session may be committed at any moment: only its result tells.
	end := <-j.result
	return end.ID, end.Err
}

// wait queues the job behind others.
func (st *starter) wait(j *startJob) error {
	late := time.NewTimer(time.Until(j.deadline))
	defer late.Stop()
	select {
	case st.jobs <- j:
		return nil
	case <-st.quit:
		return errClosed
	case <-j.ctx.Done():
		return j.ctx.Err()
	case <-late.C:
		return unavailable("the database did not answer in time", context.DeadlineExceeded)
	}
}

func (st *starter) lane() {
	var next *startJob
	for {
		first := next
		if first == nil {
			select {
			case <-st.quit:
				return
			case first = <-st.jobs:
			}
		}
		var batch []*startJob
		batch, next = st.gather(first)
		st.run(batch)
	}
}

// gather returns the first job with those that wait behind it. Of two with the
// same idempotency key the second is next, for the batch after this one.
func (st *starter) gather(first *startJob) (batch []*startJob, next *startJob) {
	keys := map[idempotencyKey]bool{keyOf(first): true}
	batch = append(batch, first)
	for idle := 0; idle < yields && len(batch) < maxBatch; {
		select {
		case j := <-st.jobs:
			key := keyOf(j)
			if key.key != "" && keys[key] {
				return batch, j
			}
			keys[key] = true
			batch, idle = append(batch, j), 0
		default:
			idle++
			runtime.Gosched()
		}
	}
	return batch, nil
}

type idempotencyKey struct {
	workspace domain.WorkspaceID
	mode      domain.Mode
	key       string
}

func keyOf(j *startJob) idempotencyKey {
	return idempotencyKey{j.start.Session.WorkspaceID, j.start.Session.Mode, j.start.Condition.Record.Key}
}

// run starts the sessions of a batch and tells each caller what came of it.
func (st *starter) run(batch []*startJob) {
	begun := time.Now()
	starts := make([]sqlstore.Start, 0, len(batch))
	waiting := batch[:0]
	for _, j := range batch {
		if err := j.ctx.Err(); err != nil {
			j.result <- sqlstore.Started{Err: err}
			continue
		}
		waiting, starts = append(waiting, j), append(starts, j.start)
	}
	if len(waiting) == 0 {
		return
	}
	ends, err := st.start(waiting[0].deadline, starts)
	if st.observe != nil {
		st.observe(len(waiting), time.Since(begun))
	}
	switch {
	case err == nil:
		for i, j := range waiting {
			j.result <- ends[i]
		}
	case len(waiting) > 1 && domain.KindOf(err) != domain.ErrUnavailable:
		// One of them is at fault: each gets a transaction of its own.
		for i := range waiting {
			st.run(waiting[i : i+1])
		}
	default:
		for _, j := range waiting {
			j.result <- sqlstore.Started{Err: err}
		}
	}
}

func (st *starter) start(deadline time.Time, starts []sqlstore.Start) (ends []sqlstore.Started, err error) {
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	err = st.store.transact(ctx, func(ctx context.Context, c *session) (err error) {
		ends, err = sqlstore.StartMany(ctx, c, starts)
		return err
	})
	if ctx.Err() != nil && err != nil {
		err = unavailable("the database did not answer in time", err)
	}
	return ends, err
}
