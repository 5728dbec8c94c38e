package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/retainrabbit/retainrabbit/domain"
)

const sessionColumns = `workspace_id, test, created_at, id, flow_id, flow_version, link_expires_at,
	customer_id, subscription_id, currency, mrr, return_url, country, region, locale, metadata,
	reason, feedback, stage, offered, shown, answered, outcome, choice, accepted, recovered, decided_at, version`

const selectSession = `/* session */ SELECT ` + sessionColumns + ` FROM sessions WHERE workspace_id = $1 AND id = $2`

func scanSession(row scanner) (s domain.Session, err error) {
	var test, answered, created, expires, decided int64
	var metadata string
	err = row.Scan((*string)(&s.WorkspaceID), &test, &created, (*string)(&s.ID), (*string)(&s.FlowID), &s.FlowVersion, &expires,
		&s.Customer.ID, &s.Customer.SubscriptionID, (*string)(&s.Customer.Currency), &s.Customer.MRR, &s.Customer.ReturnURL,
		&s.Customer.Country, &s.Customer.Region, &s.Customer.Locale, &metadata,
		&s.Reason, &s.Feedback, (*string)(&s.Stage), &s.Offered, (*string)(&s.Shown), &answered, (*string)(&s.Outcome), (*string)(&s.Choice), (*string)(&s.Accepted), &s.Recovered.Minor,
		&decided, &s.Version)
	if err != nil {
		return s, err
	}
	if metadata != "" {
		if err := json.Unmarshal([]byte(metadata), &s.Customer.Metadata); err != nil {
			return s, fmt.Errorf("stored metadata of session %s: %w", s.ID, err)
		}
	}
	s.Mode = domain.Live
	if test == 1 {
		s.Mode = domain.Test
	}
	s.Answered = answered == 1
	s.Recovered.Currency = s.Customer.Currency
	s.CreatedAt, s.LinkExpiresAt, s.DecidedAt = fromMillis(created), fromMillis(expires), fromMillis(decided)
	return s, nil
}

// Session implements ports.SessionReader.
func (r Reads) Session(ctx context.Context, ws domain.WorkspaceID, id domain.SessionID) (domain.Session, error) {
	return one(ctx, r.Conn, "session", scanSession, selectSession, string(ws), string(id))
}

const selectResult = `/* session.result */ SELECT id, customer_id, reason, outcome, recovered, currency, created_at FROM sessions WHERE workspace_id = $1`

func scanResult(row scanner) (s domain.SessionResult, err error) {
	var created int64
	err = row.Scan((*string)(&s.ID), &s.CustomerID, &s.Reason, (*string)(&s.Outcome), &s.Recovered.Minor, (*string)(&s.Recovered.Currency), &created)
	s.CreatedAt = fromMillis(created)
	return s, err
}

// SessionResult implements ports.SessionReader.
func (r Reads) SessionResult(ctx context.Context, ws domain.WorkspaceID, id domain.SessionID) (domain.SessionResult, error) {
	return one(ctx, r.Conn, "session", scanResult, selectResult+` AND id = $2`, string(ws), string(id))
}

// RecentSessions implements ports.SessionReader. It reads one range of the
// primary key, backwards.
func (r Reads) RecentSessions(ctx context.Context, ws domain.WorkspaceID, limit int) ([]domain.SessionResult, error) {
	return list(ctx, r.Conn, scanResult, selectResult+` AND test = 0 ORDER BY created_at DESC, id DESC LIMIT $2`, string(ws), limit)
}

const (
	insertSession = `/* session.create */
INSERT INTO sessions (` + sessionColumns + `)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28)`

	// A session that just starts, with little told of its customer: the hot write
	// binds half as many values.
	insertFresh = `/* session.start */
INSERT INTO sessions (` + sessionColumns + `)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, '', '', '', '', '', $12, '', $13, $14, '', 0, 'pending', '', '', 0, 0, 1)`

	unlessKnown = ` ON CONFLICT DO NOTHING`
)

// CreateSession implements ports.SessionWriter.
func (tx *Tx) CreateSession(ctx context.Context, s domain.Session) error {
	err := tx.need(ctx, "flow version", `/* flow.version.exists */ SELECT 1 FROM flow_versions WHERE workspace_id = $1 AND flow_id = $2 AND version = $3`,
		string(s.WorkspaceID), string(s.FlowID), s.FlowVersion)
	if err != nil {
		return err
	}
	return tx.addSession(ctx, s)
}

// addSession inserts and counts a session of a known flow version.
func (tx *Tx) addSession(ctx context.Context, s domain.Session) error {
	row, err := sessionRow(s)
	if err != nil {
		return err
	}
	err = tx.insert(ctx, "session", row.SQL+unlessKnown, row.Args...)
	if err == nil {
		tx.counters.add(s, s.Tally())
	}
	return err
}

// sessionRow is the statement that inserts the session.
func sessionRow(s domain.Session) (Statement, error) {
	values := []any{
		string(s.WorkspaceID), flag(s.Mode == domain.Test), millis(s.CreatedAt), string(s.ID), string(s.FlowID), s.FlowVersion, millis(s.LinkExpiresAt),
		s.Customer.ID, s.Customer.SubscriptionID, string(s.Customer.Currency), s.Customer.MRR,
	}
	if fresh(s) {
		return Statement{insertFresh, append(values, s.Reason, string(s.Stage), s.Offered)}, nil
	}
	metadata, err := metadataText(s)
	return Statement{insertSession, append(values,
		s.Customer.ReturnURL, s.Customer.Country, s.Customer.Region, s.Customer.Locale, metadata,
		s.Reason, s.Feedback, string(s.Stage), s.Offered, string(s.Shown), flag(s.Answered),
		string(s.Outcome), string(s.Choice), string(s.Accepted), s.Recovered.Minor, millis(s.DecidedAt), s.Version)}, err
}

