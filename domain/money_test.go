package domain_test

import (
	"math"
	"math/big"
	"testing"

	"github.com/matryer/is"
	"pgregory.net/rapid"

	"github.com/retainrabbit/retainrabbit/domain"
)

func TestMoneyString(t *testing.T) {
	for want, m := range map[string]domain.Money{
		"20.00 USD": {Minor: 2000, Currency: "usd"}, "0.05 EUR": {Minor: 5, Currency: "eur"}, "500 JPY": {Minor: 500, Currency: "jpy"},
		"1.005 KWD": {Minor: 1005, Currency: "kwd"}, "0.000 BHD": {Currency: "bhd"}, "-1.50 USD": {Minor: -150, Currency: "usd"},
	} {
		is := is.New(t)
		is.Equal(m.String(), want)
	}
}

func TestParseCurrency(t *testing.T) {
	is := is.New(t)
	for in, decimals := range map[string]int{"usd": 2, "EUR": 2, "Jpy": 0, "KWD": 3, "clf": 4} {
		c, err := domain.ParseCurrency("currency", in)
		is.NoErr(err)
		is.Equal(c.Decimals(), decimals)
	}
	for _, in := range []string{"", "us", "usdd", "xyz", " usd", "us ", "d a", "€"} {
		_, err := domain.ParseCurrency("currency", in)
		is.Equal(domain.KindOf(err), domain.ErrInvalid) // such a code
	}
}

func TestMixedCurrenciesRefuse(t *testing.T) {
	is := is.New(t)
	usd, eur := domain.Money{Minor: 1, Currency: "usd"}, domain.Money{Minor: 1, Currency: "eur"}
	_, err := usd.Add(eur)
	is.Equal(domain.KindOf(err), domain.ErrInvalid)
	_, err = usd.Sub(eur)
	is.Equal(domain.KindOf(err), domain.ErrInvalid)
	_, err = domain.Money{Minor: math.MaxInt64, Currency: "usd"}.Add(usd)
	is.Equal(domain.KindOf(err), domain.ErrInvalid) // overflow
}

// Less is exact: it equals the rational number rounded half up.
func TestLessRoundsHalfUp(t *testing.T) {
	is := is.New(t)
	is.Equal(domain.Money{Minor: 5, Currency: "jpy"}.Less(5000).Minor, int64(3)) // 2.5 goes up
	is.Equal(domain.Money{Minor: 2500, Currency: "usd"}.Less(3000).Minor, int64(1750))
	rapid.Check(t, func(t *rapid.T) {
		m := domain.Money{Minor: rapid.Int64Range(0, domain.MaxAmount).Draw(t, "minor"), Currency: "usd"}
		off := rapid.Int64Range(0, 10_000).Draw(t, "off")
		exact := new(big.Rat).Mul(new(big.Rat).SetInt64(m.Minor), big.NewRat(10_000-off, 10_000))
		exact.Add(exact, big.NewRat(1, 2))
		want := new(big.Int).Div(exact.Num(), exact.Denom()).Int64() // the floor of x + ½
		if got := m.Less(domain.BasisPoints(off)).Minor; got != want {
			t.Fatalf("got %d, want %d", got, want)
		}
	})
}
