package sqlstore

import (
	"context"
	"time"

	"github.com/retainrabbit/retainrabbit/domain"
)

// TakeLease implements ports.LeaseWriter by compare-and-set on one row.
func (tx *Tx) TakeLease(ctx context.Context, ws domain.WorkspaceID, name, holder string, now, until time.Time) (bool, error) {
	n, err := tx.exec(ctx, `/* lease.take */
INSERT INTO leases (workspace_id, name, holder, ends_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (workspace_id, name) DO UPDATE SET holder = excluded.holder, ends_at = excluded.ends_at
WHERE leases.holder = excluded.holder OR leases.ends_at <= $5`,
		string(ws), name, holder, millis(until), millis(now))
	return n == 1, err
}

// EndLease implements ports.LeaseWriter.
func (tx *Tx) EndLease(ctx context.Context, ws domain.WorkspaceID, name, holder string) error {
	_, err := tx.exec(ctx, `/* lease.end */ DELETE FROM leases WHERE workspace_id = $1 AND name = $2 AND holder = $3`, string(ws), name, holder)
	return err
}

// LeaseHolder implements ports.ArchiveReader.
func (r Reads) LeaseHolder(ctx context.Context, ws domain.WorkspaceID, name string) (string, error) {
	return one(ctx, r.Conn, "lease", func(row scanner) (holder string, err error) { return holder, row.Scan(&holder) },
		`/* lease */ SELECT holder FROM leases WHERE workspace_id = $1 AND name = $2`, string(ws), name)
}
