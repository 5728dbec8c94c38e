package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/retainrabbit/retainrabbit/domain"
)

const flowColumns = `/* flow */
SELECT f.workspace_id, f.id, v.version, v.name, v.slug, v.status, v.steps, f.created_at, v.updated_at
FROM flows f JOIN flow_versions v ON v.workspace_id = f.workspace_id AND v.flow_id = f.id`

const newestFlow = flowColumns + ` AND v.version = f.version WHERE f.workspace_id = $1`

func scanFlow(row scanner) (f domain.Flow, err error) {
	var steps string
	var created, updated int64
	if err := row.Scan((*string)(&f.WorkspaceID), (*string)(&f.ID), &f.Version, &f.Name, &f.Slug, (*string)(&f.Status), &steps, &created, &updated); err != nil {
		return f, err
	}
	if err := json.Unmarshal([]byte(steps), &f.Steps); err != nil {
		return f, fmt.Errorf("stored flow %s version %d: %w", f.ID, f.Version, err)
	}
	f.CreatedAt, f.UpdatedAt = fromMillis(created), fromMillis(updated)
	return f, nil
}

// Flow implements ports.FlowReader.
func (r Reads) Flow(ctx context.Context, ws domain.WorkspaceID, id domain.FlowID) (domain.Flow, error) {
	return one(ctx, r.Conn, "flow", scanFlow, newestFlow+` AND f.id = $2`, string(ws), string(id))
}

// FlowAt implements ports.FlowReader.
func (r Reads) FlowAt(ctx context.Context, ws domain.WorkspaceID, id domain.FlowID, version int) (domain.Flow, error) {
	return one(ctx, r.Conn, "flow version", scanFlow,
		flowColumns+` WHERE f.workspace_id = $1 AND f.id = $2 AND v.version = $3`, string(ws), string(id), version)
}

// FlowBySlug implements ports.FlowReader.
func (r Reads) FlowBySlug(ctx context.Context, ws domain.WorkspaceID, slug string) (domain.Flow, error) {
	return one(ctx, r.Conn, "flow", scanFlow, newestFlow+` AND f.slug = $2`, string(ws), slug)
}

// ActiveFlow implements ports.FlowReader.
func (r Reads) ActiveFlow(ctx context.Context, ws domain.WorkspaceID) (domain.Flow, error) {
	return one(ctx, r.Conn, "active flow", scanFlow,
		newestFlow+` AND f.status = $2 ORDER BY f.updated_at DESC, f.id DESC LIMIT 1`, string(ws), string(domain.Active))
}

// Flows implements ports.FlowReader.
func (r Reads) Flows(ctx context.Context, ws domain.WorkspaceID) ([]domain.Flow, error) {
	return list(ctx, r.Conn, scanFlow, newestFlow+` ORDER BY f.updated_at DESC, f.id DESC`, string(ws))
}

// CreateFlow implements ports.FlowWriter.
func (tx *Tx) CreateFlow(ctx context.Context, f domain.Flow) error {
	clear(tx.batch.startable)
	if err := tx.needWorkspace(ctx, f.WorkspaceID); err != nil {
		return err
	}
	err := tx.insert(ctx, "flow", `/* flow.create */
INSERT INTO flows (workspace_id, id, slug, status, version, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
		string(f.WorkspaceID), string(f.ID), f.Slug, string(f.Status), f.Version, millis(f.CreatedAt), millis(f.UpdatedAt))
	if err != nil {
		return err
	}
	return tx.addVersion(ctx, f)
}

// SaveFlow implements ports.FlowWriter.
func (tx *Tx) SaveFlow(ctx context.Context, f domain.Flow) error {
	clear(tx.batch.startable)
	stored, err := tx.Flow(ctx, f.WorkspaceID, f.ID)
	if err != nil {
		return err
	}
	n, err := tx.exec(ctx, `/* flow.save */
UPDATE flows SET slug = $3, status = $4, version = $5, updated_at = $6
WHERE workspace_id = $1 AND id = $2 AND version = CAST($5 AS BIGINT) - 1
	AND NOT EXISTS (SELECT 1 FROM flows other WHERE other.workspace_id = $1 AND other.slug = $3 AND other.id <> $2)`,
		string(f.WorkspaceID), string(f.ID), f.Slug, string(f.Status), f.Version, millis(f.UpdatedAt))
	switch {
	case err != nil:
		return err
	case n == 0 && stored.Version+1 == f.Version:
		return domain.Conflict("exists", "another flow has the slug %s", f.Slug)
	case n == 0:
		return domain.Conflict("stale", "the flow was changed by somebody else")
	}
	return tx.addVersion(ctx, f)
}

func (tx *Tx) addVersion(ctx context.Context, f domain.Flow) error {
	steps, err := json.Marshal(f.Steps)
	if err != nil {
		return fmt.Errorf("steps of flow %s: %w", f.ID, err)
	}
	_, err = tx.exec(ctx, `/* flow.version */
INSERT INTO flow_versions (workspace_id, flow_id, version, name, slug, status, steps, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		string(f.WorkspaceID), string(f.ID), f.Version, f.Name, f.Slug, string(f.Status), string(steps), millis(f.UpdatedAt))
	return err
}
