package httpapi

import (
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"github.com/retainrabbit/retainrabbit/domain"
)

// flowItem is a flow in a list.
type flowItem struct {
	ID        domain.FlowID     `json:"id"`
	Name      string            `json:"name"`
	Slug      string            `json:"slug"`
	Status    domain.FlowStatus `json:"status"`
	UpdatedAt timestamp         `json:"updatedAt"`
}

// flowDetail is one flow with its steps.
type flowDetail struct {
	flowItem
	Steps     domain.Steps `json:"steps"`
	HostedURL string       `json:"hostedUrl"`
}

func toFlowItem(f domain.Flow) flowItem {
	return flowItem{ID: f.ID, Name: f.Name, Slug: f.Slug, Status: f.Status, UpdatedAt: timestamp(f.UpdatedAt)}
}

func (a *api) listFlows(w http.ResponseWriter, r *http.Request, c *caller) error {
	flows, err := a.Store.Flows(r.Context(), c.workspace.ID)
	if err != nil {
		return err
	}
	items := make([]flowItem, len(flows))
	for i, f := range flows {
		items[i] = toFlowItem(f)
	}
	return ok(w, items)
}

func (a *api) getFlow(w http.ResponseWriter, r *http.Request, c *caller) error {
	id := mux.Vars(r)["id"]
	if !domain.ValidID(id) {
		return domain.NotFound("flow")
	}
	f, err := a.Store.Flow(r.Context(), c.workspace.ID, domain.FlowID(id))
	if err != nil {
		return err
	}
	return ok(w, flowDetail{toFlowItem(f), f.Steps, domain.HostedURL(a.BaseURL, f.WorkspaceID, f.ID)})
}

// timestamp encodes as RFC 3339 in UTC with whole seconds.
type timestamp time.Time

func (t timestamp) append(b []byte) []byte {
	return time.Time(t).UTC().AppendFormat(b, `"2006-01-02T15:04:05Z"`)
}

// MarshalJSON implements json.Marshaler.
func (t timestamp) MarshalJSON() ([]byte, error) { return t.append(nil), nil }
