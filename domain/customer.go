package domain

import "strings"

// The limits of a session's metadata.
const (
	maxMetadata      = 50
	maxMetadataKey   = 40
	maxMetadataValue = 500
	maxLocale        = 35
)

// Customer is what the business tells of the customer who wants to cancel.
type Customer struct {
	ID             string // required; the business's own id
	SubscriptionID string
	Currency       Currency          // what MRR is in
	MRR            *int64            // what is paid a month now, in minor units; nil: not told
	ReturnURL      string            // where the flow leads back to
	Country        string            // ISO 3166-1 alpha-2, upper case
	Region         string            // the part of ISO 3166-2 after the hyphen, upper case
	Locale         string            // BCP 47
	Metadata       map[string]string // the business's own; at most 50 entries
}

// Validate reports the first member that breaks a rule as ErrInvalid, by the
// names of the REST contract.
func (c Customer) Validate() error {
	err := firstError(
		CheckText("customerId", c.ID, MaxIDText, true),
		checkOptional("subscriptionId", c.SubscriptionID, MaxIDText),
		checkCode("country", c.Country, 2, 2, upper, "an ISO 3166-1 alpha-2 code in upper case, such as US"),
		checkCode("region", c.Region, 1, 3, upper+digits, "the part of an ISO 3166-2 code after the hyphen, such as MN"),
		checkLocale("locale", c.Locale),
		c.checkMetadata(),
	)
	if err == nil && c.MRR != nil {
		err = checkAmount("mrrCents", *c.MRR)
	}
	if err == nil && c.ReturnURL != "" {
		err = CheckURL("returnUrl", c.ReturnURL, "https", "http")
	}
	if err == nil {
		_, err = ParseCurrency("currency", string(c.Currency))
	}
	return err
}

func (c Customer) checkMetadata() error {
	if len(c.Metadata) > maxMetadata {
		return Invalid("metadata", "must have at most %d members", maxMetadata)
	}
	for key, value := range c.Metadata {
		err := firstError(
			CheckText("metadata", key, maxMetadataKey, true),
			CheckText("metadata."+key, value, maxMetadataValue, false),
		)
		if err != nil {
			return err
		}
	}
	return nil
}

// price returns what the customer pays a month, zero and false if that was not told.
func (c Customer) price() (m Money, known bool) {
	m.Currency = c.Currency
	if c.MRR != nil {
		m.Minor = *c.MRR
	}
	return m, c.MRR != nil
}

// Discounted returns what the customer pays a month now and would pay with the
// discount; known is false if the price was not told.
func (c Customer) Discounted(d Discount) (now, after Money, known bool) {
	now, known = c.price()
	after, err := d.monthly(now, known)
	return now, after, known && err == nil
}

const (
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	lower  = "abcdefghijklmnopqrstuvwxyz"
	digits = "0123456789"
)

// checkCode reports a text, if given, that is not low to high characters of the alphabet.
func checkCode(field, s string, low, high int, alphabet, want string) error {
	if s != "" && (len(s) < low || len(s) > high || strings.Trim(s, alphabet) != "") {
		return Invalid(field, "must be %s", want)
	}
	return nil
}

func checkLocale(field, s string) error {
	const want = "a language tag of BCP 47, such as de or pt-BR"
	if s == "" {
		return nil
	}
	for i, part := range strings.Split(s, "-") {
		alphabet, least := upper+lower+digits, 1
		if i == 0 {
			alphabet, least = upper+lower, 2
		}
		if part == "" || checkCode(field, part, least, 8, alphabet, want) != nil || len(s) > maxLocale {
			return Invalid(field, "must be %s", want)
		}
	}
	return nil
}
