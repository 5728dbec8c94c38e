package app

import (
	"context"
	"errors"

	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

// StartRequest is what begins a session.
type StartRequest struct {
	Workspace domain.Workspace
	Mode      domain.Mode
	FlowID    domain.FlowID // empty: the active flow that was updated last
	Customer  domain.Customer
	Reason    string

	// IdempotencyKey, if not empty, makes a repeated request give the first one's
	// session. Digest is of the whole request.
	IdempotencyKey string
	Digest         [32]byte
}

// StartSession begins a session, durably. With an idempotency key that was used
// before it returns that session as it stands, or ErrConflict with code
// idempotency_mismatch if the request differs. A flow that cannot be used is
// ErrInvalid for flowId; if none was named and none is active, ErrConflict with
// code no_active_flow.
func (a *App) StartSession(ctx context.Context, req StartRequest) (domain.Session, error) {
	if req.Customer.Currency == "" {
		req.Customer.Currency = req.Workspace.Currency
	}
	now := a.clock()
	start := domain.Start{
		ID: domain.SessionID(newID()), Mode: req.Mode, Customer: req.Customer, Reason: req.Reason,
		At: now, LinkExpiresAt: now.Add(a.linkLife),
	}
	// What is wrong with the request itself is told before anything is looked up.
	if err := start.Validate(); err != nil {
		return domain.Session{}, err
	}
	record := domain.IdempotencyRecord{Key: req.IdempotencyKey, Digest: req.Digest, SessionID: start.ID, CreatedAt: now}
	cond := ports.StartCondition{Newest: req.FlowID == "", Record: record}
	for attempt := 1; ; attempt++ {
		s, id, err := a.startOnce(ctx, req, start, cond)
		switch {
		case flowChanged(err) && attempt < startAttempts:
			continue
		case err != nil && req.IdempotencyKey != "" && !errors.Is(err, domain.ErrUnavailable):
			return a.startedBefore(ctx, req, err)
		case err != nil || id == s.ID:
			return s, err
		}
		return a.store.Session(ctx, req.Workspace.ID, id)
	}
}

// startAttempts is how often a start is tried while its flow is being changed.
const startAttempts = 5

// startOnce starts the session in the flow as it was last seen. The store refuses
// if the flow has changed since; it is then forgotten, and read anew the next time.
func (a *App) startOnce(ctx context.Context, req StartRequest, start domain.Start, cond ports.StartCondition) (domain.Session, domain.SessionID, error) {
	flow, err := a.flowFor(ctx, req.Workspace.ID, req.FlowID)
	if err != nil {
		return domain.Session{}, "", err
	}
	s, err := domain.StartSession(flow, start)
	if err != nil {
		a.flows.forget(req.Workspace.ID, req.FlowID)
		return domain.Session{}, "", err
	}
	id, err := a.store.StartSession(ctx, s, cond)
	if flowChanged(err) {
		a.flows.forget(req.Workspace.ID, req.FlowID)
	}
	return s, id, err
}

func flowChanged(err error) bool {
	var changed *domain.Error
	return errors.As(err, &changed) && changed.Code == "flow_changed"
}

// startedBefore returns the session that the idempotency key began, else the error
// why none can be started now: a retry gets its answer even after the flow was
// archived.
func (a *App) startedBefore(ctx context.Context, req StartRequest, why error) (domain.Session, error) {
	known, err := a.store.Idempotency(ctx, req.Workspace.ID, req.Mode, req.IdempotencyKey)
	switch {
	case errors.Is(err, domain.ErrNotFound):
		return domain.Session{}, why
	case err != nil:
		return domain.Session{}, err
	}
	if err := known.Match(req.Digest); err != nil {
		return domain.Session{}, err
	}
	return a.store.Session(ctx, req.Workspace.ID, known.SessionID)
}

// flowFor returns the flow that is asked for as it was last seen.
func (a *App) flowFor(ctx context.Context, ws domain.WorkspaceID, id domain.FlowID) (domain.Flow, error) {
	if flow, ok := a.flows.get(ws, id); ok {
		return flow, nil
	}
	flow, err := a.readFlow(ctx, ws, id)
	if err == nil {
		a.flows.put(ws, id, flow)
	}
	return flow, err
}

func (a *App) readFlow(ctx context.Context, ws domain.WorkspaceID, id domain.FlowID) (domain.Flow, error) {
	if id == "" {
		flow, err := a.store.ActiveFlow(ctx, ws)
		if errors.Is(err, domain.ErrNotFound) {
			err = domain.Conflict("no_active_flow", "this workspace has no active flow: apply one with status active")
		}
		return flow, err
	}
	flow, err := a.store.Flow(ctx, ws, id)
	if errors.Is(err, domain.ErrNotFound) {
		err = domain.Invalid("flowId", "must be an active flow of the workspace")
	}
	return flow, err
}

// ShowScreen records that the customer is being shown the screen that the session
// stands at, and returns the session. The same screen again writes nothing.
func (a *App) ShowScreen(ctx context.Context, s domain.Session) (domain.Session, error) {
	if s.Shown == s.Stage {
		return s, nil
	}
	return a.change(ctx, s, func(s domain.Session, _ domain.Steps) (domain.Session, domain.Event, error) {
		s, e := s.Show(a.clock())
		return s, e, nil
	})
}

// Answer records the survey's answer; see domain.Session.Answer.
func (a *App) Answer(ctx context.Context, s domain.Session, reason, feedback string) (domain.Session, error) {
	return a.change(ctx, s, func(s domain.Session, steps domain.Steps) (domain.Session, domain.Event, error) {
		return s.Answer(steps, reason, feedback, a.clock())
	})
}

// Decline turns down the offer; see domain.Session.Decline.
func (a *App) Decline(ctx context.Context, s domain.Session) (domain.Session, error) {
	return a.change(ctx, s, func(s domain.Session, _ domain.Steps) (domain.Session, domain.Event, error) {
		return s.Decline(a.clock())
	})
}

// AskToCancel goes to the last question; see domain.Session.AskToCancel.
func (a *App) AskToCancel(ctx context.Context, s domain.Session, reason, feedback string) (domain.Session, error) {
	return a.change(ctx, s, func(s domain.Session, steps domain.Steps) (domain.Session, domain.Event, error) {
		return s.AskToCancel(steps, reason, feedback, a.clock())
	})
}

// Accept takes the offer; see domain.Session.Accept.
func (a *App) Accept(ctx context.Context, s domain.Session) (domain.Session, error) {
	return a.change(ctx, s, func(s domain.Session, steps domain.Steps) (domain.Session, domain.Event, error) {
		return s.Accept(steps, a.clock())
	})
}

// Keep leaves the subscription as it is; see domain.Session.Keep.
func (a *App) Keep(ctx context.Context, s domain.Session) (domain.Session, error) {
	return a.change(ctx, s, func(s domain.Session, _ domain.Steps) (domain.Session, domain.Event, error) {
		return s.Keep(a.clock())
	})
}

// Undo takes the decision back; see domain.Session.Undo.
func (a *App) Undo(ctx context.Context, s domain.Session) (domain.Session, error) {
	return a.change(ctx, s, func(s domain.Session, steps domain.Steps) (domain.Session, domain.Event, error) {
		s, e := s.Undo(steps, a.clock())
		return s, e, nil
	})
}

// Cancel ends the subscription; see domain.Session.Cancel.
func (a *App) Cancel(ctx context.Context, s domain.Session) (domain.Session, error) {
	return a.change(ctx, s, func(s domain.Session, _ domain.Steps) (domain.Session, domain.Event, error) {
		return s.Cancel(a.clock())
	})
}

type transition func(domain.Session, domain.Steps) (domain.Session, domain.Event, error)

// change makes a transition of the session as it is stored now, by the flow as it
// was when the session began, and appends the event, in one transaction. After an
// error the session is returned as it is stored.
func (a *App) change(ctx context.Context, s domain.Session, next transition) (domain.Session, error) {
	var stored, changed domain.Session
	err := a.inTx(ctx, func(ctx context.Context, tx ports.Tx) (err error) {
		if stored, err = tx.Session(ctx, s.WorkspaceID, s.ID); err != nil {
			return err
		}
		changed = stored
		flow, err := tx.FlowAt(ctx, s.WorkspaceID, s.FlowID, s.FlowVersion)
		if err != nil {
			return err
		}
		after, event, err := next(stored, flow.Steps)
		if err != nil || event.Type == "" {
			return err
		}
		event.ID = domain.EventID(newID())
		changed = after
		if err := tx.SaveSession(ctx, after); err != nil {
			return err
		}
		return tx.AppendEvent(ctx, event)
	})
	if err != nil {
		return stored, err
	}
	return changed, nil
}
