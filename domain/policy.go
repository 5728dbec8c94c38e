package domain

import (
	"strconv"
	"strings"
)

// OfferRule says when a save offer may be shown to somebody who is cancelling.
type OfferRule string

// The rules, the strictest last.
const (
	// OffersBesideExit allows an offer on a screen that has the way to cancel beside it.
	OffersBesideExit OfferRule = "beside_exit"
	// OffersAfterCancel allows none until the cancellation is made.
	OffersAfterCancel OfferRule = "after_cancel"
)

// Policy is what the law of a place asks of a cancel flow. It is an engineer's
// reading, not legal advice. A policy that is changed gets the next version, and
// the evidence of each session names the one that it was shown under.
type Policy struct {
	ID        string // such as us-ca
	Version   int
	Law       string // what it reads
	Offers    OfferRule
	Retention int // years for which evidence is to be kept at least; 0: none known
}

// Ref names the policy with its version, as evidence does: us-ca/1.
func (p Policy) Ref() string { return p.ID + "/" + strconv.Itoa(p.Version) }

// defaultPolicy is for every place that has none of its own, and for customers of
// whom no place is known: the strictest that still works everywhere.
var defaultPolicy = Policy{ID: "default", Version: 1, Law: "none in particular: the exit stands beside every offer", Offers: OffersBesideExit}

// policies are by country and region, as ISO 3166-2 writes them.
var policies = map[string]Policy{
	"US-CA": {ID: "us-ca", Version: 1, Law: "California, AB 2863", Offers: OffersBesideExit, Retention: 3},
	"US-NY": {ID: "us-ny", Version: 1, Law: "New York, GBL 527-a", Offers: OffersBesideExit},
	"US-MN": {ID: "us-mn", Version: 1, Law: "Minnesota, 325G", Offers: OffersAfterCancel},
	"DE":    {ID: "de", Version: 1, Law: "Germany, § 312k BGB", Offers: OffersBesideExit},
}

// PolicyFor returns the policy of a place: that of the region (ISO 3166-2 after the
// hyphen) in the country (ISO 3166-1 alpha-2), else that of the country. Where no
// country is known the locale's (BCP 47) stands for it.
func PolicyFor(country, region, locale string) Policy {
	if country == "" {
		country = localeCountry(locale)
	}
	if p, ok := policies[country+"-"+region]; ok {
		return p
	}
	if p, ok := policies[country]; ok {
		return p
	}
	return defaultPolicy
}

// localeCountry is the country of a language tag such as de-DE or sr-Latn-RS, empty
// if it has none.
func localeCountry(locale string) string {
	parts := strings.Split(locale, "-")
	for _, part := range parts[1:] {
		if len(part) == 1 { // extensions begin
			break
		}
		if len(part) == 2 {
			return strings.ToUpper(part)
		}
	}
	return ""
}

// Policy is what the law of the customer's place asks.
func (c Customer) Policy() Policy { return PolicyFor(c.Country, c.Region, c.Locale) }
