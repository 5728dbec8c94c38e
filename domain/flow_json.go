package domain

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

const offerKinds = "discount, pause, plan_change, trial_extension, contact, redirect"

// ParseFlowDocument reads {name, slug, status, steps: [{type, label, config}]}.
// Every error is ErrInvalid and names the member, such as steps[2].config.kind;
// an unknown member is an error too, since it is most likely a slip of the pen.
func ParseFlowDocument(raw []byte) (FlowDocument, error) {
	o := readObject("", raw)
	doc := FlowDocument{Name: o.text("name"), Slug: o.text("slug"), Status: FlowStatus(o.text("status"))}
	steps := o.list("steps")
	if err := o.end(); err != nil {
		return FlowDocument{}, err
	}
	for i, raw := range steps {
		step, err := readStep(indexed("steps", i), raw)
		if err != nil {
			return FlowDocument{}, err
		}
		doc.Steps = append(doc.Steps, step)
	}
	return doc, doc.Validate()
}

// MarshalJSON writes the document in the form that ParseFlowDocument reads.
func (d FlowDocument) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Name   string     `json:"name"`
		Slug   string     `json:"slug"`
		Status FlowStatus `json:"status"`
		Steps  Steps      `json:"steps"`
	}{d.Name, d.Slug, d.Status, d.Steps})
}

// MarshalJSON writes a list of {type, label, config}.
func (ss Steps) MarshalJSON() ([]byte, error) {
	list := make([]stepJSON, len(ss))
	for i, step := range ss {
		list[i] = stepToJSON(step)
	}
	return json.Marshal(list)
}

// UnmarshalJSON reads what MarshalJSON of this or of another version wrote: what
// it does not know it keeps as UnknownStep and UnknownOffer. To read an author's
// document use ParseFlowDocument.
func (ss *Steps) UnmarshalJSON(raw []byte) error {
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return fmt.Errorf("steps: %w", err)
	}
	steps := make(Steps, len(list))
	for i, raw := range list {
		step, err := readStep(indexed("steps", i), raw)
		if err != nil {
			step = unknownStep(raw)
		}
		steps[i] = step
	}
	*ss = steps
	return nil
}

type stepJSON struct {
	Type   StepType `json:"type"`
	Label  string   `json:"label"`
	Config any      `json:"config"`
}

type offerJSON struct {
	Kind           OfferKind    `json:"kind"`
	Message        string       `json:"message,omitempty"`
	Reasons        []string     `json:"reasons,omitempty"`
	PercentOff     *BasisPoints `json:"percentOff,omitempty"`
	AmountOffCents *int64       `json:"amountOffCents,omitempty"`
	PlanID         string       `json:"planId,omitempty"`
	PlanName       string       `json:"planName,omitempty"`
	PriceCents     *int64       `json:"priceCents,omitempty"`
	Currency       Currency     `json:"currency,omitempty"`
	Interval       Interval     `json:"interval,omitempty"`
	Months         int          `json:"months,omitempty"`
	Days           int          `json:"days,omitempty"`
	URL            string       `json:"url,omitempty"`
}

func stepToJSON(step Step) stepJSON {
	switch s := step.(type) {
	case Survey:
		return stepJSON{TypeSurvey, s.Label, map[string][]string{"options": s.Options}}
	case Confirmation:
		return stepJSON{TypeConfirmation, s.Label, map[string]string{"message": s.Message}}
	case OfferStep:
		return stepJSON{TypeOffer, s.Label, offerConfig(s)}
	case UnknownStep:
		return stepJSON{s.StepType, s.Label, json.RawMessage(s.Config)}
	}
	panic(fmt.Sprintf("domain: step of type %T", step))
}

func offerConfig(s OfferStep) any {
	c := offerToJSON(s.Offer)
	if unknown, ok := s.Offer.(UnknownOffer); ok {
		return json.RawMessage(unknown.Raw)
	}
	c.Message, c.Reasons = s.Message, s.Reasons
	return c
}

