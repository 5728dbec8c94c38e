package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/retainrabbit/retainrabbit/app"
	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

type flowSimulateCmd struct {
	inWorkspace
	File     string `arg:"" help:"Flow as YAML or JSON; - is standard input."`
	Sessions int    `help:"How many sessions to send through it, at most." default:"1000"`
	Recorded bool   `help:"Take the customers of the workspace's latest sessions, instead of made-up ones."`
	Seed     uint64 `help:"Made-up customers of the same seed are the same." default:"1"`
	Currency string `help:"What made-up customers pay in." default:"usd"`
	asJSON
}

// Validate is called by the parser.
func (c flowSimulateCmd) Validate() error {
	if c.Sessions < 1 || c.Sessions > 10_000_000 {
		return domain.Invalid("--sessions", "must be 1 to 10000000")
	}
	return nil
}

// route is one way through a flow: who goes it, and what is offered there.
type route struct {
	Reason string           `json:"reason"`
	Policy string           `json:"policy"`
	Step   *int             `json:"step"` // index of the step whose offer is made; null: none
	Label  string           `json:"label"`
	Offer  domain.OfferKind `json:"offer"`
}

func (c flowSimulateCmd) Run(e *env) error {
	doc, err := readFlowFile(c.File)
	if err != nil {
		return err
	}
	doc.Status = domain.Active // as it would be
	flow, err := domain.NewFlow(domain.FlowID(uuid.NewString()), domain.WorkspaceID(uuid.NewString()), doc, time.Now())
	if err != nil {
		return err
	}
	visitors, err := c.visitors(e, flow.Steps)
	if err != nil {
		return err
	}
	counts := map[string]int{}
	routes := map[string]route{}
	for _, v := range visitors {
		r, err := walk(flow, v)
		if err != nil {
			return err
		}
		key := fmt.Sprintf("%q %s %s", r.Reason, r.Policy, r.step())
		counts[key]++
		routes[key] = r
	}
	return c.report(e.stdout, routes, counts, len(visitors))
}

func (r route) step() string {
	if r.Step == nil {
		return "-"
	}
	return strconv.Itoa(*r.Step)
}

// visitor is who walks the flow, and what they answer.
type visitor struct {
	customer domain.Customer
	reason   string
}

// walk sends a visitor through the rules that real sessions go by, storing nothing.
func walk(flow domain.Flow, v visitor) (route, error) {
	now := time.Now()
	s, err := domain.StartSession(flow, domain.Start{
		ID: domain.SessionID(uuid.NewString()), Mode: domain.Test, Customer: v.customer, At: now, LinkExpiresAt: now.Add(time.Hour),
	})
	if err != nil {
		return route{}, err
	}
	if s.Stage == domain.StageSurvey {
		reason := v.reason
		if survey, _ := flow.Steps.Survey(); !slices.Contains(survey.Options, reason) {
			reason = "" // the flow asks otherwise than it did when the session was recorded
		}
		if s, _, err = s.Answer(flow.Steps, reason, "", now); err != nil {
			return route{}, err
		}
	}
	r := route{Reason: s.Reason, Policy: s.Customer.Policy().Ref()}
	if step, ok := flow.Steps.OfferAt(s.Offered); ok {
		r.Step, r.Label, r.Offer = &s.Offered, step.Label, step.Offer.Kind()
	}
	return r, nil
}

func (c flowSimulateCmd) visitors(e *env, steps domain.Steps) (visitors []visitor, err error) {
	if !c.Recorded {
		return c.madeUp(steps)
	}
	err = e.withWorkspace(c.inWorkspace, func(store ports.Store, _ *app.App, ws domain.Workspace) error {
		visitors, err = recorded(e.ctx, store, ws.ID, c.Sessions)
		return err
	})
	return visitors, err
}

// places are where made-up customers live: each policy, and none.
var places = []domain.Customer{
	{Country: "US", Region: "CA"}, {Country: "US", Region: "NY"}, {Country: "US", Region: "MN"}, {Country: "US", Region: "TX"},
	{Country: "DE"}, {Country: "FR"}, {Country: "JP"}, {},
}

func (c flowSimulateCmd) madeUp(steps domain.Steps) ([]visitor, error) {
	currency, err := domain.ParseCurrency("--currency", c.Currency)
	if err != nil {
		return nil, err
	}
	reasons := []string{""}
	if survey, ok := steps.Survey(); ok {
		reasons = append(reasons, survey.Options...)
	}
	dice := rand.New(rand.NewPCG(c.Seed, 0))
	visitors := make([]visitor, c.Sessions)
	for i := range visitors {
		customer := places[dice.IntN(len(places))]
		mrr := 500 + dice.Int64N(20_000)
		customer.ID, customer.Currency, customer.MRR = "cus_"+strconv.Itoa(i), currency, &mrr
		visitors[i] = visitor{customer, reasons[dice.IntN(len(reasons))]}
	}
	return visitors, nil
}

// recorded are the customers of the latest live sessions, at most limit, with the
// reasons that they gave. It reads all sessions.
func recorded(ctx context.Context, store ports.Store, ws domain.WorkspaceID, limit int) (visitors []visitor, err error) {
	const page = 1000
	var after domain.SessionID
	for {
		sessions, err := store.SessionsAfter(ctx, ws, after, page)
		if err != nil {
			return nil, err
		}
		for _, s := range sessions {
			if s.Mode == domain.Live {
				visitors = append(visitors, visitor{s.Customer, s.Reason})
			}
			after = s.ID
		}
		if len(visitors) > 2*limit || len(sessions) < page {
			visitors = slices.Clone(visitors[max(0, len(visitors)-limit):])
		}
		if len(sessions) < page {
			return visitors, nil
		}
	}
}

func (c flowSimulateCmd) report(w io.Writer, routes map[string]route, counts map[string]int, sessions int) error {
	type line struct {
		route
		Sessions int `json:"sessions"`
	}
	lines, offered := []line{}, 0
	for key, r := range routes {
		lines = append(lines, line{r, counts[key]})
		if r.Step != nil {
			offered += counts[key]
		}
	}
	slices.SortFunc(lines, func(a, b line) int {
		return cmp.Or(cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Policy, b.Policy), cmp.Compare(a.step(), b.step()))
	})
	return c.print(w, map[string]any{"sessions": sessions, "offered": offered, "routes": lines}, func(out io.Writer) error {
		rows := [][]string{}
		for _, l := range lines {
			reason, label := cmp.Or(l.Reason, "(none)"), cmp.Or(l.Label, "(no offer)")
			rows = append(rows, []string{strconv.Itoa(l.Sessions), reason, l.Policy, l.step(), label})
		}
		if err := table(out, "SESSIONS REASON POLICY STEP OFFER", rows); err != nil {
			return err
		}
		_, err := fmt.Fprintf(out, "\n%d of %d sessions would be made an offer. Nothing was stored.\n", offered, sessions)
		return err
	})
}
