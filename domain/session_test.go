package domain_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"
	"pgregory.net/rapid"

	"github.com/retainrabbit/retainrabbit/domain"
)

var began = time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)

const sessionID domain.SessionID = "0197c2a4-5d60-7a10-8c55-3f1f5bb0a002"

func flowOf(t interface{ Fatal(...any) }, steps ...domain.Step) domain.Flow {
	f, err := domain.NewFlow("0197c2a4-5d60-7a10-8c55-3f1f5bb0a001", workspaceID,
		domain.FlowDocument{Name: "Win-back", Slug: "win-back", Status: domain.Active, Steps: steps}, began)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

var why = domain.Survey{Label: "Why?", Options: []string{"Too expensive", "Not used", "Other"}}

func startIn(t interface{ Fatal(...any) }, f domain.Flow, c domain.Currency, mrr *int64) domain.Session {
	s, err := domain.StartSession(f, domain.Start{
		ID: sessionID, Mode: domain.Live, Customer: domain.Customer{ID: "cus_1", Currency: c, MRR: mrr}, At: began, LinkExpiresAt: began.Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func amount(n int64) *int64 { return &n }

// What the customer goes on paying a month, by what was chosen.
func TestRecovered(t *testing.T) {
	offer := func(o domain.Offer) domain.OfferStep { return domain.OfferStep{Label: "o", Offer: o} }
	price := func(minor int64, c domain.Currency) domain.Money { return domain.Money{Minor: minor, Currency: c} }
	for name, c := range map[string]struct {
		offer    domain.Offer
		currency domain.Currency
		mrr      *int64
		want     int64
	}{
		"percent":                    {domain.Discount{Percent: 3000}, "usd", amount(2500), 1750},
		"percent, half up":           {domain.Discount{Percent: 5000}, "usd", amount(2501), 1251},
		"percent of yen":             {domain.Discount{Percent: 3333}, "jpy", amount(100), 67},
		"percent of dinars":          {domain.Discount{Percent: 1000}, "kwd", amount(1005), 905},
		"everything":                 {domain.Discount{Percent: 10_000}, "usd", amount(2500), 0},
		"amount":                     {domain.Discount{Amount: price(500, "usd")}, "usd", amount(2500), 2000},
		"amount above the price":     {domain.Discount{Amount: price(9000, "usd")}, "usd", amount(2500), 0},
		"amount of an unknown price": {domain.Discount{Amount: price(500, "usd")}, "usd", nil, 0},
		"pause":                      {domain.Pause{Months: 2}, "usd", amount(2500), 2500},
		"plan by the month":          {domain.PlanChange{PlanID: "p", PlanName: "P", Price: price(900, "usd"), Interval: domain.Monthly}, "usd", amount(2500), 900},
		"plan by the year":           {domain.PlanChange{PlanID: "p", PlanName: "P", Price: price(9990, "usd"), Interval: domain.Yearly}, "usd", nil, 833},
		"extension":                  {domain.TrialExtension{Days: 7}, "usd", amount(2500), 2500},
		"contact":                    {domain.Contact{URL: "mailto:a@b.c"}, "usd", amount(2500), 2500},
		"redirect":                   {domain.Redirect{URL: "https://b.c"}, "usd", amount(2500), 2500},
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			flow := flowOf(t, offer(c.offer))
			s, e, err := startIn(t, flow, c.currency, c.mrr).Accept(flow.Steps, began)
			is.NoErr(err)
			is.Equal(s.Recovered, price(c.want, c.currency))
			is.Equal(s.Outcome, domain.Saved)
			is.Equal(*e.Data.Recovered, c.want)
			paused := int64(0)
			if name == "pause" {
				paused = c.want
			}
			is.Equal(s.Tally(), domain.Tally{Sessions: 1, Answered: 1, Saved: 1, Accepted: 1, Recovered: c.want, Paused: paused})
		})
	}
	is := is.New(t)
	kept, _, err := startIn(t, flowOf(t, why), "usd", amount(2500)).Keep(began)
	is.NoErr(err)
	is.Equal(kept.Tally(), domain.Tally{Sessions: 1, Answered: 1, Saved: 1, Recovered: 2500})
	canceled, _, err := startIn(t, flowOf(t, why), "usd", amount(2500)).Cancel(began)
	is.NoErr(err)
	is.Equal(canceled.Tally(), domain.Tally{Sessions: 1, Answered: 1, Canceled: 1})
}

func TestTheWholeWalk(t *testing.T) {
	is := is.New(t)
	flow := flowOf(t, why, domain.OfferStep{Label: "cheaper", Reasons: []string{"Too expensive"}, Offer: domain.Discount{Percent: 3000, Months: 3}},
		domain.OfferStep{Label: "rest", Offer: domain.Pause{Months: 2}}, domain.Confirmation{Label: "end"})
	s := startIn(t, flow, "usd", amount(2500))
	is.Equal(s.Stage, domain.StageSurvey)
	var history []domain.Event
	step := func(next domain.Session, e domain.Event, err error) {
		is.NoErr(err)
		s, history = next, append(history, e)
	}
	shown := func() { next, e := s.Show(began); step(next, e, nil) }
	shown()
	_, shownAgain := s.Show(began)
	is.Equal(shownAgain.Type, domain.EventType("")) // the same screen is one event
	step(s.Answer(flow.Steps, "Not used", "no time", began))
	is.Equal(s.Stage, domain.StageOffer)
	is.Equal(s.Offered, 2) // the fallback
	shown()
	step(s.Decline(began))
	is.Equal(s.Stage, domain.StageConfirm)
	step(s.Answer(flow.Steps, "Too expensive", "", began)) // by the back button
	_, again, err := s.Answer(flow.Steps, "Too expensive", "", began)
	is.NoErr(err)
	is.Equal(again.Type, domain.EventType("")) // the same form again is one event
	is.Equal(s.Offered, 2)                     // no second offer
	is.Equal(s.Stage, domain.StageConfirm)
	step(s.Accept(flow.Steps, began)) // the offer that was made still stands
	is.Equal(s.Outcome, domain.Saved)
	is.Equal(s.Stage, domain.StageDone)
	is.Equal(s.Version, 1+len(history))
	is.Equal(s.Reason, "Too expensive")
	is.Equal(s.Feedback, "no time")
	is.Equal(string(history[len(history)-1].Data.Offer), `{"kind":"pause","months":2}`)
	for _, e := range history {
		is.Equal(e.SessionID, s.ID)
		is.Equal(e.Data.FlowVersion, 1)
	}
}

func TestCancelNeverFails(t *testing.T) {
	is := is.New(t)
	flow := flowOf(t, why, domain.OfferStep{Label: "rest", Offer: domain.Pause{Months: 2}})
	s := startIn(t, flow, "usd", nil)
	asked, e, err := s.AskToCancel(flow.Steps, "not an option", strings.Repeat("x", 3000)+"\x00", began)
	is.NoErr(err)
	is.Equal(e.Type, domain.CancelRequested)
	is.Equal(asked.Stage, domain.StageConfirm)
	is.Equal(asked.Reason, "")
	is.Equal(len(asked.Feedback), domain.MaxReason)
	for _, from := range []domain.Session{s, asked} {
		done, _, err := from.Cancel(began)
		is.NoErr(err)
		is.Equal(done.Outcome, domain.Canceled)
	}
}

func TestWrongMoves(t *testing.T) {
	is := is.New(t)
	flow := flowOf(t, why, domain.OfferStep{Label: "rest", Offer: domain.Pause{Months: 2}})
	s := startIn(t, flow, "usd", nil)
	_, _, err := s.Accept(flow.Steps, began)
	is.Equal(domain.KindOf(err), domain.ErrConflict) // no offer was made yet
	same, _, err := s.Answer(flow.Steps, "not an option", "", began)
	is.Equal(domain.KindOf(err), domain.ErrInvalid)
	is.Equal(same, s)
	_, _, err = s.Answer(flow.Steps, "Other", strings.Repeat("x", domain.MaxReason+1), began)
	is.Equal(domain.KindOf(err), domain.ErrInvalid)
	archived := flow
	archived.Status = domain.Archived
	_, err = domain.StartSession(archived, domain.Start{ID: sessionID, Customer: domain.Customer{ID: "c", Currency: "usd"}})
	is.Equal(domain.KindOf(err), domain.ErrInvalid)
}

func TestStartNamesTheField(t *testing.T) {
	flow := flowOf(t, why)
	long := strings.Repeat("x", 256)
	for field, change := range map[string]func(*domain.Start){
		"customerId":     func(s *domain.Start) { s.Customer.ID = " " },
		"subscriptionId": func(s *domain.Start) { s.Customer.SubscriptionID = long },
		"currency":       func(s *domain.Start) { s.Customer.Currency = "xyz" },
		"mrrCents":       func(s *domain.Start) { s.Customer.MRR = amount(-1) },
		"returnUrl":      func(s *domain.Start) { s.Customer.ReturnURL = "javascript:1" },
		"country":        func(s *domain.Start) { s.Customer.Country = "USA" },
		"region":         func(s *domain.Start) { s.Customer.Region = "m!" },
		"locale":         func(s *domain.Start) { s.Customer.Locale = "de_DE" },
		"metadata.k":     func(s *domain.Start) { s.Customer.Metadata = map[string]string{"k": strings.Repeat("x", 501)} },
		"metadata":       func(s *domain.Start) { s.Customer.Metadata = map[string]string{" ": "v"} },
		"reason":         func(s *domain.Start) { s.Reason = "a\x00" },
		"id":             func(s *domain.Start) { s.ID = "x" },
	} {
		t.Run(field, func(t *testing.T) {
			is := is.New(t)
			start := domain.Start{ID: sessionID, Mode: domain.Live, Customer: domain.Customer{ID: "cus", Currency: "usd"}}
			change(&start)
			_, err := domain.StartSession(flow, start)
			var mistake *domain.Error
			is.True(errors.As(err, &mistake))
			is.Equal(mistake.Field, field)
		})
	}
}

// Whatever a customer does in whatever order, a session is decided at most once,
// the same decision again is the same answer, any other is refused, nothing that
// was not offered is accepted, and the counts add up.
func TestSessionsAsAStateMachine(t *testing.T) {
	flow := flowOf(t, why, domain.OfferStep{Label: "cheaper", Reasons: []string{"Too expensive"}, Offer: domain.Discount{Percent: 3000}},
		domain.OfferStep{Label: "rest", Offer: domain.Pause{Months: 2}}, domain.Confirmation{Label: "end"})
	rapid.Check(t, func(t *rapid.T) {
		var total domain.Tally
		pending := int64(0) // counted apart, since Tally derives it
		for range rapid.IntRange(1, 5).Draw(t, "sessions") {
			s := startIn(t, flow, "usd", amount(rapid.Int64Range(0, domain.MaxAmount).Draw(t, "mrr")))
			for range rapid.IntRange(0, 8).Draw(t, "moves") {
				s = move(t, flow, s)
			}
			total = total.Add(s.Tally())
			if s.Outcome == domain.Pending {
				pending++
			}
		}
		if total.Saved+total.Canceled+pending != total.Sessions || total.Pending() != pending || total.Accepted > total.Saved || total.Bounced() < 0 || total.Paused > total.Recovered {
			t.Fatalf("%+v does not add up", total)
		}
		if total.Sub(total) != (domain.Tally{}) {
			t.Fatal("a tally less itself is not nothing")
		}
	})
}

// A decision that is taken back leaves nothing of itself in the session, nor in the
// counts, and can be made anew.
func TestUndo(t *testing.T) {
	flow := flowOf(t, why, domain.OfferStep{Label: "rest", Offer: domain.Pause{Months: 2}}, domain.Confirmation{Label: "end"})
	straight := flowOf(t, domain.OfferStep{Label: "rest", Offer: domain.Pause{Months: 2}})
	bare := flowOf(t, domain.Confirmation{Label: "end"})
	rapid.Check(t, func(t *rapid.T) {
		is := is.New(t)
		f := rapid.SampledFrom([]domain.Flow{flow, straight, bare}).Draw(t, "flow")
		before := startIn(t, f, "usd", amount(2500))
		for range rapid.IntRange(0, 8).Draw(t, "moves") {
			before = move(t, f, before)
		}
		s, e := before.Undo(f.Steps, began)
		if before.Outcome == domain.Pending {
			is.Equal(e.Type, domain.EventType("")) // nothing to undo is no event
			is.True(same(s, before))
			return
		}
		is.Equal(e.Type, domain.DecisionUndone)
		is.Equal(e.Data.Outcome, before.Outcome) // the evidence keeps what was taken back
		is.Equal(s.Version, before.Version+1)
		is.Equal(s.Tally(), domain.Tally{Sessions: 1, Answered: 1})
		is.Equal(s.Offered, before.Offered) // no second offer by way of undo
		is.True(s.Stage != domain.StageDone && s.DecidedAt.IsZero() && s.Choice == "" && s.Accepted == "")
		again, _, err := s.Cancel(began)
		is.NoErr(err)
		is.Equal(again.Outcome, domain.Canceled)
	})
}

func move(t *rapid.T, flow domain.Flow, s domain.Session) domain.Session {
	moves := map[domain.Choice]func() (domain.Session, domain.Event, error){
		"answer": func() (domain.Session, domain.Event, error) {
			return s.Answer(flow.Steps, rapid.SampledFrom(append(why.Options, "")).Draw(t, "reason"), "", began)
		},
		"decline":          func() (domain.Session, domain.Event, error) { return s.Decline(began) },
		"ask":              func() (domain.Session, domain.Event, error) { return s.AskToCancel(flow.Steps, "", "", began) },
		domain.ChoseOffer:  func() (domain.Session, domain.Event, error) { return s.Accept(flow.Steps, began) },
		domain.ChoseKeep:   func() (domain.Session, domain.Event, error) { return s.Keep(began) },
		domain.ChoseCancel: func() (domain.Session, domain.Event, error) { return s.Cancel(began) },
	}
	choice := rapid.SampledFrom([]domain.Choice{"answer", "decline", "ask", domain.ChoseOffer, domain.ChoseKeep, domain.ChoseCancel}).Draw(t, "move")
	next, e, err := moves[choice]()
	decided := s.Outcome != domain.Pending
	switch {
	case decided && choice == s.Choice && (err != nil || e.Type != ""):
		t.Fatalf("the same decision again: %v, %v", e, err)
	case decided && choice != s.Choice && domain.KindOf(err) != domain.ErrConflict:
		t.Fatalf("%s after %s: %v", choice, s.Choice, err)
	case choice == domain.ChoseOffer && s.Offered < 0 && !decided && domain.KindOf(err) != domain.ErrConflict:
		t.Fatalf("accepted an offer that was not made: %v", err)
	case (err != nil || e.Type == "") && !same(next, s):
		t.Fatalf("refused or repeated, but changed: %+v to %+v", s, next)
	case e.Type != "" && next.Version != s.Version+1:
		t.Fatalf("version %d after %d", next.Version, s.Version)
	case (next.Outcome == domain.Pending) != next.DecidedAt.IsZero() || (next.Outcome == domain.Pending) != (next.Stage != domain.StageDone):
		t.Fatalf("half decided: %+v", next)
	}
	return next
}

func same(a, b domain.Session) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

func TestWindows(t *testing.T) {
	is := is.New(t)
	now := time.Date(2026, 3, 14, 0, 0, 1, 0, time.UTC)
	for w, days := range map[domain.Window]domain.Day{"7d": 7, "30d": 30, "90d": 90, "365d": 365} {
		since, err := w.Since(now)
		is.NoErr(err)
		is.Equal(domain.DayOf(now)-since+1, days) // with today
	}
	since, err := domain.WindowAll.Since(now)
	is.NoErr(err)
	is.Equal(since, domain.Day(0))
	for _, w := range []domain.Window{"", "1d", "ALL", "7"} {
		_, err := w.Since(now)
		is.Equal(domain.KindOf(err), domain.ErrInvalid)
	}
}

func TestEveryKindMatchesItselfAlone(t *testing.T) {
	is := is.New(t)
	for _, k := range domain.Kinds() {
		cause := errors.New("cause")
		err := error(&domain.Error{Kind: k, Msg: "m", Field: "f", Err: cause})
		is.Equal(domain.KindOf(err), k)
		is.True(errors.Is(err, cause))
		is.Equal(err.Error(), "f: m")
		for _, other := range domain.Kinds() {
			is.Equal(errors.Is(err, other), other == k)
		}
	}
	is.Equal(domain.KindOf(errors.New("x")), domain.Kind(""))
	is.Equal(domain.KindOf(nil), domain.Kind(""))
}
