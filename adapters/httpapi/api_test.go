package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gorilla/mux"
	"github.com/matryer/is"

	"github.com/retainrabbit/retainrabbit/adapters/postgres/pgtest"
	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

func TestMain(m *testing.M) {
	code := pgtest.Main(m)
	if code == 0 && !flagsSelectTests() {
		code = checkCoverage()
	}
	os.Exit(code)
}

// flagsSelectTests reports whether only some tests were asked for.
func flagsSelectTests() bool {
	return strings.Contains(strings.Join(os.Args, " "), "-test.run") || strings.Contains(strings.Join(os.Args, " "), "-test.bench=") ||
		strings.Contains(strings.Join(os.Args, " "), "-test.fuzz=")
}

// checkCoverage demands that the tests have met every documented answer.
func checkCoverage() int {
	raw, err := os.ReadFile("openapi.json")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	doc, err := openapi3.NewLoader().LoadFromData(raw)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	code := 0
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			for status := range op.Responses.Map() {
				var n int
				_, _ = fmt.Sscan(status, &n)
				if _, ok := seen.Load(op.OperationID + " " + http.StatusText(n)); !ok {
					fmt.Printf("FAIL: no test has seen %s %s answer %s\n", method, path, status)
					code = 1
				}
			}
		}
	}
	return code
}

// Every route is in the document, and every path of the document is a route.
func TestDocumentMatchesRoutes(t *testing.T) {
	s := newServer(t, options{})
	routes := map[string]bool{}
	s.NoErr(s.router.Walk(func(r *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		path, err := r.GetPathTemplate()
		if err != nil {
			return err
		}
		methods, err := r.GetMethods()
		for _, method := range methods {
			if !strings.HasPrefix(path, "/flow") && method != http.MethodHead { // pages are no API, HEAD goes with GET
				routes[method+" "+path] = true
			}
		}
		return err
	}))
	served := s.get("/api/v1/openapi.json", "")
	doc, err := openapi3.NewLoader().LoadFromData(served.body)
	s.NoErr(err)
	documented := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			documented[method+" "+path] = true
		}
	}
	s.Equal(routes, documented)
}

// Whatever is wrong with a key, the answer is the same.
func TestAuthentication(t *testing.T) {
	s := newServer(t, options{})
	w := s.tenant()
	good := w.read.Reveal()
	revoked := s.key(w.ws, domain.Live, domain.ScopeRead).Reveal()
	ref, err := domain.ParseKey(revoked)
	s.NoErr(err)
	k, err := s.store.Key(t.Context(), w.ws.ID, ref.Public)
	s.NoErr(err)
	s.NoErr(s.app.RevokeKey(t.Context(), w.ws.ID, k.ID))

	var texts = map[string]bool{}
	for name, header := range map[string]string{
		"none": "", "no scheme": good, "other scheme": "Basic " + good, "empty": "Bearer ", "malformed": "Bearer rk_live_nonsense", "broken": "Bearer " + good[:len(good)-1] + "~",
		"revoked": "Bearer " + revoked, "unknown workspace": "Bearer " + unknownKey(t), "two words": "Bearer " + good + " x",
	} {
		a := s.send("GET", "/api/v1/flows", "", "", "Authorization", header)
		if a.status != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, a.status)
		}
		s.Equal(a.header.Get("WWW-Authenticate"), "Bearer")
		texts[string(a.body)] = true
	}
	for _, path := range []string{"/api/v1/flows/x", "/api/v1/sessions", "/api/v1/sessions/x", "/api/v1/stats"} {
		a := s.get(path, revoked)
		s.Equal(a.status, http.StatusUnauthorized)
		texts[string(a.body)] = true
	}
	s.Equal(len(texts), 1)
	for _, scheme := range []string{"Bearer", "bearer", "BEARER"} {
		s.Equal(s.send("GET", "/api/v1/flows", "", "", "Authorization", scheme+" "+good).status, http.StatusOK)
	}
	stripe := "sk_live_51H8abcDEFghiJKLmnoPQR"
	a := s.send("GET", "/api/v1/flows", stripe, "")
	s.Equal(a.status, http.StatusUnauthorized)
	s.True(strings.Contains(string(a.body), "Stripe"))
	for _, secret := range []string{stripe, good, revoked} {
		s.True(!strings.Contains(s.log.String(), secret)) // no key in the log
	}
}

