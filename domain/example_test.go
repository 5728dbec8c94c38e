package domain_test

import (
	"fmt"
	"time"

	"github.com/retainrabbit/retainrabbit/domain"
)

// A program starts a session in a flow of its own, walks a customer through it and
// reads what came of it, without any storage or server.
func Example() {
	now := time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC)
	flow, err := domain.NewFlow("0197c2a4-5d60-7a10-8c55-3f1f5bb0a001", "0197c2a4-5d60-7a10-8c55-3f1f5bb0a000", domain.FlowDocument{
		Name: "Win-back", Slug: "win-back", Status: domain.Active,
		Steps: domain.Steps{
			domain.Survey{Label: "Why are you cancelling?", Options: []string{"Too expensive", "Something else"}},
			domain.OfferStep{Label: "A better price", Reasons: []string{"Too expensive"}, Offer: domain.Discount{Percent: 3000, Months: 3}},
		},
	}, now)
	if err != nil {
		fmt.Println(err)
		return
	}
	mrr := int64(2500)
	session, err := domain.StartSession(flow, domain.Start{
		ID: "0197c2a4-5d60-7a10-8c55-3f1f5bb0a002", Mode: domain.Live, At: now, LinkExpiresAt: now.Add(24 * time.Hour),
		Customer: domain.Customer{ID: "cus_1", Currency: "usd", MRR: &mrr},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	session, _, _ = session.Answer(flow.Steps, "Too expensive", "", now)
	offer, _ := flow.Steps.OfferAt(session.Offered)
	fmt.Println("offered:", offer.Label)

	session, event, err := session.Accept(flow.Steps, now)
	fmt.Println(session.Outcome, session.Recovered, event.Type, err)
	// Output:
	// offered: A better price
	// saved 17.50 USD session.saved <nil>
}

// A decided session never changes, and the same decision again is the same answer.
func ExampleSession_Cancel() {
	now := time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC)
	pending := domain.Session{Outcome: domain.Pending, Customer: domain.Customer{Currency: "usd"}}

	canceled, event, err := pending.Cancel(now)
	fmt.Println(canceled.Outcome, event.Type, err)

	again, event, err := canceled.Cancel(now.Add(time.Minute))
	fmt.Println(again.DecidedAt.Equal(now), event.Type == "", err)

	_, _, err = canceled.Keep(now)
	fmt.Println(err)
	// Output:
	// canceled session.canceled <nil>
	// true true <nil>
	// this session is already decided: canceled
}

// A rate comes with its interval, and with every vendor's way to count it.
func ExampleTally_Definitions() {
	tally := domain.Tally{Sessions: 400, Answered: 390, Saved: 100, Accepted: 100, Canceled: 200}
	low, high := tally.SaveRate().Wilson()
	fmt.Printf("%v, 95 %% interval %.3f to %.3f\n", tally.SaveRate().Fraction(), low, high)
	for _, d := range tally.Definitions() {
		if d.Computable {
			fmt.Println(d.Vendor, d.Rate.Fraction())
		}
	}
	// Output:
	// 0.333, 95 % interval 0.282 to 0.388
	// RetainRabbit 0.333
	// Churnkey 0.487
	// Stay AI 0.5
	// Churn.io, LostChurn 0.25
}
