package httpapi

import (
	"net/http"
	"time"

	"github.com/retainrabbit/retainrabbit/domain"
)

// stats is the workspace's summary.
type stats struct {
	RecoveredMRRCents int64         `json:"recoveredMrrCents"`
	SaveRate          float64       `json:"saveRate"`
	Sessions          int64         `json:"sessions"`
	Saved             int64         `json:"saved"`
	Canceled          int64         `json:"canceled"`
	Pending           int64         `json:"pending"`
	Window            domain.Window `json:"window"`
}

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
	t := kept.Total(c.workspace.Currency)
	return ok(w, stats{
		RecoveredMRRCents: t.Recovered, SaveRate: t.SaveRate().Fraction(),
		Sessions: t.Sessions, Saved: t.Saved, Canceled: t.Canceled, Pending: t.Pending(), Window: window,
	})
}
