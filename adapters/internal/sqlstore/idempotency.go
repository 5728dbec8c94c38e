package sqlstore

import (
	"context"
	"time"

	"github.com/retainrabbit/retainrabbit/domain"
)

func scanIdempotency(row scanner) (r domain.IdempotencyRecord, err error) {
	var digest []byte
	var created int64
	err = row.Scan(&r.Key, &digest, (*string)(&r.SessionID), &created)
	copy(r.Digest[:], digest)
	r.CreatedAt = fromMillis(created)
	return r, err
}

// Idempotency implements ports.SessionReader.
func (r Reads) Idempotency(ctx context.Context, ws domain.WorkspaceID, mode domain.Mode, key string) (domain.IdempotencyRecord, error) {
	return one(ctx, r.Conn, "idempotency record", scanIdempotency,
		`/* idempotency */ SELECT key, digest, session_id, created_at FROM idempotency WHERE workspace_id = $1 AND mode = $2 AND key = $3`, string(ws), string(mode), key)
}

// ForgetIdempotency implements ports.IdempotencyWriter.
func (tx *Tx) ForgetIdempotency(ctx context.Context, ws domain.WorkspaceID, before time.Time, limit int) (int64, error) {
	return tx.exec(ctx, `/* idempotency.forget */ DELETE FROM idempotency WHERE workspace_id = $1 AND (mode, key) IN (
	SELECT mode, key FROM idempotency WHERE workspace_id = $1 AND created_at < $2 LIMIT $3)`, string(ws), millis(before), limit)
}

// addIdempotency stores the record, or returns the session of the one that has its
// key already; ErrConflict if that was another request.
func (tx *Tx) addIdempotency(ctx context.Context, s domain.Session, record domain.IdempotencyRecord) (known domain.SessionID, err error) {
	insert := insertRecord(s.WorkspaceID, s.Mode, record)
	n, err := tx.exec(ctx, insert.SQL, insert.Args...)
	if err != nil || n == 1 {
		return "", err
	}
	first, err := tx.Idempotency(ctx, s.WorkspaceID, s.Mode, record.Key)
	if err != nil {
		return "", err
	}
	return first.SessionID, first.Match(record.Digest)
}

// CreateIdempotency implements ports.IdempotencyWriter.
func (tx *Tx) CreateIdempotency(ctx context.Context, ws domain.WorkspaceID, mode domain.Mode, r domain.IdempotencyRecord) error {
	if err := tx.needWorkspace(ctx, ws); err != nil {
		return err
	}
	insert := insertRecord(ws, mode, r)
	return tx.insert(ctx, "idempotency record", insert.SQL, insert.Args...)
}

// insertRecord inserts the record unless its key is known.
func insertRecord(ws domain.WorkspaceID, mode domain.Mode, r domain.IdempotencyRecord) Statement {
	return Statement{`/* idempotency.create */
INSERT INTO idempotency (workspace_id, mode, key, digest, session_id, created_at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
		[]any{string(ws), string(mode), r.Key, r.Digest[:], string(r.SessionID), millis(r.CreatedAt)}}
}
