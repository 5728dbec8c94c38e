package sqlstore

import (
	"context"
	"time"

	"github.com/retainrabbit/retainrabbit/domain"
)

const selectWorkspaces = `/* workspace */ SELECT id, name, currency, link_secret, created_at FROM workspaces`

func scanWorkspace(row scanner) (w domain.Workspace, err error) {
	var created int64
	err = row.Scan((*string)(&w.ID), &w.Name, (*string)(&w.Currency), (*string)(&w.LinkSecret), &created)
	w.CreatedAt = fromMillis(created)
	return w, err
}

// Workspace implements ports.WorkspaceReader.
func (r Reads) Workspace(ctx context.Context, id domain.WorkspaceID) (domain.Workspace, error) {
	return one(ctx, r.Conn, "workspace", scanWorkspace, selectWorkspaces+` WHERE id = $1`, string(id))
}

// Workspaces implements ports.WorkspaceReader.
func (r Reads) Workspaces(ctx context.Context) ([]domain.Workspace, error) {
	return list(ctx, r.Conn, scanWorkspace, selectWorkspaces+` ORDER BY created_at, id`)
}

// CreateWorkspace implements ports.WorkspaceWriter.
func (tx *Tx) CreateWorkspace(ctx context.Context, w domain.Workspace) error {
	return tx.insert(ctx, "workspace",
		`/* workspace.create */ INSERT INTO workspaces (id, name, currency, link_secret, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		string(w.ID), w.Name, string(w.Currency), w.LinkSecret.Reveal(), millis(w.CreatedAt))
}

const selectKeys = `/* key */
SELECT workspace_id, id, public_part, name, mode, scope, digest, created_at, expires_at, revoked_at, last_used_at
FROM api_keys WHERE workspace_id = $1`

func scanKey(row scanner) (k domain.Key, err error) {
	var digest []byte
	var created, expires, revoked, used int64
	err = row.Scan((*string)(&k.WorkspaceID), (*string)(&k.ID), &k.Public, &k.Name, (*string)(&k.Mode), (*string)(&k.Scope), &digest, &created, &expires, &revoked, &used)
	copy(k.Digest[:], digest)
	k.CreatedAt, k.ExpiresAt, k.RevokedAt, k.LastUsedAt = fromMillis(created), fromMillis(expires), fromMillis(revoked), fromMillis(used)
	return k, err
}

// Key implements ports.KeyReader.
func (r Reads) Key(ctx context.Context, ws domain.WorkspaceID, public string) (domain.Key, error) {
	return one(ctx, r.Conn, "key", scanKey, selectKeys+` AND public_part = $2`, string(ws), public)
}

// Keys implements ports.KeyReader.
func (r Reads) Keys(ctx context.Context, ws domain.WorkspaceID) ([]domain.Key, error) {
	return list(ctx, r.Conn, scanKey, selectKeys+` ORDER BY created_at, id`, string(ws))
}

// CreateKey implements ports.KeyWriter.
func (tx *Tx) CreateKey(ctx context.Context, k domain.Key) error {
	if err := tx.needWorkspace(ctx, k.WorkspaceID); err != nil {
		return err
	}
	return tx.insert(ctx, "key", `/* key.create */
INSERT INTO api_keys (workspace_id, id, public_part, name, mode, scope, digest, created_at, expires_at, revoked_at, last_used_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING`,
		string(k.WorkspaceID), string(k.ID), k.Public, k.Name, string(k.Mode), string(k.Scope), k.Digest[:],
		millis(k.CreatedAt), millis(k.ExpiresAt), millis(k.RevokedAt), millis(k.LastUsedAt))
}

func (tx *Tx) needWorkspace(ctx context.Context, ws domain.WorkspaceID) error {
	return tx.need(ctx, "workspace", `/* workspace.exists */ SELECT 1 FROM workspaces WHERE id = $1`, string(ws))
}

// RevokeKey implements ports.KeyWriter.
func (tx *Tx) RevokeKey(ctx context.Context, ws domain.WorkspaceID, id domain.KeyID, at time.Time) error {
	return tx.updateKey(ctx,
		`/* key.revoke */ UPDATE api_keys SET revoked_at = CASE WHEN revoked_at = 0 THEN $3 ELSE revoked_at END WHERE workspace_id = $1 AND id = $2`, ws, id, at)
}

// TouchKey implements ports.KeyWriter.
func (tx *Tx) TouchKey(ctx context.Context, ws domain.WorkspaceID, id domain.KeyID, at time.Time) error {
	return tx.updateKey(ctx,
		`/* key.touch */ UPDATE api_keys SET last_used_at = CASE WHEN last_used_at < $3 THEN $3 ELSE last_used_at END WHERE workspace_id = $1 AND id = $2`, ws, id, at)
}

func (tx *Tx) updateKey(ctx context.Context, query string, ws domain.WorkspaceID, id domain.KeyID, at time.Time) error {
	n, err := tx.exec(ctx, query, string(ws), string(id), millis(at))
	if err == nil && n == 0 {
		err = domain.NotFound("key")
	}
	return err
}
