package sqlstore

import (
	"context"
	"errors"

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

// query finds one row, with the workspace, if the flow of the parameters is as wanted.
func (want startable) query(flow, version string) string {
	if !want.newest {
		return `SELECT workspace_id FROM flows WHERE workspace_id = $1 AND id = ` + flow + ` AND version = ` + version + ` AND status = 'active'`
	}
	return `SELECT workspace_id FROM (
	SELECT workspace_id, id, version FROM flows WHERE workspace_id = $1 AND status = 'active' ORDER BY updated_at DESC, id DESC LIMIT 1
) newest WHERE id = ` + flow + ` AND version = ` + version
}

func errFlowChanged() error {
	return domain.Conflict("flow_changed", "the flow was changed meanwhile")
}

// needStartable checks the flow once for all starts of a batch.
func (tx *Tx) needStartable(ctx context.Context, want startable) error {
	if tx.batch.startable[want] {
		return nil
	}
	err := tx.need(ctx, "flow", `/* flow.startable */ SELECT 1 FROM (`+want.query("$2", "$3")+`) f`, string(want.workspace), string(want.flow), want.version)
	if errors.Is(err, domain.ErrNotFound) {
		return errFlowChanged()
	}
	tx.batch.startable[want] = err == nil
	return err
}