func unknownKey(t *testing.T) string {
	text, _, err := domain.MintKey("0197c2a4-5d60-7a10-8c55-3f1f5bb0a000", domain.Live, [domain.KeyEntropyBytes]byte{9})
	is.New(t).NoErr(err)
	return text.Reveal()
}

// A key that is in use is refused soon after it was revoked by another process.
func TestRevocationIsSeenWithinTwoSeconds(t *testing.T) {
	s := newServer(t, options{})
	w := s.tenant()
	s.Equal(s.get("/api/v1/flows", w.read.Reveal()).status, http.StatusOK)
	ref, err := domain.ParseKey(w.read.Reveal())
	s.NoErr(err)
	k, err := s.store.Key(t.Context(), w.ws.ID, ref.Public)
	s.NoErr(err)
	s.NoErr(s.app.RevokeKey(t.Context(), w.ws.ID, k.ID))
	end := time.Now().Add(2 * time.Second)
	for time.Now().Before(end) && s.get("/api/v1/flows", w.read.Reveal()).status == http.StatusOK {
		time.Sleep(50 * time.Millisecond)
	}
	s.Equal(s.get("/api/v1/flows", w.read.Reveal()).status, http.StatusUnauthorized)
}

func TestLastUseIsWrittenDown(t *testing.T) {
	s := newServer(t, options{})
	w := s.tenant()
	s.get("/api/v1/flows", w.read.Reveal())
	s.NoErr(s.app.FlushUsage(t.Context()))
	keys, err := s.store.Keys(t.Context(), w.ws.ID)
	s.NoErr(err)
	used := 0
	for _, k := range keys {
		if !k.LastUsedAt.IsZero() {
			used++
		}
	}
	s.Equal(used, 1)
}

func TestRateLimit(t *testing.T) {
	s := newServer(t, options{rateLimit: 3})
	w := s.tenant()
	for _, path := range []string{"/api/v1/flows", "/api/v1/flows/" + string(w.flow.ID), "/api/v1/sessions", "/api/v1/sessions/x", "/api/v1/stats"} {
		limited := answer{}
		for range 30 {
			if a := s.get(path, w.read.Reveal()); a.status == http.StatusTooManyRequests {
				limited = a
				break
			}
		}
		s.Equal(limited.status, http.StatusTooManyRequests)
		s.Equal(limited.header.Get("Retry-After"), "1")
	}
	// The limit comes before the scope, and is each key's own.
	a := s.send("POST", "/api/v1/sessions", w.read.Reveal(), `{}`)
	s.True(a.status == http.StatusTooManyRequests || a.status == http.StatusForbidden)
	s.Equal(s.get("/api/v1/flows", w.write.Reveal()).status, http.StatusOK)
	for range 30 {
		if s.send("POST", "/api/v1/sessions", w.write.Reveal(), `{"customerId":"c"}`).status == http.StatusTooManyRequests {
			return
		}
	}
	t.Fatal("30 starts at once were all let through")
}

