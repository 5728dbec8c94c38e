package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/retainrabbit/retainrabbit/app"
	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

type evidenceCmd struct {
	inWorkspace
	Session string `arg:"" help:"Id of the session."`
	asJSON
}

// evidence is what is known of one session: what was shown, when, under which
// rules, and what was chosen.
type evidence struct {
	ID             domain.SessionID   `json:"id"`
	WorkspaceID    domain.WorkspaceID `json:"workspaceId"`
	Mode           domain.Mode        `json:"mode"`
	CustomerID     string             `json:"customerId"`
	SubscriptionID string             `json:"subscriptionId"`
	Country        string             `json:"country"`
	Region         string             `json:"region"`
	Locale         string             `json:"locale"`
	Policy         evidencePolicy     `json:"policy"`
	StartedAt      string             `json:"startedAt"`
	Outcome        domain.Outcome     `json:"outcome"`
	DecidedAt      *string            `json:"decidedAt"`
	Flow           flowShown          `json:"flow"`
	Events         []evidenceEvent    `json:"events"`
}

type evidencePolicy struct {
	Ref       string           `json:"ref"`
	Law       string           `json:"law"`
	Offers    domain.OfferRule `json:"offers"`
	Retention int              `json:"retentionYears"` // at least; 0: none known
}

// flowShown is the flow as the session went through it.
type flowShown struct {
	ID       domain.FlowID       `json:"id"`
	Version  int                 `json:"version"`
	Document domain.FlowDocument `json:"document"`
}

type evidenceEvent struct {
	ID   domain.EventID   `json:"id"`
	Type domain.EventType `json:"type"`
	At   string           `json:"at"` // to the millisecond
	Data domain.EventData `json:"data"`
}

const evidenceTime = "2006-01-02T15:04:05.000Z07:00"

func (c evidenceCmd) Run(e *env) error {
	return e.withWorkspace(c.inWorkspace, func(store ports.Store, _ *app.App, ws domain.Workspace) error {
		s, err := store.Session(e.ctx, ws.ID, domain.SessionID(c.Session))
		if err != nil {
			return err
		}
		flow, err := store.FlowAt(e.ctx, ws.ID, s.FlowID, s.FlowVersion)
		if err != nil {
			return err
		}
		events, err := store.Events(e.ctx, ws.ID, s.ID)
		if err != nil {
			return err
		}
		found := newEvidence(s, flow, events)
		return c.print(e.stdout, found, func(out io.Writer) error { return found.write(out) })
	})
}

func newEvidence(s domain.Session, flow domain.Flow, events []domain.Event) evidence {
	policy := s.Customer.Policy()
	found := evidence{
		ID: s.ID, WorkspaceID: s.WorkspaceID, Mode: s.Mode, CustomerID: s.Customer.ID, SubscriptionID: s.Customer.SubscriptionID,
		Country: s.Customer.Country, Region: s.Customer.Region, Locale: s.Customer.Locale,
		Policy:    evidencePolicy{policy.Ref(), policy.Law, policy.Offers, policy.Retention},
		StartedAt: s.CreatedAt.Format(time.RFC3339), Outcome: s.Outcome, DecidedAt: timeOf(s.DecidedAt),
		Flow: flowShown{flow.ID, flow.Version, flow.FlowDocument}, Events: []evidenceEvent{},
	}
	for _, e := range events {
		found.Events = append(found.Events, evidenceEvent{e.ID, e.Type, e.At.Format(evidenceTime), e.Data})
	}
	return found
}

func (v evidence) write(out io.Writer) error {
	_, err := fmt.Fprintf(out, "Session %s of customer %s, %s, %s.\nPolicy %s (%s). Flow %s, version %d.\n\n",
		v.ID, v.CustomerID, v.Mode, v.Outcome, v.Policy.Ref, v.Policy.Law, v.Flow.Document.Slug, v.Flow.Version)
	if err != nil {
		return err
	}
	rows := [][]string{{v.StartedAt, "session.started", ""}}
	for _, e := range v.Events {
		data, err := json.Marshal(e.Data)
		if err != nil {
			return err
		}
		rows = append(rows, []string{e.At, string(e.Type), string(data)})
	}
	return table(out, "TIME EVENT DATA", rows)
}