// offerToJSON writes an offer's own members: its terms, and nothing of the step
// that makes it.
func offerToJSON(offer Offer) offerJSON {
	c := offerJSON{Kind: offer.Kind()}
	switch o := offer.(type) {
	case Discount:
		c.Months = o.Months
		if o.Percent != 0 {
			c.PercentOff = &o.Percent
		} else {
			c.AmountOffCents, c.Currency = &o.Amount.Minor, o.Amount.Currency
		}
	case Pause:
		c.Months = o.Months
	case PlanChange:
		c.PlanID, c.PlanName, c.PriceCents, c.Currency, c.Interval = o.PlanID, o.PlanName, &o.Price.Minor, o.Price.Currency, o.Interval
	case TrialExtension:
		c.Days = o.Days
	case Contact:
		c.URL = o.URL
	case Redirect:
		c.URL = o.URL
	}
	return c
}

func readStep(path string, raw []byte) (Step, error) {
	o := readObject(path, raw)
	kind, label := StepType(o.text("type")), o.text("label")
	config := o.object("config")
	if err := o.end(); err != nil {
		return nil, err
	}
	switch kind {
	case TypeSurvey:
		return Survey{Label: label, Options: config.texts("options")}, config.end()
	case TypeConfirmation:
		return Confirmation{Label: label, Message: config.text("message")}, config.end()
	case TypeOffer:
		step := OfferStep{Label: label, Message: config.text("message"), Reasons: config.texts("reasons"), Offer: readOffer(config)}
		return step, config.end()
	}
	return nil, UnknownStep{}.validate(path)
}

func readOffer(o *object) Offer {
	switch OfferKind(o.text("kind")) {
	case KindDiscount:
		d := Discount{Percent: o.percent("percentOff"), Months: o.int("months")}
		if o.has("amountOffCents") {
			d.Amount = o.money("amountOffCents")
		}
		if o.has("months") && d.Months == 0 {
			o.fail("months", "must be 1 to 120, or absent for a discount that lasts for ever")
		}
		return d
	case KindPause:
		return Pause{Months: o.int("months")}
	case KindPlanChange:
		p := PlanChange{PlanID: o.text("planId"), PlanName: o.text("planName"), Price: o.money("priceCents"), Interval: Monthly}
		if o.has("interval") {
			p.Interval = Interval(o.text("interval"))
		}
		return p
	case KindTrialExtension:
		return TrialExtension{Days: o.int("days")}
	case KindContact:
		return Contact{URL: o.text("url")}
	case KindRedirect:
		return Redirect{URL: o.text("url")}
	}
	o.fail("kind", "must be one of "+offerKinds)
	return nil
}

// unknownStep keeps what readStep refused.
func unknownStep(raw []byte) Step {
	var s struct {
		Type   StepType        `json:"type"`
		Label  string          `json:"label"`
		Config json.RawMessage `json:"config"`
	}
	// What was stored is JSON; members of another type than expected stay empty.
	_ = json.Unmarshal(raw, &s)
	if len(s.Config) == 0 {
		s.Config = json.RawMessage("{}")
	}
	if s.Type != TypeOffer {
		return UnknownStep{StepType: s.Type, Label: s.Label, Config: s.Config}
	}
	var c struct {
		Kind OfferKind `json:"kind"`
	}
	_ = json.Unmarshal(s.Config, &c)
	return OfferStep{Label: s.Label, Offer: UnknownOffer{Type: c.Kind, Raw: s.Config}}
}

// MarshalJSON writes the share in percent: 30 or 12.5.
func (b BasisPoints) MarshalJSON() ([]byte, error) {
	text := fmt.Sprintf("%d.%02d", b/100, b%100)
	return []byte(strings.TrimSuffix(strings.TrimRight(text, "0"), ".")), nil
}

// parsePercent reads a decimal number with at most two digits after the point.
func parsePercent(s string) (BasisPoints, bool) {
	whole, fraction, _ := strings.Cut(s, ".")
	if len(whole) > 3 || len(fraction) > 2 {
		return 0, false
	}
	n, err := strconv.ParseUint(whole+(fraction + "00")[:2], 10, 32)
	return BasisPoints(n), err == nil
}
