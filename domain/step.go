package domain

import (
	"slices"
	"strconv"
	"strings"
)

// StepType names the variants of Step as flow documents do.
type StepType string

// The types of step.
const (
	TypeSurvey       StepType = "survey"
	TypeOffer        StepType = "offer"
	TypeConfirmation StepType = "confirmation"
)

// Step is one step of a flow. It is a closed set: [Survey], [OfferStep],
// [Confirmation] and [UnknownStep].
type Step interface {
	Type() StepType
	validate(path string) error
}

// Survey asks why.
type Survey struct {
	Label   string
	Options []string // the reasons to choose from, 1 to 30, no two alike
}

// OfferStep makes one offer.
type OfferStep struct {
	Label   string
	Message string   // the merchant's own words, may be empty
	Reasons []string // the reasons it answers; none: any reason that no other offer answers
	Offer   Offer
}

// Confirmation is the page that ends the flow.
type Confirmation struct {
	Label   string
	Message string
}

// UnknownStep is a step of a type that a newer version stored. It is kept as it is
// and never shown.
type UnknownStep struct {
	StepType StepType
	Label    string
	Config   []byte // JSON
}

// Type names the variant.
func (Survey) Type() StepType { return TypeSurvey }

// Type names the variant.
func (OfferStep) Type() StepType { return TypeOffer }

// Type names the variant.
func (Confirmation) Type() StepType { return TypeConfirmation }

// Type is the type that the newer version stored.
func (s UnknownStep) Type() StepType { return s.StepType }

const (
	maxSteps   = 30
	maxOptions = 30
)

func (s Survey) validate(path string) error {
	if err := checkLine(path+".label", s.Label, MaxName); err != nil {
		return err
	}
	return checkOptions(path+".config.options", s.Options, 1)
}

func (s OfferStep) validate(path string) error {
	err := firstError(
		checkLine(path+".label", s.Label, MaxName),
		checkOptional(path+".config.message", s.Message, MaxMessage),
		checkOptions(path+".config.reasons", s.Reasons, 0),
	)
	if err != nil {
		return err
	}
	if s.Offer == nil {
		return Invalid(path+".config.kind", "must be one of %s", offerKinds)
	}
	return s.Offer.validate(path + ".config")
}

func (s Confirmation) validate(path string) error {
	return firstError(
		checkLine(path+".label", s.Label, MaxName),
		checkOptional(path+".config.message", s.Message, MaxMessage),
	)
}

func (s UnknownStep) validate(path string) error {
	return Invalid(path+".type", "must be survey, offer or confirmation")
}

func checkOptions(path string, options []string, least int) error {
	if len(options) < least || len(options) > maxOptions {
		return Invalid(path, "must have %d to %d entries", least, maxOptions)
	}
	for i, option := range options {
		field := indexed(path, i)
		if err := checkLine(field, option, MaxOption); err != nil {
			return err
		}
		if slices.ContainsFunc(options[:i], sameReason(option)) {
			return Invalid(field, "repeats an earlier entry")
		}
	}
	return nil
}

// SameReason compares reasons as customers and programs write them: the case and
// the blanks around them do not matter.
func SameReason(a, b string) bool {
	return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b))
}

func sameReason(reason string) func(string) bool {
	return func(other string) bool { return SameReason(reason, other) }
}

// Steps are the steps of one version of a flow, in order.
type Steps []Step

// Validate reports the first field that breaks a rule as ErrInvalid: a flow has 1
// to 30 steps, at most one survey, which stands before every offer, and at most
// one confirmation, which stands last; the reasons of an offer are options of the
// survey.
func (ss Steps) Validate() error {
	if len(ss) == 0 || len(ss) > maxSteps {
		return Invalid("steps", "must have 1 to %d entries", maxSteps)
	}
	for i, step := range ss {
		path := indexed("steps", i)
		if err := firstError(step.validate(path), ss.validateOrder(path, i)); err != nil {
			return err
		}
	}
	return nil
}

func (ss Steps) validateOrder(path string, i int) error {
	switch step := ss[i].(type) {
	case Survey:
		if i > 0 {
			return Invalid(path+".type", "a survey must be the first step, and the only survey")
		}
	case Confirmation:
		if i != len(ss)-1 {
			return Invalid(path+".type", "a confirmation must be the last step")
		}
	case OfferStep:
		survey, asked := ss.Survey()
		for r, reason := range step.Reasons {
			if asked && !slices.ContainsFunc(survey.Options, sameReason(reason)) {
				return Invalid(indexed(path+".config.reasons", r), "must be one of the survey's options")
			}
		}
	}
	return nil
}

// Survey returns the flow's survey, if it has one.
func (ss Steps) Survey() (Survey, bool) { return firstStep[Survey](ss) }

// Confirmation returns the flow's last page, if it has one.
func (ss Steps) Confirmation() (Confirmation, bool) { return firstStep[Confirmation](ss) }

// OfferAt returns the offer that stands at index i.
func (ss Steps) OfferAt(i int) (OfferStep, bool) {
	if i < 0 || i >= len(ss) {
		return OfferStep{}, false
	}
	step, ok := ss[i].(OfferStep)
	return step, ok
}

// Route returns the index of the one offer that fits: the first that names the
// reason, or else the first that names none. An offer in another currency than c
// is passed over. It is −1 if no offer fits.
func (ss Steps) Route(reason string, c Currency) int {
	fallback := noOffer
	for i := range ss {
		step, ok := ss.OfferAt(i)
		if !ok || !step.Offer.eligible(c) {
			continue
		}
		if reason != "" && slices.ContainsFunc(step.Reasons, sameReason(reason)) {
			return i
		}
		if len(step.Reasons) == 0 && fallback == noOffer {
			fallback = i
		}
	}
	return fallback
}

// noOffer stands for the index of an offer where there is none.
const noOffer = -1

func firstStep[T Step](ss Steps) (T, bool) {
	for _, step := range ss {
		if found, ok := step.(T); ok {
			return found, true
		}
	}
	var none T
	return none, false
}

func indexed(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
