package httpapi_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/mux"
	"github.com/matryer/is"

	"github.com/retainrabbit/retainrabbit/adapters/httpapi"
	"github.com/retainrabbit/retainrabbit/adapters/sqlite"
	"github.com/retainrabbit/retainrabbit/app"
	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

// The benchmarks send real HTTP over keep-alive connections of the loopback, to
// the API and, in turn, to a bare net/http handler that answers the same bytes.
// They report the ratio of the two rates; only that means anything on a machine
// that others use too.
const (
	connections = 64
	rounds      = 5
	roundTime   = 1500 * time.Millisecond
)

func BenchmarkGetSession(b *testing.B) {
	w := newBenchWorld(b, 1000)
	w.compare(b, get(w.key, "/api/v1/sessions/"+string(w.sessions[500])))
}

func BenchmarkGetStats(b *testing.B) {
	w := newBenchWorld(b, 1000)
	w.compare(b, get(w.key, "/api/v1/stats"))
}

func BenchmarkListSessions(b *testing.B) {
	w := newBenchWorld(b, 1000)
	w.compare(b, get(w.key, "/api/v1/sessions"))
}

// The stats of a million sessions, in any window, against those of a thousand that
// lie on as many days. It takes some minutes to fill.
func BenchmarkStatsOfAMillion(b *testing.B) {
	small, large := newBenchWorld(b, 1_000), newBenchWorld(b, 1_000_000)
	for _, window := range []string{"7d", "30d", "90d", "365d", "all"} {
		b.Run(window, func(b *testing.B) {
			var ratios []float64
			load(b, large.url, same(get(large.key, "/api/v1/stats?window="+window))) // to warm up
			for b.Loop() {
				for range rounds {
					few := load(b, small.url, same(get(small.key, "/api/v1/stats?window="+window)))
					many := load(b, large.url, same(get(large.key, "/api/v1/stats?window="+window)))
					ratios = append(ratios, few/many)
				}
			}
			slices.Sort(ratios)
			b.ReportMetric(ratios[len(ratios)/2], "×time-of-1000")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func BenchmarkStartSession(b *testing.B) {
	w := newBenchWorld(b, 1000)
	w.compare(b, post(w.key, ""))
}

// post starts a session; header is of whole lines.
func post(key domain.Secret, header string) string {
	const body = `{"customerId":"cus_12345678","subscriptionId":"sub_12345678","reason":"too expensive"}`
	return fmt.Sprintf("POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s",
		key.Reveal(), header, len(body), body)
}

func get(key domain.Secret, path string) string {
	return fmt.Sprintf("GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", path, key.Reveal())
}

// benchWorld is a server with sessions in its store.
type benchWorld struct {
	store    ports.Store
	app      *app.App
	ws       domain.Workspace
	flow     domain.Flow
	key      domain.Secret
	sessions []domain.SessionID
	url      string
}

func newBenchWorld(b *testing.B, sessions int) *benchWorld {
	store, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "bench.db"), sqlite.Options{})
	is.New(b).NoErr(err)
	return newBenchWorldOn(b, store, sessions)
}

func newBenchWorldOn(b *testing.B, store ports.Store, sessions int) *benchWorld {
	// As `retainrabbit serve` does; the bare handler gains by it too.
	b.Cleanup(func(before int) func() { return func() { debug.SetGCPercent(before) } }(debug.SetGCPercent(400)))
	is := is.New(b)
	ctx := b.Context()
	b.Cleanup(func() { _ = store.Close() })
	w := &benchWorld{store: store, app: app.New(app.Config{Store: store})}
	var err error
	w.ws, err = w.app.CreateWorkspace(ctx, "Bench", "usd")
	is.NoErr(err)
	w.flow, err = w.app.ApplyFlow(ctx, w.ws.ID, winBack())
	is.NoErr(err)
	_, w.key, err = w.app.CreateKey(ctx, app.KeyRequest{WorkspaceID: w.ws.ID, Name: "bench", Mode: domain.Live, Scope: domain.ScopeReadWrite})
	is.NoErr(err)
	w.fill(b, sessions)
	w.url = w.serve(b, store)
	return w
}

// serve starts the API on a store and returns its address.
func (w *benchWorld) serve(b *testing.B, store ports.Store) string {
	r := mux.NewRouter().SkipClean(true)
	httpapi.Register(r, httpapi.Config{App: app.New(app.Config{Store: store}), Store: store, BaseURL: "http://127.0.0.1:8080", Log: slog.New(slog.DiscardHandler)})
	server := httptest.NewServer(r)
	b.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// fill starts sessions through the application, many at once, on the days of a year.
func (w *benchWorld) fill(b *testing.B, n int) {
	mrr := int64(2500)
	var days atomic.Int64
	past := app.New(app.Config{Store: w.store, Now: func() time.Time { return time.Now().AddDate(0, 0, -int(days.Add(1)%365)) }})
	w.sessions = make([]domain.SessionID, n)
	var workers sync.WaitGroup
	for worker := range 64 {
		workers.Go(func() {
			for i := worker; i < n; i += 64 {
				s, err := past.StartSession(context.Background(), app.StartRequest{
					Workspace: w.ws, Mode: domain.Live, Customer: domain.Customer{ID: "cus_12345678", SubscriptionID: "sub_12345678", MRR: &mrr}, Reason: "Too expensive",
				})
				if err == nil && i%3 > 0 && n <= 1_000 { // a million decisions would take too long
					s, err = past.Keep(context.Background(), s)
				}
				if err != nil {
					b.Error(err)
					return
				}
				w.sessions[i] = s.ID
			}
		})
	}
	workers.Wait()
}

// compare sends the request to the API and to the bare handler in turn, and
// reports the median ratio of their rates.
func (w *benchWorld) compare(b *testing.B, request string) {
	status, answer := once(b, w.url, request)
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write(answer)
	}))
	defer bare.Close()
	var ratios, rates []float64
	load(b, bare.Listener.Addr().String(), same(request)) // to warm up
	load(b, w.url, same(request))
	for b.Loop() {
		for range rounds {
			base := load(b, bare.Listener.Addr().String(), same(request))
			ours := load(b, w.url, same(request))
			ratios, rates = append(ratios, ours/base), append(rates, ours)
		}
	}
	slices.Sort(ratios)
	slices.Sort(rates)
	b.ReportMetric(ratios[len(ratios)/2], "×bare")
	b.ReportMetric(rates[len(rates)/2], "req/s")
	b.ReportMetric(0, "ns/op")
}

