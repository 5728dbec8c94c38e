package domain

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// MaxAmount is the largest amount that input may carry, in minor units: sums of
// nine million such amounts still fit an int64.
const MaxAmount = 1_000_000_000_000

// Currency is an ISO 4217 alphabetic code in lower case, such as "usd".
type Currency string

// The active codes of ISO 4217 with another number of decimals than two.
var currencyDecimals = map[Currency]int{
	"bif": 0, "clp": 0, "djf": 0, "gnf": 0, "isk": 0, "jpy": 0, "kmf": 0, "krw": 0,
	"pyg": 0, "rwf": 0, "ugx": 0, "uyi": 0, "vnd": 0, "vuv": 0, "xaf": 0, "xof": 0, "xpf": 0,
	"bhd": 3, "iqd": 3, "jod": 3, "kwd": 3, "lyd": 3, "omr": 3, "tnd": 3,
	"clf": 4, "uyw": 4,
}

// The active codes of ISO 4217 with two decimals.
const twoDecimals = " aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob bov brl bsd btn bwp byn bzd " +
	"cad cdf che chf chw cny cop cou crc cup cve czk dkk dop dzd egp ern etb eur fjd fkp gbp gel ghs gip gmd gtq gyd " +
	"hkd hnl htg huf idr ils inr irr jmd kes kgs khr kpw kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mru " +
	"mur mvr mwk mxn mxv myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln qar ron rsd rub sar sbd scr sdg sek " +
	"sgd shp sle sos srd ssp stn svc syp szl thb tjs tmt top try ttd twd tzs uah usd usn uyu uzs ved ves wst xcd xcg " +
	"yer zar zmw zwg "

// ParseCurrency reads an ISO 4217 code in any case. An unknown code is ErrInvalid.
func ParseCurrency(field, s string) (Currency, error) {
	c := Currency(strings.ToLower(s))
	if _, ok := currencyDecimals[c]; ok || len(c) == 3 && strings.Contains(twoDecimals, " "+string(c)+" ") {
		return c, nil
	}
	return "", Invalid(field, "must be a currency code of ISO 4217, such as usd")
}

// Decimals is the number of digits after the point: 0, 2, 3 or 4.
func (c Currency) Decimals() int {
	if d, ok := currencyDecimals[c]; ok {
		return d
	}
	return 2
}

// BasisPoints is a share in hundredths of a percent: 3000 is 30 %.
type BasisPoints int64

const wholeShare BasisPoints = 10_000

// Money is an amount in the minor unit of its currency (cents for usd, yen for
// jpy). Wherever a share of an amount is not a whole minor unit it is rounded half
// up: the half goes to the larger amount.
type Money struct {
	Minor    int64
	Currency Currency
}

// Add returns m + n. Mixed currencies and an overflow are ErrInvalid.
func (m Money) Add(n Money) (Money, error) {
	if m.Currency != n.Currency {
		return Money{}, Invalid("currency", "cannot add %s to %s", n.Currency, m.Currency)
	}
	if n.Minor > 0 && m.Minor > math.MaxInt64-n.Minor || n.Minor < 0 && m.Minor < math.MinInt64-n.Minor {
		return Money{}, Invalid("amount", "is too large")
	}
	return Money{Minor: m.Minor + n.Minor, Currency: m.Currency}, nil
}

// Sub returns m − n, but not less than zero. Mixed currencies are ErrInvalid.
func (m Money) Sub(n Money) (Money, error) {
	sum, err := m.Add(Money{Minor: -n.Minor, Currency: n.Currency})
	sum.Minor = max(sum.Minor, 0)
	return sum, err
}

// Less returns m reduced by a share of 0 to 10,000 basis points, rounded half up.
// m must be 0 to MaxAmount.
func (m Money) Less(off BasisPoints) Money {
	return Money{Minor: roundHalfUp(m.Minor*int64(wholeShare-off), int64(wholeShare)), Currency: m.Currency}
}

// String writes the amount with its decimals and code, such as "20.00 USD".
func (m Money) String() string {
	code := strings.ToUpper(string(m.Currency))
	d := m.Currency.Decimals()
	if d == 0 {
		return strconv.FormatInt(m.Minor, 10) + " " + code
	}
	scale := int64(math.Pow10(d))
	sign, minor := "", m.Minor
	if minor < 0 {
		sign, minor = "-", -minor
	}
	return fmt.Sprintf("%s%d.%0*d %s", sign, minor/scale, d, minor%scale, code)
}

// roundHalfUp returns n/d rounded half up, for n ≥ 0 and d > 0.
func roundHalfUp(n, d int64) int64 {
	q, r := n/d, n%d
	if r >= d-r {
		q++
	}
	return q
}

func checkAmount(field string, minor int64) error {
	if minor < 0 || minor > MaxAmount {
		return Invalid(field, "must be 0 to %d, in minor units of the currency", int64(MaxAmount))
	}
	return nil
}
