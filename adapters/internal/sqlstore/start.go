package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

// StartSession is the body of ports.Store.StartSession. With a record it must run
// where an error undoes what it wrote.
func (tx *Tx) StartSession(ctx context.Context, s domain.Session, cond ports.StartCondition) (domain.SessionID, error) {
	if cond.Record.Key != "" {
		known, err := tx.addIdempotency(ctx, s, cond.Record)
		if err != nil || known != "" {
			return known, err
		}
	}
	if err := tx.needStartable(ctx, startable{s.WorkspaceID, s.FlowID, s.FlowVersion, cond.Newest}); err != nil {
		return "", err
	}
	return s.ID, tx.addSession(ctx, s)
}

// startable is a flow as a session wants to start in it.
type startable struct {
	workspace domain.WorkspaceID
	flow      domain.FlowID
	version   int
	newest    bool
}

// statement finds one row if the flow is as wanted.
func (want startable) statement() Statement {
	query := `/* flow.startable */ SELECT 1 FROM flows WHERE workspace_id = $1 AND id = $2 AND version = $3 AND status = 'active'`
	if want.newest {
		query = `/* flow.newest */ SELECT 1 FROM (
	SELECT id, version FROM flows WHERE workspace_id = $1 AND status = 'active' ORDER BY updated_at DESC, id DESC LIMIT 1
) newest WHERE id = $2 AND version = $3`
	}
	return Statement{query, []any{string(want.workspace), string(want.flow), want.version}}
}

func errFlowChanged() error {
	return domain.Conflict("flow_changed", "the flow was changed meanwhile")
}

// needStartable checks the flow once for all starts of a batch.
func (tx *Tx) needStartable(ctx context.Context, want startable) error {
	if tx.batch.startable[want] {
		return nil
	}
	query := want.statement()
	err := tx.need(ctx, "flow", query.SQL, query.Args...)
	if errors.Is(err, domain.ErrNotFound) {
		return errFlowChanged()
	}
	tx.batch.startable[want] = err == nil
	return err
}

// Statement is one statement with its arguments.
type Statement struct {
	SQL  string
	Args []any
}

// Pipe is a connection that sends many statements at once.
type Pipe interface {
	Conn
	// Send runs the statements in order, in one round trip, and returns how many
	// rows each has changed or found. The first that fails ends it.
	Send(ctx context.Context, statements []Statement) ([]int64, error)
}

// Start is what ports.Store.StartSession is given.
type Start struct {
	Session   domain.Session
	Condition ports.StartCondition
}

// Started is what ports.Store.StartSession returns.
type Started struct {
	ID  domain.SessionID
	Err error
}

// StartMany runs many starts as one transaction, in two round trips however many
// they are. No two may have the same idempotency key. An error means that nothing
// was written, unless it is the commit's own; it may be due to one start alone.
func StartMany(ctx context.Context, pipe Pipe, starts []Start) ([]Started, error) {
	b := startBatch{ends: make([]Started, len(starts)), startable: map[startable]bool{}, counters: counters{}}
	for i := range starts {
		if b.ends[i].Err = checkTexts(starts[i]); b.ends[i].Err == nil {
			b.open = append(b.open, i)
		}
	}
	// Every transaction takes the keys in the same order, so that no two wait for
	// each other.
	slices.SortFunc(b.open, func(i, j int) int { return compareKeys(starts[i], starts[j]) })
	if err := b.begin(ctx, pipe, starts); err != nil {
		return nil, err
	}
	return b.ends, b.commit(ctx, pipe, starts)
}

// startBatch is what StartMany knows on its way.
type startBatch struct {
	ends      []Started
	open      []int // the starts that have not ended
	startable map[startable]bool
	counters  counters
}

func compareKeys(a, b Start) int {
	return cmp.Or(
		cmp.Compare(a.Session.WorkspaceID, b.Session.WorkspaceID),
		cmp.Compare(a.Session.Mode, b.Session.Mode),
		cmp.Compare(a.Condition.Record.Key, b.Condition.Record.Key),
	)
}

func checkTexts(s Start) error {
	row, err := sessionRow(s.Session)
	if err != nil {
		return err
	}
	return checkText(append(row.Args, s.Condition.Record.Key))
}

func (s Start) wants() startable {
	return startable{s.Session.WorkspaceID, s.Session.FlowID, s.Session.FlowVersion, s.Condition.Newest}
}

// begin looks at the flows and takes the idempotency keys.
func (b *startBatch) begin(ctx context.Context, pipe Pipe, starts []Start) error {
	statements := []Statement{{SQL: "BEGIN"}}
	var wanted []startable
	for _, i := range b.open {
		if want := starts[i].wants(); !slices.Contains(wanted, want) {
			wanted = append(wanted, want)
			statements = append(statements, want.statement())
		}
	}
	var keyed []int
	for _, i := range b.open {
		if starts[i].Condition.Record.Key != "" {
			keyed = append(keyed, i)
			statements = append(statements, insertRecord(starts[i].Session, starts[i].Condition.Record))
		}
	}
	counts, err := pipe.Send(ctx, statements)
	if err != nil {
		return err
	}
	for n, want := range wanted {
		b.startable[want] = counts[1+n] == 1
	}
	for n, i := range keyed {
		if counts[1+len(wanted)+n] == 1 {
			continue
		}
		s := starts[i]
		first, err := Reads{Conn: pipe}.Idempotency(ctx, s.Session.WorkspaceID, s.Session.Mode, s.Condition.Record.Key)
		if err != nil {
			return err
		}
		b.ends[i] = Started{first.SessionID, first.Match(s.Condition.Record.Digest)}
		b.open = slices.DeleteFunc(b.open, func(open int) bool { return open == i })
	}
	return nil
}

// commit inserts the sessions that may start, gives back the keys of the others,
// and counts.
func (b *startBatch) commit(ctx context.Context, pipe Pipe, starts []Start) error {
	var statements []Statement
	for _, i := range b.open {
		s, record := starts[i].Session, starts[i].Condition.Record
		if b.startable[starts[i].wants()] {
			row, err := sessionRow(s)
			if err != nil {
				return err
			}
			statements = append(statements, row)
			b.ends[i].ID = s.ID
			b.counters.add(s, s.Tally())
			continue
		}
		b.ends[i].Err = errFlowChanged()
		if record.Key != "" {
			statements = append(statements, Statement{
				`/* idempotency.undo */ DELETE FROM idempotency WHERE workspace_id = $1 AND mode = $2 AND key = $3`,
				[]any{string(s.WorkspaceID), string(s.Mode), record.Key},
			})
		}
	}
	statements = append(statements, b.counters.statements()...)
	_, err := pipe.Send(ctx, append(statements, Statement{SQL: "COMMIT"}))
	return err
}
