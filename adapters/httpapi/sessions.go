package httpapi

import (
	"crypto/sha256"
	"net/http"
	"strconv"
	"strings"

	"github.com/gorilla/mux"

	"github.com/retainrabbit/retainrabbit/adapters/internal/web"
	"github.com/retainrabbit/retainrabbit/app"
	"github.com/retainrabbit/retainrabbit/domain"
)

// appendSession writes what a business reads of a session. The list holds a
// hundred of them, where encoding/json by reflection is a large part of the cost.
func appendSession(b []byte, s *domain.SessionResult) []byte {
	b = append(b, `{"id":`...)
	b = web.AppendText(b, string(s.ID))
	b = append(b, `,"customerId":`...)
	b = web.AppendText(b, s.CustomerID)
	b = append(b, `,"reason":`...)
	if s.Reason == "" {
		b = append(b, "null"...)
	} else {
		b = web.AppendText(b, s.Reason)
	}
	b = append(b, `,"outcome":`...)
	b = web.AppendText(b, string(s.Outcome))
	b = append(b, `,"recoveredMrrCents":`...)
	b = strconv.AppendInt(b, s.Recovered.Minor, 10)
	b = append(b, `,"createdAt":`...)
	b = timestamp(s.CreatedAt).append(b)
	return append(b, '}')
}

const (
	envelopeOpen = `{"data":`
	sessionSize  = 256 // bytes that one usually takes
)

// writeData closes an envelope that was opened by hand, and answers with it.
func writeData(w http.ResponseWriter, status int, body []byte) {
	web.WriteBytes(w, status, "application/json", append(body, "}\n"...))
}

// recentSessions is how many sessions the list holds at most.
const recentSessions = 100

func (a *api) listSessions(w http.ResponseWriter, r *http.Request, c *caller) error {
	results, err := a.Store.RecentSessions(r.Context(), c.workspace.ID, recentSessions)
	if err != nil {
		return err
	}
	body := append(make([]byte, 0, len(results)*sessionSize+len(envelopeOpen)), envelopeOpen+"["...)
	for i := range results {
		if i > 0 {
			body = append(body, ',')
		}
		body = appendSession(body, &results[i])
	}
	writeData(w, http.StatusOK, append(body, ']'))
	return nil
}

func (a *api) getSession(w http.ResponseWriter, r *http.Request, c *caller) error {
	id := mux.Vars(r)["id"]
	if !domain.ValidID(id) {
		return domain.NotFound("session")
	}
	result, err := a.Store.SessionResult(r.Context(), c.workspace.ID, domain.SessionID(id))
	if err != nil {
		return err
	}
	body := appendSession(append(make([]byte, 0, sessionSize), envelopeOpen...), &result)
	writeData(w, http.StatusOK, body)
	return nil
}

func (a *api) startSession(w http.ResponseWriter, r *http.Request, c *caller) error {
	body, err := web.ReadJSON(w, r)
	if err != nil {
		return err
	}
	req, err := parseStart(body)
	if err != nil {
		return err
	}
	if req.IdempotencyKey, err = idempotencyKey(r); err != nil {
		return err
	}
	req.Workspace, req.Mode, req.Digest = c.workspace, c.key.Mode, sha256.Sum256(body)
	s, err := a.App.StartSession(r.Context(), req)
	if err != nil {
		return err
	}
	link, err := s.Link().URL(a.BaseURL, c.workspace.LinkSecret)
	if err != nil {
		return err
	}
	w.Header().Set("Location", a.BaseURL+"/api/v1/sessions/"+string(s.ID))
	writeData(w, http.StatusCreated, appendStarted(make([]byte, 0, startedSize), s, link))
	return nil
}

const startedSize = 384 // bytes that the answer usually takes

// appendStarted writes the answer to a start. A retry gets the answer that the
// first request got, however the session stands.
func appendStarted(b []byte, s domain.Session, link string) []byte {
	b = append(b, envelopeOpen+`{"id":`...)
	b = web.AppendText(b, string(s.ID))
	b = append(b, `,"outcome":"pending","url":`...)
	b = web.AppendText(b, link)
	b = append(b, `,"expiresAt":`...)
	return append(timestamp(s.LinkExpiresAt).append(b), '}')
}

// parseStart reads the body of POST /sessions: the syntax alone, rules are domain's.
func parseStart(body []byte) (app.StartRequest, error) {
	m := web.ParseObject(body)
	req := app.StartRequest{
		FlowID: domain.FlowID(m.Text("flowId")),
		Reason: m.Text("reason"),
		Customer: domain.Customer{
			ID:             m.Text("customerId"),
			SubscriptionID: m.Text("subscriptionId"),
			MRR:            m.Int("mrrCents"),
			Currency:       domain.Currency(strings.ToLower(m.Text("currency"))),
			ReturnURL:      m.Text("returnUrl"),
			Country:        strings.ToUpper(m.Text("country")),
			Region:         strings.ToUpper(m.Text("region")),
			Locale:         m.Text("locale"),
			Metadata:       m.Texts("metadata"),
		},
	}
	if err := m.Err(); err != nil {
		return app.StartRequest{}, err
	}
	if req.FlowID != "" && !domain.ValidID(string(req.FlowID)) {
		return app.StartRequest{}, domain.Invalid("flowId", "must be the id of an active flow of the workspace")
	}
	return req, nil
}

const maxIdempotencyKey = 255

func idempotencyKey(r *http.Request) (string, error) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	if len(values) > 1 || key == "" || len(key) > maxIdempotencyKey || strings.ContainsFunc(key, notPrintable) {
		return "", domain.Invalid("Idempotency-Key", "must be one header of 1 to %d printable ASCII characters", maxIdempotencyKey)
	}
	return key, nil
}

func notPrintable(r rune) bool { return r < ' ' || r > '~' }
