package sqlstore

import (
	"context"

	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

const selectCounts = `/* archive.counts */
SELECT (SELECT COUNT(*) FROM api_keys WHERE workspace_id = $1),
	(SELECT COUNT(*) FROM flows WHERE workspace_id = $1),
	(SELECT COUNT(*) FROM flow_versions WHERE workspace_id = $1),
	(SELECT COUNT(*) FROM sessions WHERE workspace_id = $1),
	(SELECT COUNT(*) FROM session_events WHERE workspace_id = $1),
	(SELECT COUNT(*) FROM idempotency WHERE workspace_id = $1)`

// Counts implements ports.ArchiveReader.
func (r Reads) Counts(ctx context.Context, ws domain.WorkspaceID) (ports.Counts, error) {
	return one(ctx, r.Conn, "counts", func(row scanner) (c ports.Counts, err error) {
		return c, row.Scan(&c.Keys, &c.Flows, &c.FlowVersions, &c.Sessions, &c.Events, &c.Idempotency)
	}, selectCounts, string(ws))
}

// SessionsAfter implements ports.ArchiveReader.
func (r Reads) SessionsAfter(ctx context.Context, ws domain.WorkspaceID, after domain.SessionID, limit int) ([]domain.Session, error) {
	return list(ctx, r.Conn, scanSession, `/* archive.sessions */ SELECT `+sessionColumns+` FROM sessions
WHERE workspace_id = $1 AND id > $2 ORDER BY id LIMIT $3`, string(ws), string(after), limit)
}

// EventsAfter implements ports.ArchiveReader.
func (r Reads) EventsAfter(ctx context.Context, ws domain.WorkspaceID, after domain.Event, limit int) ([]domain.Event, error) {
	return list(ctx, r.Conn, scanEvent, `/* archive.events */ SELECT workspace_id, session_id, id, test, type, at, data FROM session_events
WHERE workspace_id = $1 AND session_id >= $2 AND (session_id > $2 OR seq > COALESCE(
	(SELECT seq FROM session_events WHERE workspace_id = $1 AND id = $3), 0))
ORDER BY session_id, seq LIMIT $4`, string(ws), string(after.SessionID), string(after.ID), limit)
}

// IdempotencyAfter implements ports.ArchiveReader.
func (r Reads) IdempotencyAfter(ctx context.Context, ws domain.WorkspaceID, mode domain.Mode, after string, limit int) ([]domain.IdempotencyRecord, error) {
	return list(ctx, r.Conn, scanIdempotency, `/* archive.idempotency */ SELECT key, digest, session_id, created_at FROM idempotency
WHERE workspace_id = $1 AND mode = $2 AND key > $3 ORDER BY key LIMIT $4`, string(ws), string(mode), after, limit)
}