func TestBadInput(t *testing.T) {
	s := newServer(t, options{})
	w := s.tenant()
	draft := winBack()
	draft.Slug, draft.Status = "draft", domain.Draft
	d, err := s.app.ApplyFlow(t.Context(), w.ws.ID, draft)
	s.NoErr(err)
	other := s.tenant()
	long := strings.Repeat("x", 256)
	for body, field := range map[string]string{
		`{`: "body", `[]`: "body", `null`: "body", `"x"`: "body", `{"customerId":"c"} x`: "body", ``: "body",
		"{\"customerId\":\"\xff\"}": "customerId", `{"customerId":"\ud800"}`: "customerId", `{"customerId":"\udc00\ud800"}`: "customerId", `{"customerId":"\ud800\u0041"}`: "customerId",
		`{"customerId":"c","metadata":{"\udc00":"x"}}`: "metadata",
		`{}`: "customerId", `{"customerId":""}`: "customerId", `{"customerId":" \t"}`: "customerId", `{"customerId":1}`: "customerId", `{"customerId":null}`: "customerId",
		`{"CUSTOMERID":"c"}`: "customerId", `{"customerId":"a\u0000b"}`: "customerId", `{"customerId":"` + long + `"}`: "customerId",
		`{"customerId":"c","subscriptionId":""}`:                             "subscriptionId",
		`{"customerId":"c","reason":7}`:                                      "reason",
		`{"customerId":"c","reason":"` + strings.Repeat("x", 2001) + `"}`:    "reason",
		`{"customerId":"c","flowId":"x"}`:                                    "flowId",
		`{"customerId":"c","flowId":"` + string(d.ID) + `"}`:                 "flowId",
		`{"customerId":"c","flowId":"` + string(other.flow.ID) + `"}`:        "flowId",
		`{"customerId":"c","flowId":"0197c2a4-5d60-7a10-8c55-3f1f5bb0a000"}`: "flowId",
		`{"customerId":"c","mrrCents":-1}`:                                   "mrrCents",
		`{"customerId":"c","mrrCents":1.5}`:                                  "mrrCents",
		`{"customerId":"c","mrrCents":"1"}`:                                  "mrrCents",
		`{"customerId":"c","mrrCents":99999999999999999999}`:                 "mrrCents",
		`{"customerId":"c","currency":"dollars"}`:                            "currency",
		`{"customerId":"c","returnUrl":"javascript:alert(1)"}`:               "returnUrl",
		`{"customerId":"c","returnUrl":"/account"}`:                          "returnUrl",
		`{"customerId":"c","country":"USA"}`:                                 "country",
		`{"customerId":"c","region":"Minnesota"}`:                            "region",
		`{"customerId":"c","locale":"x"}`:                                    "locale",
		`{"customerId":"c","metadata":[]}`:                                   "metadata",
		`{"customerId":"c","metadata":{"a":1}}`:                              "metadata",
		`{"customerId":"c","metadata":{"a":null}}`:                           "metadata.a",
	} {
		a := s.send("POST", "/api/v1/sessions", w.write.Reveal(), body, "Content-Type", "application/json")
		if a.status != http.StatusBadRequest || !strings.HasPrefix(string(a.body), `{"error":"`+field+": ") {
			t.Errorf("%.80s: %d %s, want 400 that names %s", body, a.status, a.body, field)
		}
	}
	stats := s.get("/api/v1/stats", w.read.Reveal()).data(t)
	s.Equal(stats["sessions"], 0.0) // nothing half-written
	for _, body := range []string{
		`{"customerId":"c","unknown":{"a":[1]},"country":"de","currency":"EUR","region":"by","locale":"pt-BR","reason":null,"metadata":{"a":""}}`,
		`{"customerId":"\ud83d\udc07 \\ud800","mrrCents":0}`,
		`{"customerId":"` + strings.Repeat("🐇", 255) + `"}`,
		`{"customerId":"first","customerId":"last"}`,
	} {
		s.start(w.write, body)
	}
}

func TestHeadersOfARequest(t *testing.T) {
	s := newServer(t, options{})
	w := s.tenant()
	const body = `{"customerId":"c"}`
	post := func(header ...string) answer {
		return s.send("POST", "/api/v1/sessions", w.write.Reveal(), body, header...)
	}
	for _, media := range []string{"text/plain", "application/x-www-form-urlencoded", "application/jsonx", "json", ";"} {
		s.Equal(post("Content-Type", media).status, http.StatusUnsupportedMediaType) // media
	}
	s.Equal(post("Content-Type", "application/json; charset=utf-8").status, http.StatusCreated)
	for _, key := range []string{" ", strings.Repeat("k", 256), "é", "a\tb"} {
		a := post("Idempotency-Key", key)
		if strings.TrimSpace(key) != "" { // Go's client and server drop blanks at the ends
			s.Equal(a.status, http.StatusBadRequest)
		}
	}
	s.Equal(post("X-Request-Id", "mine-1").header.Get("X-Request-Id"), "mine-1")
	s.True(post("X-Request-Id", "not plain\"").header.Get("X-Request-Id") != "not plain\"")
	// 64 KiB pass, one byte more does not.
	padded := func(n int) answer {
		text := `{"customerId":"c","x":"`
		return s.send("POST", "/api/v1/sessions", w.write.Reveal(), text+strings.Repeat("x", n-len(text)-2)+`"}`)
	}
	s.Equal(padded(64<<10).status, http.StatusCreated)
	s.Equal(padded(64<<10+1).status, http.StatusRequestEntityTooLarge)
}

