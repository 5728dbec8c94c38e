package httpapi

import (
	"net/http"
	"strconv"
	"time"

	"github.com/retainrabbit/retainrabbit/adapters/internal/web"
	"github.com/retainrabbit/retainrabbit/domain"
)

func (a *api) getStats(w http.ResponseWriter, r *http.Request, c *caller) error {
	window := domain.WindowAll
	if r.URL.RawQuery != "" {
		if values, ok := r.URL.Query()["window"]; ok {
			window = domain.Window(values[0])
		}
	}
	since, err := window.Since(time.Now())
	if err != nil {
		return err
	}
	kept, err := a.Store.Stats(r.Context(), c.workspace.ID, since)
	if err != nil {
		return err
	}
	writeData(w, http.StatusOK, appendStats(make([]byte, 0, statsSize), kept.Total(c.workspace.Currency), window))
	return nil
}

const statsSize = 192 // bytes that the answer usually takes

// appendStats writes the summary, by hand as appendSession does.
func appendStats(b []byte, t domain.Tally, window domain.Window) []byte {
	b = append(b, envelopeOpen+`{"recoveredMrrCents":`...)
	b = strconv.AppendInt(b, t.Recovered, 10)
	b = append(b, `,"saveRate":`...)
	b = strconv.AppendFloat(b, t.SaveRate().Fraction(), 'f', -1, 64)
	for _, count := range []struct {
		name string
		n    int64
	}{{"sessions", t.Sessions}, {"saved", t.Saved}, {"canceled", t.Canceled}, {"pending", t.Pending()}} {
		b = append(b, `,"`+count.name+`":`...)
		b = strconv.AppendInt(b, count.n, 10)
	}
	b = append(b, `,"window":`...)
	return append(web.AppendText(b, string(window)), '}')
}
