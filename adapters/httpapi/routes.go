// Package httpapi serves the REST API, version 1: /api/v1 on gorilla/mux, and the
// probes /healthz and /readyz.
package httpapi

import (
	_ "embed"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/retainrabbit/retainrabbit/adapters/internal/web"
	"github.com/retainrabbit/retainrabbit/app"
	"github.com/retainrabbit/retainrabbit/ports"
)

// Config is what the API works with.
type Config struct {
	App     *app.App
	Store   ports.Store
	BaseURL string // where customers and clients reach this server, without a slash at its end
	Log     *slog.Logger
	// RateLimit is how many requests a second each key may make; 0: no limit.
	RateLimit float64
	// Timeout, if not 0, bounds each request; what is not answered by then is 503.
	Timeout time.Duration
	// Observe, if set, is told of every answer. route is the pattern, not the path.
	Observe func(route, method string, status int, took time.Duration)
}

// api is the state that handlers share.
type api struct {
	Config
	keys   *keyring
	limits *limiter
	wrap   web.Wrapper
}

//go:embed openapi.json
var openAPI []byte

// Register adds the API's routes to the router, and its answers for unknown paths
// and methods.
func Register(r *mux.Router, cfg Config) {
	a := &api{
		Config: cfg, keys: newKeyring(cfg.Store, cfg.App), limits: newLimiter(cfg.RateLimit),
		wrap: web.Wrapper{Log: cfg.Log, RenderError: web.RenderJSONError, Observe: cfg.Observe, Timeout: cfg.Timeout},
	}
	// mux tries one route after the other, so those asked for most stand first.
	a.route(r, http.MethodGet, "/api/v1/sessions/{id}", a.forReading(a.getSession))
	a.route(r, http.MethodPost, "/api/v1/sessions", a.forWriting(a.startSession))
	a.route(r, http.MethodGet, "/api/v1/stats", a.forReading(a.getStats))
	a.route(r, http.MethodGet, "/api/v1/sessions", a.forReading(a.listSessions))
	a.route(r, http.MethodGet, "/api/v1/flows", a.forReading(a.listFlows))
	a.route(r, http.MethodGet, "/api/v1/flows/{id}", a.forReading(a.getFlow))
	a.route(r, http.MethodGet, "/api/v1/openapi.json", serveOpenAPI)
	a.route(r, http.MethodGet, "/healthz", a.healthz)
	a.route(r, http.MethodGet, "/readyz", a.readyz)

	r.NotFoundHandler = a.wrap.Handle("unknown", notFound)
	r.MethodNotAllowedHandler = a.wrap.Handle("unknown", methodNotAllowed(r))
}

func (a *api) route(r *mux.Router, method, path string, h web.Handler) {
	methods := []string{method}
	if method == http.MethodGet {
		methods = append(methods, http.MethodHead)
	}
	r.Handle(path, a.wrap.Handle(path, h)).Methods(methods...)
}

func serveOpenAPI(w http.ResponseWriter, _ *http.Request) error {
	web.WriteBytes(w, http.StatusOK, "application/json", openAPI)
	return nil
}

func notFound(w http.ResponseWriter, _ *http.Request) error {
	web.WriteJSONError(w, http.StatusNotFound, "no such path: see /api/v1/openapi.json")
	return nil
}

func methodNotAllowed(router *mux.Router) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		var allowed []string
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			probe := *r
			probe.Method = method
			if match := (mux.RouteMatch{}); router.Match(&probe, &match) && match.MatchErr == nil {
				allowed = append(allowed, method)
			}
		}
		slices.Sort(allowed)
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		web.WriteJSONError(w, http.StatusMethodNotAllowed, "this path allows "+strings.Join(allowed, ", "))
		return nil
	}
}

// healthz says that the process runs.
func (a *api) healthz(w http.ResponseWriter, _ *http.Request) error {
	return ok(w, map[string]string{"status": "ok"})
}

// readyz says that the process can serve: its store answers.
func (a *api) readyz(w http.ResponseWriter, r *http.Request) error {
	if err := a.Store.Ping(r.Context()); err != nil {
		return err
	}
	return ok(w, map[string]string{"status": "ok"})
}

func ok[T any](w http.ResponseWriter, data T) error {
	return web.WriteJSON(w, http.StatusOK, web.Envelope[T]{Data: data})
}
