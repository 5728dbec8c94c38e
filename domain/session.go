package domain

import (
	"slices"
	"time"
)

// Outcome is how a session ended.
type Outcome string

// The outcomes. A session that is never decided stays pending.
const (
	Pending  Outcome = "pending"
	Saved    Outcome = "saved"
	Canceled Outcome = "canceled"
)

// Choice is what the customer chose to decide a session.
type Choice string

// The choices.
const (
	ChoseOffer  Choice = "accept" // took the offer: saved
	ChoseKeep   Choice = "keep"   // keeps the subscription as it is: saved
	ChoseCancel Choice = "cancel" // canceled
)

// Stage is the screen that a session stands at.
type Stage string

// The stages, in order. Only a decided session is done.
const (
	StageSurvey  Stage = "survey"
	StageOffer   Stage = "offer"
	StageConfirm Stage = "confirm" // asks once more before cancelling
	StageDone    Stage = "done"
)

// Session is one customer's walk through a flow, and what came of it. Its methods
// are the only transitions: pending to saved or canceled, never between the two, and
// back by Undo alone. Each returns the changed copy and the event that records the
// change. A decision that was made before is the same answer again: the session
// unchanged and an Event without Type. Any other change of a decided session is
// ErrConflict with code already_decided.
type Session struct {
	ID          SessionID
	WorkspaceID WorkspaceID
	Mode        Mode
	FlowID      FlowID
	FlowVersion int
	Customer    Customer
	Reason      string // empty until known
	Feedback    string // free text, empty if none

	Stage    Stage
	Offered  int   // index of the step whose offer was made; −1: none
	Shown    Stage // the last screen recorded as shown; empty: none
	Answered bool  // the customer did something on a page, so did not just bounce

	Outcome   Outcome
	Choice    Choice // empty while pending
	Accepted  OfferKind
	Recovered Money // what the customer goes on paying a month; zero while pending or canceled

	Version       int // 1, 2, …; grows with every change
	CreatedAt     time.Time
	DecidedAt     time.Time // zero while pending
	LinkExpiresAt time.Time // whole seconds
}

// Start is what begins a session.
type Start struct {
	ID            SessionID
	Mode          Mode
	Customer      Customer
	Reason        string // if the business knows it already; may be empty
	At            time.Time
	LinkExpiresAt time.Time
}

// Validate reports the first member that breaks a rule as ErrInvalid, by the names
// of the REST contract.
func (s Start) Validate() error {
	return firstError(
		checkID("id", s.ID),
		s.Customer.Validate(),
		checkOptional("reason", s.Reason, MaxReason),
	)
}

// StartSession begins a session in an active flow. ErrInvalid names the member
// that breaks a rule, or flowId if the flow is not active.
func StartSession(flow Flow, start Start) (Session, error) {
	if flow.Status != Active {
		return Session{}, Invalid("flowId", "must be an active flow of the workspace")
	}
	if err := start.Validate(); err != nil {
		return Session{}, err
	}
	s := Session{
		ID: start.ID, WorkspaceID: flow.WorkspaceID, Mode: start.Mode, FlowID: flow.ID, FlowVersion: flow.Version,
		Customer: start.Customer, Reason: start.Reason,
		Stage: StageSurvey, Offered: noOffer,
		Outcome: Pending, Recovered: Money{Currency: start.Customer.Currency},
		Version: 1, CreatedAt: start.At, LinkExpiresAt: start.LinkExpiresAt.Truncate(time.Second),
	}
	if _, asked := flow.Steps.Survey(); !asked {
		s.offer(flow.Steps)
	}
	return s, nil
}

// Show records that the customer was shown the screen that the session stands at.
// The same screen again is no event.
func (s Session) Show(now time.Time) (Session, Event) {
	if s.Shown == s.Stage {
		return s, Event{}
	}
	s.Shown = s.Stage
	data := EventData{Screen: s.Stage}
	if s.Stage == StageOffer {
		data.Step = &s.Offered
	}
	return s.next(ScreenShown, now, data)
}

// Answer records the survey's answer and goes on to the one offer that fits, or
// to confirm. Both texts may be empty. A reason that is not an option of the
// survey is ErrInvalid; the same answer again is no event. Only one offer is made in a session: a later answer
// changes the reason, not the offer.
func (s Session) Answer(steps Steps, reason, feedback string, now time.Time) (Session, Event, error) {
	if s.Outcome != Pending {
		return s, Event{}, errDecided(s)
	}
	survey, _ := steps.Survey()
	if reason != "" && !slices.Contains(survey.Options, reason) {
		return s, Event{}, Invalid("reason", "must be one of the survey's options")
	}
	if err := CheckText("feedback", feedback, MaxReason, false); err != nil {
		return s, Event{}, err
	}
	before := s
	s.take(reason, feedback)
	switch {
	case s.Offered == noOffer:
		s.offer(steps)
	case s.Stage == StageSurvey:
		s.Stage = StageOffer
	}
	if before.Answered && s.Reason == before.Reason && s.Feedback == before.Feedback && s.Stage == before.Stage {
		return before, Event{}, nil // the same form again
	}
	s, e := s.next(ReasonGiven, now, EventData{Reason: s.Reason, Feedback: s.Feedback})
	return s, e, nil
}

// Decline turns down the offer and goes on to confirm.
func (s Session) Decline(now time.Time) (Session, Event, error) {
	switch {
	case s.Outcome != Pending:
		return s, Event{}, errDecided(s)
	case s.Stage != StageOffer:
		return s, Event{}, nil
	}
	offered := s.Offered
	s.Stage, s.Answered = StageConfirm, true
	s, e := s.next(OfferDeclined, now, EventData{Step: &offered})
	return s, e, nil
}

