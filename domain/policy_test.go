package domain_test

import (
	"testing"

	"github.com/matryer/is"
	"pgregory.net/rapid"

	"github.com/retainrabbit/retainrabbit/domain"
)

func TestPolicyFor(t *testing.T) {
	for name, c := range map[string]struct{ country, region, locale, want string }{
		"nothing known":                {"", "", "", "default/1"},
		"California":                   {"US", "CA", "", "us-ca/1"},
		"New York":                     {"US", "NY", "", "us-ny/1"},
		"Minnesota":                    {"US", "MN", "", "us-mn/1"},
		"another state":                {"US", "TX", "", "default/1"},
		"a country without its region": {"US", "", "", "default/1"},
		"the region of elsewhere":      {"CA", "MN", "", "default/1"},
		"Germany":                      {"DE", "", "", "de/1"},
		"a German state":               {"DE", "BY", "", "de/1"},
		"by locale":                    {"", "", "de-DE", "de/1"},
		"by locale, any case":          {"", "", "de-Latn-de", "de/1"},
		"a language is no place":       {"", "", "de", "default/1"},
		"an extension is no place":     {"", "", "en-u-de", "default/1"},
		"the address before the tag":   {"US", "MN", "de-DE", "us-mn/1"},
		"the address, unknown to us":   {"FR", "", "de-DE", "default/1"},
	} {
		t.Run(name, func(t *testing.T) {
			is.New(t).Equal(domain.PolicyFor(c.country, c.region, c.locale).Ref(), c.want)
		})
	}
}

// In Minnesota nobody is made an offer on the way out, whatever they answer.
func TestNoOfferOnTheWayOut(t *testing.T) {
	flow := flowOf(t, why, domain.OfferStep{Label: "o", Offer: domain.Pause{Months: 1}})
	straight := flowOf(t, domain.OfferStep{Label: "o", Offer: domain.Pause{Months: 1}})
	rapid.Check(t, func(t *rapid.T) {
		is := is.New(t)
		region := rapid.SampledFrom([]string{"MN", "CA", "NY", "TX", ""}).Draw(t, "region")
		reason := rapid.SampledFrom(append([]string{""}, why.Options...)).Draw(t, "reason")
		start := domain.Start{ID: sessionID, Mode: domain.Live, Customer: domain.Customer{ID: "c", Currency: "usd", Country: "US", Region: region}, At: began, LinkExpiresAt: began}
		s, err := domain.StartSession(flow, start)
		is.NoErr(err)
		s, e, err := s.Answer(flow.Steps, reason, "", began)
		is.NoErr(err)
		is.Equal(s.Stage == domain.StageConfirm, region == "MN")
		is.Equal(e.Data.Policy, s.Customer.Policy().Ref()) // the evidence says under which rules
		s, err = domain.StartSession(straight, start)
		is.NoErr(err)
		is.Equal(s.Stage == domain.StageConfirm, region == "MN")
		_, _, err = s.Accept(straight.Steps, began)
		is.Equal(err != nil, region == "MN")
	})
}