// Checks come in the order of the design: each request breaks everything that
// comes later too.
func TestOrderOfChecks(t *testing.T) {
	s := newServer(t, options{})
	w := s.tenant()
	huge := strings.Repeat("x", 64<<10+1)
	s.Equal(s.send("POST", "/api/v1/nothing", "bad", huge, "Content-Type", "text/plain").status, http.StatusNotFound)
	s.Equal(s.send("PUT", "/api/v1/sessions", "bad", huge, "Content-Type", "text/plain").status, http.StatusMethodNotAllowed)
	s.Equal(s.send("POST", "/api/v1/sessions", "bad", huge, "Content-Type", "text/plain").status, http.StatusUnauthorized)
	s.Equal(s.send("POST", "/api/v1/sessions", w.read.Reveal(), huge, "Content-Type", "text/plain").status, http.StatusForbidden)
	s.Equal(s.send("POST", "/api/v1/sessions", w.write.Reveal(), huge, "Content-Type", "text/plain").status, http.StatusUnsupportedMediaType)
	s.Equal(s.send("POST", "/api/v1/sessions", w.write.Reveal(), huge).status, http.StatusRequestEntityTooLarge)
	archived := winBack()
	archived.Status = domain.Archived
	_, err := s.app.ApplyFlow(t.Context(), w.ws.ID, archived)
	s.NoErr(err)
	s.Equal(s.send("POST", "/api/v1/sessions", w.write.Reveal(), `{"customerId":""}`).status, http.StatusBadRequest)
	s.Equal(s.send("POST", "/api/v1/sessions", w.write.Reveal(), `{"customerId":"c"}`).status, http.StatusConflict) // no active flow
}

func TestIdempotency(t *testing.T) {
	s := newServer(t, options{})
	w := s.tenant()
	post := func(key domain.Secret, idempotencyKey, body string) answer {
		return s.send("POST", "/api/v1/sessions", key.Reveal(), body, "Idempotency-Key", idempotencyKey)
	}
	first := post(w.write, "k", `{"customerId":"c"}`)
	s.Equal(first.status, http.StatusCreated)
	s.Equal(post(w.write, "k", `{"customerId":"c" }`).status, http.StatusConflict)       // not byte-equal
	s.True(post(w.test, "k", `{"customerId":"c"}`).data(t)["id"] != first.data(t)["id"]) // another mode
	s.True(post(w.write, "K", `{"customerId":"c"}`).data(t)["id"] != first.data(t)["id"])

	// The same answer after the session was decided, and the flow archived.
	session, err := s.store.Session(t.Context(), w.ws.ID, domain.SessionID(first.data(t)["id"].(string)))
	s.NoErr(err)
	_, err = s.app.Cancel(t.Context(), session)
	s.NoErr(err)
	doc := w.flow.FlowDocument
	doc.Status = domain.Archived
	_, err = s.app.ApplyFlow(t.Context(), w.ws.ID, doc)
	s.NoErr(err)
	again := post(w.write, "k", `{"customerId":"c"}`)
	s.Equal(again.status, first.status)
	s.Equal(string(again.body), string(first.body))
	s.Equal(again.header.Get("Location"), first.header.Get("Location"))
	s.Equal(post(w.write, "k2", `{"customerId":"c"}`).status, http.StatusConflict)
}

func TestRetriesAtOnceStartOneSession(t *testing.T) {
	s := newServer(t, options{})
	w := s.tenant()
	var mu sync.Mutex
	bodies := map[string]bool{}
	var done sync.WaitGroup
	for range 16 {
		done.Go(func() {
			a := s.send("POST", "/api/v1/sessions", w.write.Reveal(), `{"customerId":"c"}`, "Idempotency-Key", "k")
			mu.Lock()
			bodies[string(a.body)] = true
			mu.Unlock()
		})
	}
	done.Wait()
	s.Equal(len(bodies), 1)
	s.Equal(s.get("/api/v1/stats", w.read.Reveal()).data(t)["sessions"], 1.0)
}

