package sqlstore

import (
	"context"
	"maps"
	"slices"

	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

// Reads implements ports.Reader.
type Reads struct{ Conn Conn }

// Tx implements ports.Tx. What it counts it keeps, for whoever commits to write.
type Tx struct {
	Reads
	batch    *Batch
	counters counters
}

var _ ports.Tx = (*Tx)(nil)

// Batch is what the transactions of one commit share.
type Batch struct {
	counters  counters
	startable map[startable]bool
}

// NewBatch begins a commit.
func NewBatch() *Batch {
	return &Batch{counters: counters{}, startable: map[startable]bool{}}
}

// Begin begins one transaction of the batch.
func (b *Batch) Begin(conn Conn) *Tx {
	return &Tx{Reads: Reads{Conn: conn}, batch: b, counters: counters{}}
}

// BeginSingle begins a transaction of one write, which counts only when it
// succeeds, and so counts for the batch at once.
func (b *Batch) BeginSingle(conn Conn) *Tx {
	return &Tx{Reads: Reads{Conn: conn}, batch: b, counters: b.counters}
}

// Keep counts what a transaction that succeeded has counted.
func (b *Batch) Keep(tx *Tx) {
	for key, change := range tx.counters {
		b.counters[key] = b.counters[key].Add(change)
	}
}

// Statements write the counts, as the last thing before the commit, always in the
// same order, so that two transactions that count cannot block each other.
func (b *Batch) Statements() []Statement { return b.counters.statements() }

// Flush runs the Statements.
func (b *Batch) Flush(ctx context.Context, conn Conn) error {
	for _, s := range b.Statements() {
		if _, err := conn.Exec(ctx, s.SQL, s.Args...); err != nil {
			return err
		}
	}
	return nil
}

// exec refuses text that not every engine can store.
func (tx *Tx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	if err := checkText(args); err != nil {
		return 0, err
	}
	return tx.Conn.Exec(ctx, query, args...)
}

func checkText(args []any) error {
	for _, arg := range args {
		if text, ok := arg.(string); ok {
			if err := domain.CheckText("text", text, len(text), false); err != nil {
				return err
			}
		}
	}
	return nil
}

// insert runs an INSERT that does nothing on a conflict, and reports the conflict.
func (tx *Tx) insert(ctx context.Context, what, query string, args ...any) error {
	n, err := tx.exec(ctx, query, args...)
	if err == nil && n == 0 {
		err = domain.Conflict("exists", "this %s exists already", what)
	}
	return err
}

// need reports as ErrNotFound that a query finds nothing.
func (tx *Tx) need(ctx context.Context, what, query string, args ...any) error {
	_, err := one(ctx, tx.Conn, what, func(row scanner) (n int64, err error) { return n, row.Scan(&n) }, query, args...)
	return err
}

// counters are changes of the workspaces' tallies that are not written yet. They
// are summed up in memory, because a row that every request updates serialises
// the requests.
type counters map[counter]domain.Tally

type counter struct {
	workspace domain.WorkspaceID
	day       domain.Day
	currency  domain.Currency
}

// allTime stands in the day column for the sum of all days.
const allTime domain.Day = 0

func (c counters) add(s domain.Session, change domain.Tally) {
	if s.Mode != domain.Live || change == (domain.Tally{}) {
		return
	}
	key := counter{s.WorkspaceID, domain.DayOf(s.CreatedAt), s.Customer.Currency}
	c[key] = c[key].Add(change)
}

// statements write the changes, in order.
func (c counters) statements() []Statement {
	statements := make([]Statement, 0, len(c))
	for _, k := range slices.SortedFunc(maps.Keys(c), compareCounters) {
		t := c[k]
		statements = append(statements, Statement{addToStats, []any{
			string(k.workspace), int64(k.day), string(k.currency),
			t.Sessions, t.Answered, t.Saved, t.Accepted, t.Canceled, t.Recovered, t.Paused,
		}})
	}
	return statements
}
