package sqlstore

import (
	"context"
	"slices"

	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

// Reads implements ports.Reader.
type Reads struct{ Conn Conn }

// Tx implements ports.Tx. What it counts it keeps in Counters, for whoever commits
// to write once.
type Tx struct {
	Reads
	Counters Counters
	// Uncommitted are the counters of earlier transactions in the same commit.
	Uncommitted Counters
}

var _ ports.Tx = (*Tx)(nil)

// NewTx begins to count on top of what is not yet committed.
func NewTx(conn Conn, uncommitted Counters) *Tx {
	return &Tx{Reads: Reads{Conn: conn}, Counters: Counters{}, Uncommitted: uncommitted}
}

// exec refuses text that not every engine can store.
func (tx *Tx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	for _, arg := range args {
		if text, ok := arg.(string); ok {
			if err := domain.CheckText("text", text, len(text), false); err != nil {
				return 0, err
			}
		}
	}
	return tx.Conn.Exec(ctx, query, args...)
}

// insert runs an INSERT that changes no row if it conflicts or if what it belongs
// to is missing, and says which of the two it was.
func (tx *Tx) insert(ctx context.Context, what string, parent func() error, query string, args ...any) error {
	n, err := tx.exec(ctx, query, args...)
	if err != nil || n > 0 {
		return err
	}
	if err := parent(); err != nil {
		return err
	}
	return domain.Conflict("exists", "this %s exists already", what)
}

// Counters are changes of the workspaces' tallies that are not written yet. They
// are summed up in memory, because a row that every request updates serialises
// the requests.
type Counters map[counter]domain.Tally

type counter struct {
	workspace domain.WorkspaceID
	day       domain.Day // allTime: the sum of all days
	currency  domain.Currency
}

// allTime stands in the day column for the sum of all days.
const allTime domain.Day = 0

func (c Counters) add(s domain.Session, change domain.Tally) {
	if s.Mode != domain.Live || change == (domain.Tally{}) {
		return
	}
	for _, day := range []domain.Day{allTime, domain.DayOf(s.CreatedAt)} {
		key := counter{s.WorkspaceID, day, s.Customer.Currency}
		c[key] = c[key].Add(change)
	}
}

// Merge adds the changes of another.
func (c Counters) Merge(other Counters) {
	for key, change := range other {
		c[key] = c[key].Add(change)
	}
}

// Flush writes the changes, always in the same order, so that two transactions
// that flush cannot block each other, and empties c.
func (c Counters) Flush(ctx context.Context, conn Conn) error {
	keys := make([]counter, 0, len(c))
	for key := range c {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, compareCounters)
	for _, k := range keys {
		t := c[k]
		_, err := conn.Exec(ctx, addToStats, k.workspace, int64(k.day), k.currency,
			t.Sessions, t.Answered, t.Saved, t.Accepted, t.Canceled, t.Recovered, t.Paused)
		if err != nil {
			return err
		}
	}
	clear(c)
	return nil
}
