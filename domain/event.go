package domain

import (
	"encoding/json"
	"time"
)

// EventType names what happened in a session.
type EventType string

// The types of event.
const (
	ScreenShown     EventType = "session.screen_shown"
	ReasonGiven     EventType = "session.reason_given"
	OfferDeclined   EventType = "session.offer_declined"
	CancelRequested EventType = "session.cancel_requested" // asked, not yet confirmed
	SessionSaved    EventType = "session.saved"
	SessionCanceled EventType = "session.canceled"
	DecisionUndone  EventType = "session.undone" // taken back: pending again
)

// Event is one line of a session's append-only record: the evidence of what the
// customer was shown and chose, and the source of what the business is told.
type Event struct {
	ID          EventID // given by whoever stores it
	WorkspaceID WorkspaceID
	SessionID   SessionID
	Mode        Mode
	Type        EventType // empty: nothing happened
	At          time.Time
	Data        EventData
}

// EventData is what an event says, by its Type.
type EventData struct {
	FlowVersion int             `json:"flowVersion"`
	Policy      string          `json:"policy,omitempty"` // Policy.Ref of the customer's place
	Screen      Stage           `json:"screen,omitempty"`
	Step        *int            `json:"step,omitempty"`  // index in the flow's steps
	Offer       json.RawMessage `json:"offer,omitempty"` // its terms, as in a flow document
	Reason      string          `json:"reason,omitempty"`
	Feedback    string          `json:"feedback,omitempty"`
	Choice      Choice          `json:"choice,omitempty"`
	Outcome     Outcome         `json:"outcome,omitempty"`
	Recovered   *int64          `json:"recoveredMrrCents,omitempty"` // minor units of Currency
	Currency    Currency        `json:"currency,omitempty"`
}

func offerTerms(o Offer) json.RawMessage {
	terms, err := json.Marshal(offerToJSON(o))
	if err != nil {
		panic("domain: an offer always encodes: " + err.Error())
	}
	return terms
}
