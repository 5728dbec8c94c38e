package httpapi_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/gorilla/mux"
	"github.com/matryer/is"

	"github.com/retainrabbit/retainrabbit/adapters/hosted"
	"github.com/retainrabbit/retainrabbit/adapters/httpapi"
	"github.com/retainrabbit/retainrabbit/adapters/sqlite"
	"github.com/retainrabbit/retainrabbit/app"
	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

// server is the real API and hosted flow on a real SQLite file. Every answer to a
// request of a test is validated against the OpenAPI document.
type server struct {
	*is.I
	t      *testing.T
	store  ports.Store
	app    *app.App
	router *mux.Router
	url    string
	log    *lockedBuffer
	client *http.Client
}

type options struct {
	rateLimit float64
	linkLife  time.Duration
	wrapStore func(ports.Store) ports.Store
	store     ports.Store // nil: a new SQLite file
}

func newServer(t *testing.T, opt options) *server {
	is := is.New(t)
	store := opt.store
	if store == nil {
		var err error
		store, err = sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"), sqlite.Options{})
		is.NoErr(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	used := store
	if opt.wrapStore != nil {
		used = opt.wrapStore(store)
	}
	s := &server{I: is, t: t, store: store, app: app.New(app.Config{Store: used, LinkLife: opt.linkLife}), router: mux.NewRouter().SkipClean(true), log: &lockedBuffer{}}
	web := httptest.NewServer(s.router)
	t.Cleanup(web.Close)
	s.url = web.URL
	log := slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	httpapi.Register(s.router, httpapi.Config{App: s.app, Store: used, BaseURL: web.URL, Log: log, RateLimit: opt.rateLimit})
	is.NoErr(hosted.Register(s.router, hosted.Config{App: s.app, Store: used, BaseURL: web.URL, Log: log}))
	s.client = &http.Client{
		Transport:     &validating{t: t, next: http.DefaultTransport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s
}

// tenant is a workspace with a flow and a key of each sort.
type tenant struct {
	ws                domain.Workspace
	flow              domain.Flow
	read, write, test domain.Secret
}

func (s *server) tenant() tenant {
	s.t.Helper()
	var w tenant
	var err error
	w.ws, err = s.app.CreateWorkspace(s.t.Context(), "Acme", "usd")
	s.NoErr(err)
	doc := winBack()
	doc.Steps = domain.Steps{
		domain.Survey{Label: "Why are you cancelling?", Options: []string{"Too expensive", "Something else"}},
		domain.OfferStep{Label: "A better price", Offer: domain.Discount{Percent: 2000}},
		domain.Confirmation{Label: "You're all set", Message: "Bye"},
	}
	w.flow, err = s.app.ApplyFlow(s.t.Context(), w.ws.ID, doc)
	s.NoErr(err)
	w.read, w.write, w.test = s.key(w.ws, domain.Live, domain.ScopeRead), s.key(w.ws, domain.Live, domain.ScopeReadWrite), s.key(w.ws, domain.Test, domain.ScopeReadWrite)
	return w
}

func (s *server) key(ws domain.Workspace, mode domain.Mode, scope domain.Scope) domain.Secret {
	s.t.Helper()
	_, text, err := s.app.CreateKey(s.t.Context(), app.KeyRequest{WorkspaceID: ws.ID, Name: "test", Mode: mode, Scope: scope})
	s.NoErr(err)
	return text
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) data(t *testing.T) map[string]any {
	t.Helper()
	var envelope struct {
		Data map[string]any `json:"data"`
	}
	if err := json.Unmarshal(a.body, &envelope); err != nil || envelope.Data == nil {
		t.Fatalf("status %d, no data in %s", a.status, a.body)
	}
	return envelope.Data
}

// send sends a request; header lists name, value, name, value …
func (s *server) send(method, path, key, body string, header ...string) answer {
	s.t.Helper()
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	s.NoErr(err)
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Del(header[i])
		req.Header.Add(header[i], header[i+1])
	}
	return s.do(req)
}

func (s *server) do(req *http.Request) answer {
	s.t.Helper()
	res, err := s.client.Do(req)
	s.NoErr(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	s.NoErr(err)
	return answer{res.StatusCode, res.Header, body}
}

func (s *server) get(path, key string) answer { s.t.Helper(); return s.send("GET", path, key, "") }

func (s *server) start(key domain.Secret, body string) map[string]any {
	s.t.Helper()
	a := s.send("POST", "/api/v1/sessions", key.Reveal(), body)
	s.Equal(a.status, http.StatusCreated)
	return a.data(s.t)
}

// validating checks every answer of the API: its envelope, its headers, and its
// shape by the OpenAPI document.
type validating struct {
	t    *testing.T
	next http.RoundTripper
}

var document = sync.OnceValues(func() (routers.Router, error) {
	raw, err := os.ReadFile("openapi.json")
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromData(raw)
	if err != nil {
		return nil, err
	}
	if err := doc.Validate(openapi3.NewLoader().Context); err != nil {
		return nil, err
	}
	return gorillamux.NewRouter(doc)
})

func (v *validating) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := v.next.RoundTrip(req)
	if err != nil || strings.HasPrefix(req.URL.Path, "/flow/") {
		return res, err
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	_ = res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(body))
	if res.Header.Get("X-Request-Id") == "" || res.Header.Get("X-Content-Type-Options") != "nosniff" || res.Header.Get("Access-Control-Allow-Origin") != "" {
		v.t.Errorf("%s %s: headers %v", req.Method, req.URL.Path, res.Header)
	}
	var envelope map[string]json.RawMessage
	if req.URL.Path != "/api/v1/openapi.json" && (json.Unmarshal(body, &envelope) != nil || len(envelope) != 1 || (envelope["data"] == nil) == (envelope["error"] == nil)) {
		v.t.Errorf("%s %s: %s is not an envelope", req.Method, req.URL.Path, body)
	}
	v.validate(req, res, body)
	return res, nil
}

func (v *validating) validate(req *http.Request, res *http.Response, body []byte) {
	router, err := document()
	if err != nil {
		v.t.Fatalf("openapi.json: %v", err)
	}
	bare := *req
	url := *req.URL
	url.Scheme, url.Host = "", ""
	bare.URL, bare.Host = &url, ""
	route, params, err := router.FindRoute(&bare)
	if err != nil {
		if res.StatusCode != http.StatusNotFound && res.StatusCode != http.StatusMethodNotAllowed {
			v.t.Errorf("%s %s answers %d and is not in openapi.json", req.Method, req.URL.Path, res.StatusCode)
		}
		return
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: &bare, PathParams: params, Route: route},
		Status:                 res.StatusCode, Header: res.Header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	}
	input.SetBodyBytes(body)
	if err := openapi3filter.ValidateResponse(v.t.Context(), input); err != nil {
		v.t.Errorf("%s %s answers %d, not as documented: %v", req.Method, req.URL.Path, res.StatusCode, err)
	}
	seen.Store(route.Operation.OperationID+" "+http.StatusText(res.StatusCode), true)
}

// seen collects which documented answers the tests have met.
var seen sync.Map

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
