package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

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
	b := startBatch{starts: starts, ends: make([]Started, len(starts))}
	for i := range starts {
		if b.ends[i].Err = checkTexts(starts[i]); b.ends[i].Err == nil {
			b.open = append(b.open, i)
		}
	}
	// Every transaction takes the keys in the same order, so that no two wait for
	// each other.
	slices.SortFunc(b.open, func(i, j int) int { return compareKeys(starts[i], starts[j]) })
	if err := b.insert(ctx, pipe); err != nil {
		return nil, err
	}
	return b.ends, b.commit(ctx, pipe)
}

// startBatch is what StartMany knows on its way.
type startBatch struct {
	starts []Start
	ends   []Started
	open   []int // the starts that have not ended, in order
}

// group is some starts that one statement makes.
type group struct {
	statement Statement
	starts    []int
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

// insert takes the idempotency keys, and then inserts the sessions whose key, if they
// have one, was free and whose flow is as wanted.
func (b *startBatch) insert(ctx context.Context, pipe Pipe) error {
	groups, err := b.groups()
	if err != nil {
		return err
	}
	statements := append([]Statement{{SQL: "BEGIN"}}, b.takes()...)
	first := len(statements)
	for _, g := range groups {
		statements = append(statements, g.statement)
	}
	counts, err := pipe.Send(ctx, statements)
	if err != nil {
		return err
	}
	for n, g := range groups {
		inserted := counts[first+n]
		for _, i := range g.starts {
			s := b.starts[i].Session
			ok := inserted == int64(len(g.starts))
			if !ok && inserted > 0 { // some of them
				_, err := Reads{Conn: pipe}.SessionResult(ctx, s.WorkspaceID, s.ID)
				if ok = err == nil; !ok && !errors.Is(err, domain.ErrNotFound) {
					return err
				}
			}
			if ok {
				b.ends[i].ID = s.ID
			}
		}
	}
	return nil
}

// groups puts together what differs in values alone.
func (b *startBatch) groups() (groups []group, err error) {
	same := map[startable][]int{}
	var order []startable
	for _, i := range b.open {
		if s := b.starts[i]; fresh(s.Session) {
			want := startable{s.Session.WorkspaceID, s.Session.FlowID, s.Session.FlowVersion, s.Condition.Newest}
			if same[want] == nil {
				order = append(order, want)
			}
			same[want] = append(same[want], i)
			continue
		}
		statement, err := b.starts[i].statement()
		if err != nil {
			return nil, err
		}
		groups = append(groups, group{statement, []int{i}})
	}
	for _, want := range order {
		statement := b.many(want, same[want])
		if starts := same[want]; len(starts) == 1 {
			if statement, err = b.starts[starts[0]].statement(); err != nil {
				return nil, err
			}
		}
		groups = append(groups, group{statement, same[want]})
	}
	return groups, nil
}

// takes are the statements that take the idempotency keys: all of a workspace in one.
func (b *startBatch) takes() (statements []Statement) {
	keyed := slices.DeleteFunc(slices.Clone(b.open), func(i int) bool { return b.starts[i].Condition.Record.Key == "" })
	for len(keyed) > 0 {
		ws := b.starts[keyed[0]].Session.WorkspaceID
		n := slices.IndexFunc(keyed, func(i int) bool { return b.starts[i].Session.WorkspaceID != ws })
		if n < 0 {
			n = len(keyed)
		}
		statements = append(statements, b.take(ws, keyed[:n]))
		keyed = keyed[n:]
	}
	return statements
}

// takeMany is insertRecord for many records. It reads the workspace so that one
// shard reads and writes.
const takeMany = `/* idempotency.create.many */
INSERT INTO idempotency (workspace_id, mode, key, digest, session_id, created_at)
SELECT w.id, r.mode, r.key, r.digest, r.session_id, r.created_at
FROM workspaces w CROSS JOIN unnest(CAST($2 AS TEXT[]), CAST($3 AS TEXT[]), CAST($4 AS BYTEA[]), CAST($5 AS TEXT[]), CAST($6 AS BIGINT[]))
	AS r (mode, key, digest, session_id, created_at)
WHERE w.id = $1 ON CONFLICT DO NOTHING`

func (b *startBatch) take(ws domain.WorkspaceID, starts []int) Statement {
	if len(starts) == 1 {
		s, record := b.starts[starts[0]].Session, b.starts[starts[0]].Condition.Record
		record.SessionID = s.ID
		return insertRecord(ws, s.Mode, record)
	}
	var (
		mode, key, id []string
		digest        [][]byte
		created       []int64
	)
	for _, i := range starts {
		s, record := b.starts[i].Session, b.starts[i].Condition.Record
		mode, key, digest = append(mode, string(s.Mode)), append(key, record.Key), append(digest, record.Digest[:])
		id, created = append(id, string(s.ID)), append(created, millis(record.CreatedAt))
	}
	return Statement{takeMany, []any{string(ws), mode, key, digest, id, created}}
}

// startMany is insertFresh for many sessions of one flow; its first three parameters
// are the workspace, the flow and its version. The flow comes between it and tookKeys.
const (
	startMany = `/* session.start.many */
INSERT INTO sessions (` + sessionColumns + `)
SELECT f.workspace_id, r.test, r.created_at, r.id, $2, CAST($3 AS BIGINT), r.link_expires_at, r.customer_id, r.subscription_id, r.currency, r.mrr,
	'', '', '', '', '', r.reason, '', r.stage, r.offered, '', 0, 'pending', '', '', 0, 0, 1
FROM unnest(CAST($4 AS BIGINT[]), CAST($5 AS BIGINT[]), CAST($6 AS TEXT[]), CAST($7 AS BIGINT[]), CAST($8 AS TEXT[]), CAST($9 AS TEXT[]),
	CAST($10 AS TEXT[]), CAST($11 AS BIGINT[]), CAST($12 AS TEXT[]), CAST($13 AS TEXT[]), CAST($14 AS BIGINT[]), CAST($15 AS TEXT[]), CAST($16 AS TEXT[]))
AS r (test, created_at, id, link_expires_at, customer_id, subscription_id, currency, mrr, reason, stage, offered, mode, key)
CROSS JOIN (`

	// A subquery for each key, not a join: whatever the planner believes of the
	// table's size, it looks the key up.
	tookKeys = `) f
WHERE r.key = '' OR r.id = (SELECT session_id FROM idempotency WHERE workspace_id = $1 AND mode = r.mode AND key = r.key)`
)

func (b *startBatch) many(want startable, starts []int) Statement {
	var (
		test, created, expires, offered                                []int64
		id, customer, subscription, currency, reason, stage, mode, key []string
		mrr                                                            []*int64
	)
	for _, i := range starts {
		s := b.starts[i].Session
		test, created, expires = append(test, flag(s.Mode == domain.Test)), append(created, millis(s.CreatedAt)), append(expires, millis(s.LinkExpiresAt))
		id, customer, subscription = append(id, string(s.ID)), append(customer, s.Customer.ID), append(subscription, s.Customer.SubscriptionID)
		currency, mrr = append(currency, string(s.Customer.Currency)), append(mrr, s.Customer.MRR)
		reason, stage, offered = append(reason, s.Reason), append(stage, string(s.Stage)), append(offered, int64(s.Offered))
		mode, key = append(mode, string(s.Mode)), append(key, b.starts[i].Condition.Record.Key)
	}
	return Statement{startMany + want.query("$2", "CAST($3 AS BIGINT)") + tookKeys, []any{
		string(want.workspace), string(want.flow), want.version,
		test, created, id, expires, customer, subscription, currency, mrr, reason, stage, offered, mode, key,
	}}
}

// statement inserts the session if its flow is as wanted and its key, if it has
// one, was taken for it.
func (s Start) statement() (Statement, error) {
	row, err := sessionRow(s.Session)
	if err != nil {
		return Statement{}, err
	}
	name, insert := conditional(row.SQL)
	insert = name + "\n" + insert + ` FROM (` + startable{newest: s.Condition.Newest}.query("$5", "CAST($6 AS BIGINT)") + `) f`
	if s.Condition.Record.Key == "" {
		return Statement{insert, row.Args}, nil
	}
	n := len(row.Args)
	insert += fmt.Sprintf(` WHERE $4 = (SELECT session_id FROM idempotency WHERE workspace_id = $1 AND mode = $%d AND key = $%d)`, n+1, n+2)
	return Statement{insert, append(row.Args, string(s.Session.Mode), s.Condition.Record.Key)}, nil
}

// commit ends the starts, gives back the keys of those that could not start, and counts.
func (b *startBatch) commit(ctx context.Context, pipe Pipe) error {
	var statements []Statement
	changes := counters{}
	for _, i := range b.open {
		s, record := b.starts[i].Session, b.starts[i].Condition.Record
		if b.ends[i].ID != "" {
			changes.add(s, s.Tally())
			continue
		}
		b.ends[i].Err = errFlowChanged()
		if record.Key == "" {
			continue
		}
		stored, err := Reads{Conn: pipe}.Idempotency(ctx, s.WorkspaceID, s.Mode, record.Key)
		switch {
		case err != nil:
			return err
		case stored.SessionID == s.ID: // the key was free
			statements = append(statements, Statement{
				`/* idempotency.undo */ DELETE FROM idempotency WHERE workspace_id = $1 AND mode = $2 AND key = $3`,
				[]any{string(s.WorkspaceID), string(s.Mode), record.Key},
			})
		default:
			b.ends[i] = Started{stored.SessionID, stored.Match(record.Digest)}
		}
	}
	statements = append(statements, changes.statements()...)
	_, err := pipe.Send(ctx, append(statements, Statement{SQL: "COMMIT"}))
	return err
}
