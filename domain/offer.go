package domain

// OfferKind names the variants of Offer as flow documents do.
type OfferKind string

// The kinds of offer.
const (
	KindDiscount       OfferKind = "discount"
	KindPause          OfferKind = "pause"
	KindPlanChange     OfferKind = "plan_change"
	KindTrialExtension OfferKind = "trial_extension"
	KindContact        OfferKind = "contact"
	KindRedirect       OfferKind = "redirect"
)

// Offer is what a business proposes instead of cancelling. It is a closed set:
// [Discount], [Pause], [PlanChange], [TrialExtension], [Contact], [Redirect] and
// [UnknownOffer].
type Offer interface {
	Kind() OfferKind
	validate(path string) error
	// eligible reports whether the offer can be made in a session of that currency.
	eligible(c Currency) bool
	// monthly is what a customer who accepts goes on paying a month. price is what
	// is paid now; known is false, and price zero, where that was not told.
	monthly(price Money, known bool) (Money, error)
}

// Discount takes a share or an amount off, for some months or for ever.
type Discount struct {
	Percent BasisPoints // 1 to 10,000; 0 if Amount is set
	Amount  Money       // what is taken off a month; zero if Percent is set
	Months  int         // 1 to 120; 0: for ever
}

// Pause stops billing for some months.
type Pause struct {
	Months int // 1 to 24
}

// PlanChange moves the customer to another plan.
type PlanChange struct {
	PlanID   string // the plan's id at the business's billing provider
	PlanName string // as the customer is to read it
	Price    Money  // per Interval
	Interval Interval
}

// TrialExtension prolongs the trial.
type TrialExtension struct {
	Days int // 1 to 365
}

// Contact puts the customer in touch with a person.
type Contact struct {
	URL string // https, http or mailto
}

// Redirect sends the customer to a page of the business.
type Redirect struct {
	URL string // https or http
}

// UnknownOffer is an offer of a kind that a newer version stored. It is kept as it
// is and never made.
type UnknownOffer struct {
	Type OfferKind
	Raw  []byte // the whole config, JSON
}

// Interval is how often a price is paid.
type Interval string

// The intervals.
const (
	Monthly Interval = "month"
	Yearly  Interval = "year"
)

// Kind names the variant.
func (Discount) Kind() OfferKind { return KindDiscount }

// Kind names the variant.
func (Pause) Kind() OfferKind { return KindPause }

// Kind names the variant.
func (PlanChange) Kind() OfferKind { return KindPlanChange }

// Kind names the variant.
func (TrialExtension) Kind() OfferKind { return KindTrialExtension }

// Kind names the variant.
func (Contact) Kind() OfferKind { return KindContact }

// Kind names the variant.
func (Redirect) Kind() OfferKind { return KindRedirect }

// Kind is the kind that the newer version stored.
func (o UnknownOffer) Kind() OfferKind { return o.Type }

func (o Discount) validate(path string) error {
	switch hasPercent, hasAmount := o.Percent != 0, o.Amount != (Money{}); {
	case hasPercent == hasAmount:
		return Invalid(path+".percentOff", "give exactly one of percentOff and amountOffCents")
	case hasPercent && (o.Percent < 1 || o.Percent > wholeShare):
		return Invalid(path+".percentOff", "must be more than 0 and at most 100")
	case hasAmount && o.Amount.Minor < 1:
		return Invalid(path+".amountOffCents", "must be at least 1")
	case o.Months < 0 || o.Months > 120:
		return Invalid(path+".months", "must be 1 to 120, or absent for a discount that lasts for ever")
	case hasAmount:
		return checkPrice(path, "amountOffCents", o.Amount)
	}
	return nil
}

func (o Pause) validate(path string) error {
	return checkRange(path+".months", o.Months, 1, 24)
}

func (o PlanChange) validate(path string) error {
	if o.Interval != Monthly && o.Interval != Yearly {
		return Invalid(path+".interval", "must be month or year")
	}
	return firstError(
		CheckText(path+".planId", o.PlanID, MaxIDText, true),
		checkLine(path+".planName", o.PlanName, MaxName),
		checkPrice(path, "priceCents", o.Price),
	)
}

func (o TrialExtension) validate(path string) error {
	return checkRange(path+".days", o.Days, 1, 365)
}

func (o Contact) validate(path string) error {
	return CheckURL(path+".url", o.URL, "https", "http", "mailto")
}

func (o Redirect) validate(path string) error { return CheckURL(path+".url", o.URL, "https", "http") }

func (o UnknownOffer) validate(path string) error {
	return Invalid(path+".kind", "must be one of %s", offerKinds)
}

func (o Discount) eligible(c Currency) bool {
	return o.Amount == (Money{}) || o.Amount.Currency == c
}
func (Pause) eligible(Currency) bool          { return true }
func (o PlanChange) eligible(c Currency) bool { return o.Price.Currency == c }
func (TrialExtension) eligible(Currency) bool { return true }
func (Contact) eligible(Currency) bool        { return true }
func (Redirect) eligible(Currency) bool       { return true }
func (UnknownOffer) eligible(Currency) bool   { return false }

func (o Discount) monthly(price Money, known bool) (Money, error) {
	if !known || o.Percent != 0 {
		return price.Less(o.Percent), nil
	}
	return price.Sub(o.Amount)
}

func (o PlanChange) monthly(Money, bool) (Money, error) {
	if o.Interval == Yearly {
		return Money{Minor: roundHalfUp(o.Price.Minor, 12), Currency: o.Price.Currency}, nil
	}
	return o.Price, nil
}

func (Pause) monthly(price Money, _ bool) (Money, error)          { return price, nil }
func (TrialExtension) monthly(price Money, _ bool) (Money, error) { return price, nil }
func (Contact) monthly(price Money, _ bool) (Money, error)        { return price, nil }
func (Redirect) monthly(price Money, _ bool) (Money, error)       { return price, nil }
func (UnknownOffer) monthly(price Money, _ bool) (Money, error)   { return price, nil }

func checkPrice(path, member string, m Money) error {
	_, err := ParseCurrency(path+".currency", string(m.Currency))
	return firstError(err, checkAmount(path+"."+member, m.Minor))
}

func checkRange(field string, n, low, high int) error {
	if n < low || n > high {
		return Invalid(field, "must be %d to %d", low, high)
	}
	return nil
}