// A flow that was changed by another process is used at once, although the server
// remembers the one before.
func TestAChangedFlowIsUsedAtOnce(t *testing.T) {
	s := newServer(t, options{})
	w := s.tenant()
	s.start(w.write, `{"customerId":"c"}`)
	second := winBack()
	second.Slug = "newer"
	f, err := s.app.ApplyFlow(t.Context(), w.ws.ID, second)
	s.NoErr(err)
	url := s.start(w.write, `{"customerId":"c"}`)["url"].(string)
	s.True(strings.Contains(url, string(f.ID)))
	second.Status = domain.Archived
	_, err = s.app.ApplyFlow(t.Context(), w.ws.ID, second)
	s.NoErr(err)
	url = s.start(w.write, `{"customerId":"c"}`)["url"].(string)
	s.True(strings.Contains(url, string(w.flow.ID)))
	s.Equal(s.send("POST", "/api/v1/sessions", w.write.Reveal(), `{"customerId":"c","flowId":"`+string(f.ID)+`"}`).status, http.StatusBadRequest)
}

// A client that has closed its half of the connection still gets an answer that
// says what happened.
func TestHalfClosedClients(t *testing.T) {
	s := newServer(t, options{})
	w := s.tenant()
	created := 0
	for i := range 60 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		s.NoErr(err)
		const body = `{"customerId":"c"}`
		_, err = fmt.Fprintf(conn, "POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			w.write.Reveal(), len(body), body)
		s.NoErr(err)
		s.NoErr(conn.(*net.TCPConn).CloseWrite())
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		s.NoErr(err)
		answer, err := io.ReadAll(res.Body)
		s.NoErr(err)
		if res.StatusCode != http.StatusCreated && res.StatusCode != http.StatusServiceUnavailable || len(answer) == 0 {
			t.Fatalf("request %d: %d %q", i, res.StatusCode, answer)
		}
		if res.StatusCode == http.StatusCreated {
			created++
		}
		_ = conn.Close()
	}
	s.Equal(s.get("/api/v1/stats", w.read.Reveal()).data(t)["sessions"], float64(created))
}

// Every route, with every id and key of another workspace, answers 404 or what
// that workspace's own data is, and changes nothing.
func TestTenantIsolation(t *testing.T) {
	s := newServer(t, options{})
	mine, other := s.tenant(), s.tenant()
	session := s.start(other.write, `{"customerId":"secret_customer"}`)
	before := s.get("/api/v1/stats", other.read.Reveal())
	ids := []string{string(other.flow.ID), session["id"].(string), string(other.ws.ID)}
	routes := 0
	s.NoErr(s.router.Walk(func(r *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		path, err := r.GetPathTemplate()
		if err != nil {
			return err
		}
		methods, err := r.GetMethods()
		for _, id := range ids {
			for _, key := range []domain.Secret{mine.read, mine.write, mine.test} {
				routes++
				target := strings.NewReplacer("{id}", id, "{workspace}", string(mine.ws.ID), "{flow}", id).Replace(path)
				if strings.HasPrefix(path, "/flow/") {
					// The other's link on my workspace's address.
					target += "?" + strings.SplitN(session["url"].(string), "?", 2)[1]
				}
				body := ""
				if methods[0] == "POST" {
					body = `{"customerId":"c","flowId":"` + id + `"}`
				}
				a := s.send(methods[0], target, key.Reveal(), body)
				if strings.Contains(string(a.body), "secret_customer") || strings.Contains(string(a.body), string(other.flow.ID)) && path != "/flow/{workspace}/{flow}" {
					t.Errorf("%s %s shows the other's data: %s", methods[0], target, a.body)
				}
				if strings.Contains(path, "{id}") && a.status != http.StatusNotFound || strings.HasPrefix(path, "/flow") && a.status < 400 {
					t.Errorf("%s %s: %d", methods[0], target, a.status)
				}
			}
		}
		return err
	}))
	s.True(routes >= 30) // the walk has seen the routes
	s.Equal(string(s.get("/api/v1/stats", other.read.Reveal()).body), string(before.body))
	s.Equal(s.get("/api/v1/sessions/"+session["id"].(string), other.read.Reveal()).data(t)["outcome"], "pending")
}

