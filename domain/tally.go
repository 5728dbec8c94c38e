package domain

import "time"

// Tally counts sessions and sums what they recovered, all in one currency. The
// pending ones are not counted by themselves, so that saved + canceled + pending
// is always sessions.
type Tally struct {
	Sessions  int64
	Answered  int64 // the customer did something; the others bounced
	Saved     int64
	Accepted  int64 // saved by an offer; the other saved ones chose to keep
	Canceled  int64
	Recovered int64 // MRR of the saved, minor units
	Paused    int64 // the part of Recovered that is paused
}

// Tally counts this one session.
func (s Session) Tally() Tally {
	t := Tally{Sessions: 1, Answered: count(s.Answered), Recovered: s.Recovered.Minor}
	switch s.Outcome {
	case Saved:
		t.Saved, t.Accepted = 1, count(s.Choice == ChoseOffer)
	case Canceled:
		t.Canceled = 1
	}
	if s.Accepted == KindPause {
		t.Paused = t.Recovered
	}
	return t
}

func count(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

// Pending is how many sessions are not decided.
func (t Tally) Pending() int64 { return t.Sessions - t.Saved - t.Canceled }

// Bounced is how many sessions saw no action of the customer.
func (t Tally) Bounced() int64 { return t.Sessions - t.Answered }

// Add returns the sum of two tallies in the same currency.
func (t Tally) Add(u Tally) Tally {
	return Tally{
		Sessions: t.Sessions + u.Sessions, Answered: t.Answered + u.Answered,
		Saved: t.Saved + u.Saved, Accepted: t.Accepted + u.Accepted, Canceled: t.Canceled + u.Canceled,
		Recovered: t.Recovered + u.Recovered, Paused: t.Paused + u.Paused,
	}
}

// Sub returns t − u: what changed between two tallies of the same session.
func (t Tally) Sub(u Tally) Tally {
	return t.Add(Tally{
		Sessions: -u.Sessions, Answered: -u.Answered, Saved: -u.Saved, Accepted: -u.Accepted, Canceled: -u.Canceled,
		Recovered: -u.Recovered, Paused: -u.Paused,
	})
}

// SaveRate is RetainRabbit's save rate: saved of those decided.
func (t Tally) SaveRate() Rate { return Rate{Num: t.Saved, Den: t.Saved + t.Canceled} }

// Definition is one vendor's way to count a save rate, applied to a tally.
type Definition struct {
	Vendor     string
	Formula    string
	Rate       Rate
	Computable bool // false: the tally does not hold what the definition needs
}

// Definitions applies every definition in public use to the tally, by the vendors'
// own documentation of 2026. Churnkey's "abandoned" are our pending sessions with
// an answer.
func (t Tally) Definitions() []Definition {
	open := t.Sessions - t.Canceled
	return []Definition{
		{"RetainRabbit", "saved / (saved + canceled)", t.SaveRate(), true},
		{"Churnkey", "not canceled / (all − bounced), abandoned counts as saved", Rate{open - t.Bounced(), t.Answered}, true},
		{"Stay AI", "not canceled / all", Rate{open, t.Sessions}, true},
		{"Churn.io, LostChurn", "accepted / all", Rate{t.Accepted, t.Sessions}, true},
		{"Chargebee", "not canceled in billing after 30 days, unique customers", Rate{}, false},
	}
}

// Stats are the tallies of a workspace's live sessions, one for each currency.
type Stats []CurrencyTally

// CurrencyTally is the tally of the sessions in one currency.
type CurrencyTally struct {
	Currency Currency
	Tally
}

// Total sums the counts of all currencies. Its amounts are those of c alone.
func (s Stats) Total(c Currency) Tally {
	var sum Tally
	for _, t := range s {
		if t.Currency != c {
			t.Recovered, t.Paused = 0, 0
		}
		sum = sum.Add(t.Tally)
	}
	return sum
}

// Day is a UTC day: days since 1970-01-01.
type Day int64

// DayOf returns the UTC day that t falls on.
func DayOf(t time.Time) Day { return Day(t.Unix() / (24 * 60 * 60)) }

// Window names a span of time that stats are asked for.
type Window string

// Since returns the first day of the window that ends with today, or 0 for all
// time. Another window than 7d, 30d, 90d, 365d and all is ErrInvalid.
func (w Window) Since(now time.Time) (Day, error) {
	today := DayOf(now)
	switch w {
	case WindowAll:
		return 0, nil
	case "7d":
		return today - 6, nil
	case "30d":
		return today - 29, nil
	case "90d":
		return today - 89, nil
	case "365d":
		return today - 364, nil
	}
	return 0, Invalid("window", "must be 7d, 30d, 90d, 365d or all")
}

// WindowAll is the window of all time, the default.
const WindowAll Window = "all"