// conditional is the same insert, with its name apart, as a SELECT to which can be
// added where from: f, whose workspace_id is the row's, so that one shard reads and
// writes. There PostgreSQL does not take the parameters' types from the columns.
func conditional(insert string) (name, query string) {
	made := conditionalInserts[insert]
	return made.name, made.query
}

type namedQuery struct{ name, query string }

var conditionalInserts = func() map[string]namedQuery {
	made := map[string]namedQuery{}
	for insert, integers := range map[string][]string{
		insertFresh:   {"$2", "$3", "$6", "$7", "$11", "$14"},
		insertSession: {"$2", "$3", "$6", "$7", "$11", "$20", "$22", "$26", "$27", "$28"},
	} {
		name, query, _ := strings.Cut(insert, "\n")
		head, values, _ := strings.Cut(query, "VALUES (")
		terms := strings.Split(strings.TrimSuffix(values, ")"), ", ")
		for i, term := range terms {
			if slices.Contains(integers, term) {
				terms[i] = "CAST(" + term + " AS BIGINT)"
			}
		}
		terms[0] = "f.workspace_id"
		made[insert] = namedQuery{name, head + "SELECT " + strings.Join(terms, ", ")}
	}
	return made
}()

// fresh reports whether insertFresh says everything of the session.
func fresh(s domain.Session) bool {
	c := s.Customer
	return s.Version == 1 && s.Outcome == domain.Pending && s.Recovered.Minor == 0 && s.DecidedAt.IsZero() &&
		s.Feedback+string(s.Shown)+string(s.Choice)+string(s.Accepted) == "" && !s.Answered &&
		c.ReturnURL+c.Country+c.Region+c.Locale == "" && len(c.Metadata) == 0
}

func metadataText(s domain.Session) (string, error) {
	if len(s.Customer.Metadata) == 0 {
		return "", nil
	}
	text, err := json.Marshal(s.Customer.Metadata)
	if err != nil {
		return "", fmt.Errorf("metadata of session %s: %w", s.ID, err)
	}
	return string(text), nil
}

// SaveSession implements ports.SessionWriter.
func (tx *Tx) SaveSession(ctx context.Context, s domain.Session) error {
	stale := domain.Conflict("stale", "the session was changed by somebody else")
	stored, err := tx.Session(ctx, s.WorkspaceID, s.ID)
	if err == nil && stored.Version+1 != s.Version {
		err = stale
	}
	if err != nil {
		return err
	}
	n, err := tx.exec(ctx, `/* session.save */
UPDATE sessions SET reason = $3, feedback = $4, stage = $5, offered = $6, shown = $7, answered = $8, outcome = $9,
	choice = $10, accepted = $11, recovered = $12, decided_at = $13, version = $14
WHERE workspace_id = $1 AND id = $2 AND version = CAST($14 AS BIGINT) - 1`,
		string(s.WorkspaceID), string(s.ID), s.Reason, s.Feedback, string(s.Stage), s.Offered, string(s.Shown), flag(s.Answered),
		string(s.Outcome), string(s.Choice), string(s.Accepted), s.Recovered.Minor, millis(s.DecidedAt), s.Version)
	if err != nil {
		return err
	}
	if n == 0 {
		return stale
	}
	tx.counters.add(stored, s.Tally().Sub(stored.Tally()))
	return nil
}

// AppendEvent implements ports.SessionWriter.
func (tx *Tx) AppendEvent(ctx context.Context, e domain.Event) error {
	data, err := json.Marshal(e.Data)
	if err != nil {
		return fmt.Errorf("data of event %s: %w", e.ID, err)
	}
	err = tx.need(ctx, "session", `/* session.exists */ SELECT 1 FROM sessions WHERE workspace_id = $1 AND id = $2`, string(e.WorkspaceID), string(e.SessionID))
	if err != nil {
		return err
	}
	return tx.insert(ctx, "event", `/* event.append */
INSERT INTO session_events (workspace_id, session_id, seq, id, test, type, at, data)
SELECT w.id, $2, (SELECT COUNT(*) FROM session_events WHERE workspace_id = $1 AND session_id = $2) + 1,
	$3, CAST($4 AS BIGINT), $5, CAST($6 AS BIGINT), $7
FROM workspaces w WHERE w.id = $1
ON CONFLICT DO NOTHING`,
		string(e.WorkspaceID), string(e.SessionID), string(e.ID), flag(e.Mode == domain.Test), string(e.Type), millis(e.At), string(data))
}

func scanEvent(row scanner) (e domain.Event, err error) {
	var test, at int64
	var data string
	if err := row.Scan((*string)(&e.WorkspaceID), (*string)(&e.SessionID), (*string)(&e.ID), &test, (*string)(&e.Type), &at, &data); err != nil {
		return e, err
	}
	if err := json.Unmarshal([]byte(data), &e.Data); err != nil {
		return e, fmt.Errorf("stored data of event %s: %w", e.ID, err)
	}
	e.Mode = domain.Live
	if test == 1 {
		e.Mode = domain.Test
	}
	e.At = fromMillis(at)
	return e, nil
}

// Events implements ports.SessionReader.
func (r Reads) Events(ctx context.Context, ws domain.WorkspaceID, id domain.SessionID) ([]domain.Event, error) {
	return list(ctx, r.Conn, scanEvent, `/* events */
SELECT workspace_id, session_id, id, test, type, at, data FROM session_events
WHERE workspace_id = $1 AND session_id = $2 ORDER BY at, seq`, string(ws), string(id))
}
