package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/mux"

	"github.com/retainrabbit/retainrabbit/adapters/hosted"
	"github.com/retainrabbit/retainrabbit/adapters/httpapi"
	"github.com/retainrabbit/retainrabbit/app"
	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

type serveCmd struct {
	Addr        string        `help:"Address to listen on." default:"127.0.0.1:8080"`
	BaseURL     string        `name:"base-url" help:"Where customers reach this server; default is http:// and the address." placeholder:"URL"`
	RateLimit   float64       `help:"Requests a second that each key may make; 0: no limit." default:"1000"`
	MetricsAddr string        `help:"Loopback address for Prometheus metrics; empty: none." placeholder:"ADDR"`
	LinkLife    time.Duration `help:"How long a personal link works." default:"24h"`
	LogLevel    slog.Level    `help:"debug, info, warn or error." default:"info"`
	NoBootstrap bool          `help:"Leave an empty database empty."`
}

// How long clients may take. A customer on a slow line sends little.
const (
	headerTimeout   = 10 * time.Second
	readTimeout     = 30 * time.Second
	writeTimeout    = 30 * time.Second
	idleTimeout     = 2 * time.Minute
	shutdownTimeout = 30 * time.Second
	maxHeader       = 32 << 10
)

// Validate is called by the parser.
func (c serveCmd) Validate() error {
	if c.RateLimit < 0 {
		return domain.Invalid("--rate-limit", "must be 0 or more")
	}
	if c.LinkLife < time.Minute || c.LinkLife > 366*24*time.Hour {
		return domain.Invalid("--link-life", "must be 1m to 8784h")
	}
	if c.MetricsAddr != "" {
		if err := checkLoopback(c.MetricsAddr); err != nil {
			return err
		}
	}
	if c.BaseURL != "" {
		return checkBaseURL(c.BaseURL)
	}
	return nil
}

func checkBaseURL(base string) error {
	if err := domain.CheckURL("--base-url", base, "https", "http"); err != nil {
		return err
	}
	if u, err := url.Parse(base); err != nil || u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(base, "/") {
		return domain.Invalid("--base-url", "must be like https://cancel.example.com, without a slash at its end")
	}
	return nil
}

// checkLoopback keeps metrics from the network.
func checkLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return domain.Invalid("--metrics-addr", "must be a loopback address, such as 127.0.0.1:9090")
	}
	return nil
}

// gcPercent lets garbage grow to four times what lives: a server that holds ten
// megabytes has memory to spare, and collects a quarter as often.
const gcPercent = 400

func (c serveCmd) Run(e *env) (err error) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	log := slog.New(slog.NewJSONHandler(e.stderr, &slog.HandlerOptions{Level: c.LogLevel}))
	m := newMetrics()
	db, err := parseDB(e.db)
	if err != nil {
		return err
	}
	store, err := db.open(e.ctx, m)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()

	listeners, err := c.listen(e.ctx)
	if err != nil {
		return err
	}
	if c.BaseURL == "" {
		c.BaseURL = "http://" + reachable(listeners[0].Addr())
	}
	a := app.New(app.Config{Store: store, LinkLife: c.LinkLife})
	handler, err := c.handler(store, a, log, m, db.requestTimeout())
	if err == nil && !c.NoBootstrap {
		err = bootstrap(e, a, c.BaseURL)
	}
	if err != nil {
		for _, l := range listeners {
			err = errors.Join(err, l.Close())
		}
		return err
	}
	return c.serve(e.ctx, listeners, []http.Handler{handler, m.handler()}, a, log)
}

// listen opens the address of the server, and that of the metrics if there is one,
// before anything else is done.
func (c serveCmd) listen(ctx context.Context) ([]net.Listener, error) {
	main, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Addr)
	if err != nil {
		return nil, fmt.Errorf("--addr: %w", err)
	}
	if c.MetricsAddr == "" {
		return []net.Listener{main}, nil
	}
	metrics, err := new(net.ListenConfig).Listen(ctx, "tcp", c.MetricsAddr)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("--metrics-addr: %w", err), main.Close())
	}
	return []net.Listener{main, metrics}, nil
}

// reachable is an address that a client on this machine can use, where the server
// listens on all of them.
func reachable(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsUnspecified() {
		return addr.String()
	}
	return net.JoinHostPort("127.0.0.1", port)
}

// handler puts the adapters on one router.
func (c serveCmd) handler(store ports.Store, a *app.App, log *slog.Logger, m *metrics, timeout time.Duration) (http.Handler, error) {
	r := mux.NewRouter().SkipClean(true)
	httpapi.Register(r, httpapi.Config{App: a, Store: store, BaseURL: c.BaseURL, Log: log, RateLimit: c.RateLimit, Observe: m.request, Timeout: timeout})
	err := hosted.Register(r, hosted.Config{App: a, Store: store, BaseURL: c.BaseURL, Log: log, Observe: m.request, Timeout: timeout})
	return r, err
}

// serve runs until ctx ends or a server fails; then it stops accepting, finishes
// what is in flight, and lets the workers write down what they hold.
func (c serveCmd) serve(ctx context.Context, listeners []net.Listener, handlers []http.Handler, a *app.App, log *slog.Logger) error {
	var servers []*http.Server
	failed := make(chan error, len(listeners))
	for i, l := range listeners {
		server := newServer(handlers[i], log)
		servers = append(servers, server)
		go func() { failed <- server.Serve(l) }()
		log.Info([]string{"listening", "serving metrics"}[i], "addr", l.Addr().String(), "base_url", c.BaseURL)
	}
	working, stopWorkers := context.WithCancel(context.WithoutCancel(ctx))
	var workers sync.WaitGroup
	workers.Go(func() { a.Workers(working, log) })

	var err error
	select {
	case <-ctx.Done():
		log.Info("stopping")
	case err = <-failed:
	}
	finish, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	for _, s := range servers {
		err = errors.Join(err, s.Shutdown(finish))
	}
	stopWorkers()
	workers.Wait()
	log.Info("stopped")
	return err
}

func newServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug), // broken connections: not ours to mend
	}
}