// AskToCancel goes straight to confirm, from any stage. Texts that Answer would
// refuse are dropped or cut short, never a reason to refuse.
func (s Session) AskToCancel(steps Steps, reason, feedback string, now time.Time) (Session, Event, error) {
	if s.Outcome != Pending {
		return s, Event{}, errDecided(s)
	}
	if s.Stage == StageConfirm {
		return s, Event{}, nil
	}
	if survey, _ := steps.Survey(); !slices.Contains(survey.Options, reason) {
		reason = ""
	}
	s.take(reason, cutText(feedback, MaxReason))
	s.Stage = StageConfirm
	s, e := s.next(CancelRequested, now, EventData{Reason: s.Reason, Feedback: s.Feedback})
	return s, e, nil
}

// Accept takes the offer that was made: the session is saved. Without an offer
// made it is ErrConflict with code no_offer.
func (s Session) Accept(steps Steps, now time.Time) (Session, Event, error) {
	if s.Outcome != Pending {
		return s.again(ChoseOffer)
	}
	step, ok := steps.OfferAt(s.Offered)
	if !ok || !step.Offer.eligible(s.Customer.Currency) {
		return s, Event{}, Conflict("no_offer", "no offer was made in this session")
	}
	price, known := s.Customer.price()
	recovered, err := step.Offer.monthly(price, known)
	if err != nil {
		return s, Event{}, err
	}
	s.Accepted = step.Offer.Kind()
	s, e := s.decide(Saved, ChoseOffer, recovered, now)
	e.Data.Step, e.Data.Offer = &s.Offered, offerTerms(step.Offer)
	return s, e, nil
}

// Keep leaves the subscription as it is: the session is saved.
func (s Session) Keep(now time.Time) (Session, Event, error) {
	if s.Outcome != Pending {
		return s.again(ChoseKeep)
	}
	price, _ := s.Customer.price()
	s, e := s.decide(Saved, ChoseKeep, price, now)
	return s, e, nil
}

// Cancel ends the subscription: the session is canceled. It works at every stage.
func (s Session) Cancel(now time.Time) (Session, Event, error) {
	if s.Outcome != Pending {
		return s.again(ChoseCancel)
	}
	s, e := s.decide(Canceled, ChoseCancel, Money{Currency: s.Customer.Currency}, now)
	return s, e, nil
}

// Undo takes the decision back: the session is pending again, at its first screen,
// with the offer that was made, if any, still standing. The caller sees to it that
// nothing was done about the decision yet. To undo nothing is no event.
func (s Session) Undo(steps Steps, now time.Time) (Session, Event) {
	if s.Outcome == Pending {
		return s, Event{}
	}
	data := EventData{Choice: s.Choice, Outcome: s.Outcome} // what is taken back
	s.Outcome, s.Choice, s.Accepted, s.Recovered, s.DecidedAt = Pending, "", "", Money{Currency: s.Customer.Currency}, time.Time{}
	switch _, asked := steps.Survey(); {
	case asked:
		s.Stage = StageSurvey
	case s.Offered != noOffer:
		s.Stage = StageOffer
	default:
		s.Stage = StageConfirm
	}
	return s.next(DecisionUndone, now, data)
}

// Result is the part of the session that the business reads.
func (s Session) Result() SessionResult {
	return SessionResult{
		ID: s.ID, CustomerID: s.Customer.ID, Reason: s.Reason, Outcome: s.Outcome,
		Recovered: s.Recovered, CreatedAt: s.CreatedAt,
	}
}

// SessionResult is what a business reads of a session.
type SessionResult struct {
	ID         SessionID
	CustomerID string
	Reason     string // empty: not known
	Outcome    Outcome
	Recovered  Money
	CreatedAt  time.Time
}

func (s *Session) take(reason, feedback string) {
	s.Answered = true
	if reason != "" {
		s.Reason = reason
	}
	if feedback != "" {
		s.Feedback = feedback
	}
}

// offer makes the offer that fits, if the law of the customer's place lets one be made.
func (s *Session) offer(steps Steps) {
	s.Offered, s.Stage = noOffer, StageOffer
	if s.Customer.Policy().Offers != OffersAfterCancel {
		s.Offered = steps.Route(s.Reason, s.Customer.Currency)
	}
	if s.Offered == noOffer {
		s.Stage = StageConfirm
	}
}

func (s Session) decide(o Outcome, c Choice, recovered Money, now time.Time) (Session, Event) {
	s.Outcome, s.Choice, s.Recovered, s.DecidedAt = o, c, recovered, now
	s.Stage, s.Answered = StageDone, true
	kind := SessionSaved
	if o == Canceled {
		kind = SessionCanceled
	}
	return s.next(kind, now, EventData{
		Reason: s.Reason, Feedback: s.Feedback, Choice: c, Outcome: o,
		Recovered: &recovered.Minor, Currency: recovered.Currency,
	})
}

func (s Session) again(c Choice) (Session, Event, error) {
	if s.Choice != c {
		return s, Event{}, errDecided(s)
	}
	return s, Event{}, nil
}

func (s Session) next(kind EventType, now time.Time, data EventData) (Session, Event) {
	s.Version++
	data.FlowVersion, data.Policy = s.FlowVersion, s.Customer.Policy().Ref()
	return s, Event{WorkspaceID: s.WorkspaceID, SessionID: s.ID, Mode: s.Mode, Type: kind, At: now, Data: data}
}

func errDecided(s Session) error {
	return Conflict("already_decided", "this session is already decided: %s", s.Outcome)
}

func cutText(s string, limit int) string {
	if CheckText("", s, limit, false) == nil {
		return s
	}
	clean := []rune{}
	for _, r := range s {
		if r != 0 && len(clean) < limit {
			clean = append(clean, r)
		}
	}
	return string(clean)
}