// same is one request for every connection and every turn.
func same(request string) func(conn, turn int) string {
	return func(int, int) string { return request }
}

// load sends requests, one after the other on every connection, and returns the
// answers a second.
func load(b *testing.B, addr string, request func(conn, turn int) string) float64 {
	return loadAll(b, []string{addr}, request)
}

// loadAll is load on several servers, each with as many of the connections.
func loadAll(b *testing.B, addrs []string, request func(conn, turn int) string) float64 {
	var total int64
	var mu sync.Mutex
	var done sync.WaitGroup
	end := time.Now().Add(roundTime)
	for c := range connections {
		done.Go(func() {
			conn, err := net.Dial("tcp", addrs[c%len(addrs)])
			if err != nil {
				b.Error(err)
				return
			}
			defer conn.Close()
			in, n := bufio.NewReaderSize(conn, 64<<10), int64(0)
			for ; time.Now().Before(end); n++ {
				if _, err := io.WriteString(conn, request(c, int(n))); err != nil {
					b.Error(err)
					return
				}
				if _, _, err := readAnswer(in, nil); err != nil {
					b.Error(err)
					return
				}
			}
			mu.Lock()
			total += n
			mu.Unlock()
		})
	}
	start := time.Now()
	done.Wait()
	return float64(total) / time.Since(start).Seconds()
}

func once(b *testing.B, addr, request string) (int, []byte) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		b.Fatal(err)
	}
	var body bytes.Buffer
	status, _, err := readAnswer(bufio.NewReader(conn), &body)
	if err != nil || status >= 300 {
		b.Fatalf("%d %s %v", status, body.Bytes(), err)
	}
	return status, body.Bytes()
}

// readAnswer reads one answer with as little work as possible, so that the client
// takes little of the machine from the server.
func readAnswer(in *bufio.Reader, body *bytes.Buffer) (status, length int, err error) {
	line, err := in.ReadSlice('\n')
	if err != nil || len(line) < 12 {
		return 0, 0, fmt.Errorf("status line %q: %w", line, err)
	}
	status, _ = strconv.Atoi(string(line[9:12]))
	chunked := false
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return status, 0, err
		}
		if len(line) <= 2 {
			break
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			length, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
		}
		chunked = chunked || bytes.HasPrefix(line, []byte("Transfer-Encoding"))
	}
	if status >= 300 {
		return status, length, fmt.Errorf("status %d", status)
	}
	if chunked {
		return status, length, skipChunks(in)
	}
	if body != nil {
		_, err = io.CopyN(body, in, int64(length))
		return status, length, err
	}
	_, err = in.Discard(length)
	return status, length, err
}

func skipChunks(in *bufio.Reader) error {
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 32)
		if err != nil {
			return err
		}
		if _, err := in.Discard(int(n) + 2); err != nil || n == 0 {
			return err
		}
	}
}

func winBack() domain.FlowDocument {
	return domain.FlowDocument{
		Name: "Win-back", Slug: "win-back", Status: domain.Active,
		Steps: domain.Steps{
			domain.Survey{Label: "Why?", Options: []string{"Too expensive", "Other"}},
			domain.OfferStep{Label: "A better price", Offer: domain.Discount{Percent: 3000, Months: 3}},
			domain.Confirmation{Label: "Done", Message: "Bye"},
		},
	}
}
