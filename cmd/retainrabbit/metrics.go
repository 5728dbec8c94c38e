package main

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/retainrabbit/retainrabbit/adapters/postgres"
)

// metrics are what an operator watches.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	batches  prometheus.Histogram
	commits  prometheus.Histogram
	queries  *prometheus.HistogramVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "retainrabbit_http_request_seconds", Help: "Time to answer, by route, method and status.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
		}, []string{"route", "method", "status"}),
		batches: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "retainrabbit_commit_transactions", Help: "Transactions that shared one commit.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 9),
		}),
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "retainrabbit_commit_seconds", Help: "Time of one commit with its transactions.",
			Buckets: prometheus.ExponentialBuckets(.0005, 2, 12),
		}),
	}
	m.queries = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "retainrabbit_query_seconds", Help: "Time of one statement, by its name. PostgreSQL only.",
		Buckets: prometheus.ExponentialBuckets(.00025, 2, 14),
	}, []string{"statement"})
	m.registry.MustRegister(m.requests, m.batches, m.commits, m.queries,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) request(route, method string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, known(method), strconv.Itoa(status)).Observe(took.Seconds())
}

// known bounds the values of the label: a client may send any word as a method.
func known(method string) string {
	switch method {
	case http.MethodGet, http.MethodPost:
		return method
	}
	return "other"
}

func (m *metrics) commit(n int, took time.Duration) {
	m.batches.Observe(float64(n))
	m.commits.Observe(took.Seconds())
}

func (m *metrics) query(name string, took time.Duration) {
	m.queries.WithLabelValues(name).Observe(took.Seconds())
}

// watchPool shows how the pool of connections stands, each time that is asked for.
func (m *metrics) watchPool(stats func() postgres.PoolStats) {
	gauge := func(name, help string, value func(postgres.PoolStats) float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "retainrabbit_pool_" + name, Help: help},
			func() float64 { return value(stats()) }))
	}
	gauge("max_connections", "Connections that the pool may open.", func(s postgres.PoolStats) float64 { return float64(s.Max) })
	gauge("open_connections", "Connections that are open.", func(s postgres.PoolStats) float64 { return float64(s.Open) })
	gauge("used_connections", "Connections that are in use.", func(s postgres.PoolStats) float64 { return float64(s.Used) })
	gauge("waits", "How often no connection was free, since the start.", func(s postgres.PoolStats) float64 { return float64(s.Waited) })
	gauge("wait_seconds", "Time spent waiting for a free connection, since the start.", func(s postgres.PoolStats) float64 { return s.Waiting.Seconds() })
}

func (m *metrics) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	return mux
}
