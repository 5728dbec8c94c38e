package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/retainrabbit/retainrabbit/domain"
)

const sessionColumns = `workspace_id, test, created_at, id, flow_id, flow_version, link_expires_at,
	customer_id, subscription_id, currency, mrr, return_url, country, region, locale, metadata,
	reason, feedback, stage, offered, shown, answered, outcome, choice, accepted, recovered, decided_at, version`

const selectSession = `SELECT ` + sessionColumns + ` FROM sessions WHERE workspace_id = $1 AND id = $2`

func scanSession(row scanner) (s domain.Session, err error) {
	var test, answered, created, expires, decided int64
	var metadata string
	err = row.Scan(&s.WorkspaceID, &test, &created, &s.ID, &s.FlowID, &s.FlowVersion, &expires,
		&s.Customer.ID, &s.Customer.SubscriptionID, &s.Customer.Currency, &s.Customer.MRR, &s.Customer.ReturnURL,
		&s.Customer.Country, &s.Customer.Region, &s.Customer.Locale, &metadata,
		&s.Reason, &s.Feedback, &s.Stage, &s.Offered, &s.Shown, &answered, &s.Outcome, &s.Choice, &s.Accepted, &s.Recovered.Minor,
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
	return one(ctx, r.Conn, "session", scanSession, selectSession, ws, id)
}

const selectResult = `SELECT id, customer_id, reason, outcome, recovered, currency, created_at FROM sessions WHERE workspace_id = $1`

func scanResult(row scanner) (s domain.SessionResult, err error) {
	var created int64
	err = row.Scan(&s.ID, &s.CustomerID, &s.Reason, &s.Outcome, &s.Recovered.Minor, &s.Recovered.Currency, &created)
	s.CreatedAt = fromMillis(created)
	return s, err
}

// SessionResult implements ports.SessionReader.
func (r Reads) SessionResult(ctx context.Context, ws domain.WorkspaceID, id domain.SessionID) (domain.SessionResult, error) {
	return one(ctx, r.Conn, "session", scanResult, selectResult+` AND id = $2`, ws, id)
}

// RecentSessions implements ports.SessionReader. It reads one range of the
// primary key, backwards.
func (r Reads) RecentSessions(ctx context.Context, ws domain.WorkspaceID, limit int) ([]domain.SessionResult, error) {
	return list(ctx, r.Conn, scanResult, selectResult+` AND test = 0 ORDER BY created_at DESC, id DESC LIMIT $2`, ws, limit)
}

const insertSession = `
INSERT INTO sessions (` + sessionColumns + `)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28
WHERE EXISTS (SELECT 1 FROM flow_versions WHERE workspace_id = $1 AND flow_id = $5 AND version = $6)
ON CONFLICT DO NOTHING`

// CreateSession implements ports.SessionWriter.
func (tx *Tx) CreateSession(ctx context.Context, s domain.Session) error {
	var metadata []byte
	if len(s.Customer.Metadata) > 0 {
		var err error
		if metadata, err = json.Marshal(s.Customer.Metadata); err != nil {
			return fmt.Errorf("metadata of session %s: %w", s.ID, err)
		}
	}
	parent := func() error {
		_, err := tx.FlowAt(ctx, s.WorkspaceID, s.FlowID, s.FlowVersion)
		return err
	}
	err := tx.insert(ctx, "session", parent, insertSession,
		string(s.WorkspaceID), flag(s.Mode == domain.Test), millis(s.CreatedAt), string(s.ID), string(s.FlowID), s.FlowVersion, millis(s.LinkExpiresAt),
		s.Customer.ID, s.Customer.SubscriptionID, string(s.Customer.Currency), s.Customer.MRR, s.Customer.ReturnURL,
		s.Customer.Country, s.Customer.Region, s.Customer.Locale, string(metadata),
		s.Reason, s.Feedback, string(s.Stage), s.Offered, string(s.Shown), flag(s.Answered),
		string(s.Outcome), string(s.Choice), string(s.Accepted), s.Recovered.Minor, millis(s.DecidedAt), s.Version)
	if err == nil {
		tx.Counters.add(s, s.Tally())
	}
	return err
}

// SaveSession implements ports.SessionWriter.
func (tx *Tx) SaveSession(ctx context.Context, s domain.Session) error {
	stored, err := tx.Session(ctx, s.WorkspaceID, s.ID)
	if err != nil {
		return err
	}
	n, err := tx.exec(ctx, `
UPDATE sessions SET reason = $3, feedback = $4, stage = $5, offered = $6, shown = $7, answered = $8, outcome = $9,
	choice = $10, accepted = $11, recovered = $12, decided_at = $13, version = $14
WHERE workspace_id = $1 AND id = $2 AND version = $14 - 1`,
		string(s.WorkspaceID), string(s.ID), s.Reason, s.Feedback, string(s.Stage), s.Offered, string(s.Shown), flag(s.Answered),
		string(s.Outcome), string(s.Choice), string(s.Accepted), s.Recovered.Minor, millis(s.DecidedAt), s.Version)
	if err != nil {
		return err
	}
	if n == 0 {
		return domain.Conflict("stale", "the session was changed by somebody else")
	}
	tx.Counters.add(stored, s.Tally().Sub(stored.Tally()))
	return nil
}

// AppendEvent implements ports.SessionWriter.
func (tx *Tx) AppendEvent(ctx context.Context, e domain.Event) error {
	data, err := json.Marshal(e.Data)
	if err != nil {
		return fmt.Errorf("data of event %s: %w", e.ID, err)
	}
	parent := func() error {
		_, err := tx.Session(ctx, e.WorkspaceID, e.SessionID)
		return err
	}
	return tx.insert(ctx, "event", parent, `
INSERT INTO session_events (workspace_id, session_id, seq, id, test, type, at, data)
SELECT $1, $2, (SELECT COUNT(*) FROM session_events WHERE workspace_id = $1 AND session_id = $2) + 1, $3, $4, $5, $6, $7
WHERE EXISTS (SELECT 1 FROM sessions WHERE workspace_id = $1 AND id = $2)
ON CONFLICT DO NOTHING`,
		string(e.WorkspaceID), string(e.SessionID), string(e.ID), flag(e.Mode == domain.Test), string(e.Type), millis(e.At), string(data))
}

func scanEvent(row scanner) (e domain.Event, err error) {
	var test, at int64
	var data string
	if err := row.Scan(&e.WorkspaceID, &e.SessionID, &e.ID, &test, &e.Type, &at, &data); err != nil {
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
	return list(ctx, r.Conn, scanEvent, `
SELECT workspace_id, session_id, id, test, type, at, data FROM session_events
WHERE workspace_id = $1 AND session_id = $2 ORDER BY at, seq`, ws, id)
}
