package main

import (
	"fmt"
	"io"
	"time"

	"github.com/retainrabbit/retainrabbit/app"
	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

type statsCmd struct {
	inWorkspace
	Window string `enum:"7d,30d,90d,365d,all" default:"all" help:"Sessions started in that many UTC days with today: ${enum}."`
	asJSON
}

type statsOut struct {
	Window      domain.Window   `json:"window"`
	Sessions    int64           `json:"sessions"`
	Saved       int64           `json:"saved"`
	Canceled    int64           `json:"canceled"`
	Pending     int64           `json:"pending"`
	SaveRate    float64         `json:"saveRate"`
	Interval    [2]float64      `json:"saveRateInterval95"`
	Recovered   int64           `json:"recoveredMrrCents"`
	Definitions []definitionOut `json:"definitions"`
	Currencies  []currencyOut   `json:"currencies"`
}

type definitionOut struct {
	Vendor  string   `json:"vendor"`
	Formula string   `json:"formula"`
	Num     int64    `json:"numerator"`
	Den     int64    `json:"denominator"`
	Rate    *float64 `json:"rate"` // null: not computable
}

type currencyOut struct {
	Currency  domain.Currency `json:"currency"`
	Sessions  int64           `json:"sessions"`
	Recovered int64           `json:"recoveredMrrCents"`
	Paused    int64           `json:"pausedMrrCents"` // part of what is recovered
}

func (c statsCmd) Run(e *env) error {
	return e.withWorkspace(c.inWorkspace, func(store ports.Store, _ *app.App, ws domain.Workspace) error {
		window := domain.Window(c.Window)
		since, err := window.Since(time.Now())
		if err != nil {
			return err
		}
		kept, err := store.Stats(e.ctx, ws.ID, since)
		if err != nil {
			return err
		}
		shown := toStatsOut(window, kept, ws.Currency)
		return c.print(e.stdout, shown, func(out io.Writer) error { return shown.text(out) })
	})
}

func toStatsOut(window domain.Window, kept domain.Stats, currency domain.Currency) statsOut {
	t := kept.Total(currency)
	low, high := t.SaveRate().Wilson()
	out := statsOut{
		Window: window, Sessions: t.Sessions, Saved: t.Saved, Canceled: t.Canceled, Pending: t.Pending(),
		SaveRate: t.SaveRate().Fraction(), Interval: [2]float64{low, high}, Recovered: t.Recovered,
		Currencies: []currencyOut{},
	}
	for _, d := range t.Definitions() {
		shown := definitionOut{Vendor: d.Vendor, Formula: d.Formula, Num: d.Rate.Num, Den: d.Rate.Den}
		if d.Computable {
			rate := d.Rate.Fraction()
			shown.Rate = &rate
		}
		out.Definitions = append(out.Definitions, shown)
	}
	for _, k := range kept {
		out.Currencies = append(out.Currencies, currencyOut{k.Currency, k.Sessions, k.Recovered, k.Paused})
	}
	return out
}

func (s statsOut) text(out io.Writer) error {
	decided := s.Saved + s.Canceled
	fmt.Fprintf(out, "Window %s: %d sessions = %d saved + %d canceled + %d pending\n", s.Window, s.Sessions, s.Saved, s.Canceled, s.Pending)
	fmt.Fprintf(out, "Save rate %.1f %% of n=%d decided (95 %% interval %.1f to %.1f %%)\n\n", 100*s.SaveRate, decided, 100*s.Interval[0], 100*s.Interval[1])
	var rows [][]string
	for _, d := range s.Definitions {
		rate := "not computable from this"
		if d.Rate != nil {
			rate = fmt.Sprintf("%.1f %% (%d/%d)", 100**d.Rate, d.Num, d.Den)
		}
		rows = append(rows, []string{d.Vendor, rate, d.Formula})
	}
	if err := table(out, "DEFINITION RATE FORMULA", rows); err != nil {
		return err
	}
	fmt.Fprintln(out)
	rows = nil
	for _, c := range s.Currencies {
		rows = append(rows, []string{
			fmt.Sprint(c.Sessions), domain.Money{Minor: c.Recovered, Currency: c.Currency}.String(), domain.Money{Minor: c.Paused, Currency: c.Currency}.String(),
		})
	}
	return table(out, "SESSIONS RECOVERED-MRR OF-IT-PAUSED", rows)
}