// broken is a store whose reads fail or panic.
type broken struct {
	ports.Store
	err error
}

func (b *broken) fail() error {
	if b.err == nil {
		panic("rk_live_planted: a panic that carries a secret is shown to nobody")
	}
	return b.err
}

func (b *broken) Flows(context.Context, domain.WorkspaceID) ([]domain.Flow, error) {
	return nil, b.fail()
}
func (b *broken) Flow(context.Context, domain.WorkspaceID, domain.FlowID) (domain.Flow, error) {
	return domain.Flow{}, b.fail()
}
func (b *broken) RecentSessions(context.Context, domain.WorkspaceID, int) ([]domain.SessionResult, error) {
	return nil, b.fail()
}
func (b *broken) SessionResult(context.Context, domain.WorkspaceID, domain.SessionID) (domain.SessionResult, error) {
	return domain.SessionResult{}, b.fail()
}
func (b *broken) Stats(context.Context, domain.WorkspaceID, domain.Day) (domain.Stats, error) {
	return nil, b.fail()
}
func (b *broken) StartSession(context.Context, domain.Session, ports.StartCondition) (domain.SessionID, error) {
	return "", b.fail()
}
func (b *broken) Ping(context.Context) error { return b.fail() }

// Faults answer in the envelope, say nothing of their cause, and the log has it.
func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		status int
	}{
		"panic":       {nil, http.StatusInternalServerError},
		"unknown":     {&fs.PathError{Op: "read", Path: "/var/secret/path", Err: errors.New("boom")}, http.StatusInternalServerError},
		"unavailable": {&domain.Error{Kind: domain.ErrUnavailable, Msg: "internal detail", Err: errors.New("boom")}, http.StatusServiceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, options{wrapStore: func(store ports.Store) ports.Store { return &broken{Store: store, err: c.err} }})
			w := s.tenant()
			for _, path := range []string{"/api/v1/flows", "/api/v1/flows/" + string(w.flow.ID), "/api/v1/sessions", "/api/v1/sessions/" + string(w.flow.ID), "/api/v1/stats", "POST"} {
				a := answer{}
				if path == "POST" {
					a = s.send("POST", "/api/v1/sessions", w.write.Reveal(), `{"customerId":"c"}`)
				} else {
					a = s.get(path, w.read.Reveal())
				}
				if a.status != c.status {
					t.Errorf("%s: %d, want %d", path, a.status, c.status)
				}
				for _, secret := range []string{"planted", "secret", "detail", "boom", "goroutine", ".go:"} {
					if strings.Contains(string(a.body), secret) {
						t.Errorf("%s: %s shows %q", path, a.body, secret)
					}
				}
				s.Equal(a.header.Get("Retry-After") != "", c.status == http.StatusServiceUnavailable)
				s.True(strings.Contains(s.log.String(), a.header.Get("X-Request-Id"))) // the log can be searched for it
			}
			if c.status == http.StatusServiceUnavailable {
				s.Equal(s.get("/readyz", "").status, http.StatusServiceUnavailable)
			}
			s.Equal(s.get("/healthz", "").status, http.StatusOK)
			s.True(!strings.Contains(s.log.String(), "goroutine ")) // no stack
		})
	}
	s := newServer(t, options{})
	s.Equal(s.get("/readyz", "").status, http.StatusOK)
}

// An example of the document is sent for real, and answered as documented.
func TestExamplesOfTheDocument(t *testing.T) {
	s := newServer(t, options{})
	w := s.tenant()
	doc, err := openapi3.NewLoader().LoadFromData(s.get("/api/v1/openapi.json", "").body)
	s.NoErr(err)
	example, err := json.Marshal(doc.Paths.Find("/api/v1/sessions").Post.RequestBody.Value.Content["application/json"].Example)
	s.NoErr(err)
	s.start(w.write, string(example))
}
