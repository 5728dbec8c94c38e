package domain_test

import (
	"math"
	"testing"

	"github.com/matryer/is"
	"pgregory.net/rapid"

	"github.com/retainrabbit/retainrabbit/domain"
)

func TestFractionIsHalfUpToThreeDecimals(t *testing.T) {
	for _, c := range []struct {
		num, den int64
		want     float64
	}{
		{494, 1284, 0.385}, {1, 16, 0.063}, {0, 0, 0}, {0, 7, 0}, {7, 7, 1}, {1, 3, 0.333}, {2, 3, 0.667}, {1, 2000, 0.001}, {1, 2001, 0},
	} {
		is := is.New(t)
		is.Equal(domain.Rate{Num: c.num, Den: c.den}.Fraction(), c.want)
	}
}

// The vectors are from R's binom.confint and statsmodels' tests.
func TestWilson(t *testing.T) {
	for _, c := range []struct {
		num, den  int64
		low, high float64
		tolerance float64
	}{
		{18, 20, 0.6989663547715128, 0.972133518786232, 1e-12},
		{4, 20, 0.0806576625797981, 0.4160174322518935, 1e-12},
		{4, 200, 0.00780442641634947, 0.05028708690582643, 1e-12},
		{190, 200, 0.910421851861224, 0.972617354399236, 1e-12},
		{0, 30, 0, 0.11351339, 1e-8},
		{30, 30, 0.8864866, 1, 1e-7},
		{0, 0, 0, 1, 0},
	} {
		low, high := domain.Rate{Num: c.num, Den: c.den}.Wilson()
		if math.Abs(low-c.low) > c.tolerance || math.Abs(high-c.high) > c.tolerance {
			t.Errorf("Wilson(%d/%d) = %v, %v, want %v, %v", c.num, c.den, low, high, c.low, c.high)
		}
	}
	is := is.New(t)
	_, high := domain.Rate{Num: 30, Den: 30}.Wilson()
	is.Equal(high, 1.0) // exactly: floats would give 1.0000000000000002
	low, _ := domain.Rate{Num: 0, Den: 30}.Wilson()
	is.Equal(low, 0.0)
}

func TestWilsonHoldsTheRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		den := rapid.Int64Range(1, 1_000_000).Draw(t, "den")
		r := domain.Rate{Num: rapid.Int64Range(0, den).Draw(t, "num"), Den: den}
		low, high := r.Wilson()
		p := float64(r.Num) / float64(r.Den)
		if low < 0 || high > 1 || p < low || p > high {
			t.Fatalf("%v is not in [%v, %v], or that is not in [0, 1]", p, low, high)
		}
	})
}

// Churnkey's published example: 400 sessions.
func TestDefinitions(t *testing.T) {
	is := is.New(t)
	tally := domain.Tally{Sessions: 400, Answered: 390, Saved: 100, Accepted: 100, Canceled: 200}
	is.Equal(tally.Pending(), int64(100)) // 90 abandoned, 10 bounced
	is.Equal(tally.Bounced(), int64(10))
	want := map[string]domain.Rate{
		"RetainRabbit": {Num: 100, Den: 300}, "Churnkey": {Num: 190, Den: 390}, "Stay AI": {Num: 200, Den: 400}, "Churn.io, LostChurn": {Num: 100, Den: 400},
	}
	fractions := map[string]float64{"RetainRabbit": 0.333, "Churnkey": 0.487, "Stay AI": 0.5, "Churn.io, LostChurn": 0.25}
	for _, d := range tally.Definitions() {
		is.Equal(d.Computable, d.Vendor != "Chargebee")
		is.Equal(d.Rate, want[d.Vendor])
		is.Equal(d.Rate.Fraction(), fractions[d.Vendor])
	}
	is.Equal(len(tally.Definitions()), 5)
}
