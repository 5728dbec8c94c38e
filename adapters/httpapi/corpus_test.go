package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/retainrabbit/retainrabbit/adapters/postgres"
	"github.com/retainrabbit/retainrabbit/adapters/postgres/pgtest"
	"github.com/retainrabbit/retainrabbit/ports"
)

// exchange is one request and the answer that the contract promises. In answers
// "…" stands for any text that is not empty; {NAME} for what was captured before.
type exchange struct {
	Name    string
	Key     string // read, write or test; empty: none
	Request struct {
		Method, Path, Link string
		Body               json.RawMessage
		Form               map[string]string
	}
	Response struct {
		Status  int
		Headers map[string]string
		Body    any
	}
	Capture map[string]string
}

func TestCorpus(t *testing.T) { replayCorpus(t, nil) }

func TestCorpusOnPostgres(t *testing.T) {
	cluster := pgtest.Shared(t)
	replayCorpus(t, openPostgres(t, cluster.URL(cluster.Database(t)), ""))
}

// Through a pooler with three connections.
func TestCorpusBehindPgBouncer(t *testing.T) {
	cluster := pgtest.Shared(t)
	direct := cluster.URL(cluster.Database(t))
	replayCorpus(t, openPostgres(t, direct, pgtest.Through(direct, cluster.Port, cluster.PgBouncer(t, 3), "&default_query_exec_mode=cache_describe")))
}

// openPostgres opens a database that it migrates directly, by way of another URL if one is given.
func openPostgres(t *testing.T, direct, through string) ports.Store {
	t.Helper()
	is := is.New(t)
	is.NoErr(postgres.Migrate(t.Context(), direct))
	if through == "" {
		through = direct
	}
	store, err := postgres.OpenExisting(t.Context(), through, postgres.Options{Timeout: time.Minute})
	is.NoErr(err)
	return store
}

func replayCorpus(t *testing.T, store ports.Store) {
	s := newServer(t, options{store: store})
	w := s.tenant()
	raw, err := os.ReadFile("../../testdata/api-v1.json")
	s.NoErr(err)
	var corpus []exchange
	s.NoErr(json.Unmarshal(raw, &corpus))
	known := map[string]string{"BASE": s.url, "WORKSPACE_ID": string(w.ws.ID)}
	keys := map[string]string{"": "", "read": w.read.Reveal(), "write": w.write.Reveal(), "test": w.test.Reveal()}
	for _, x := range corpus {
		t.Run(x.Name, func(t *testing.T) {
			is := is.New(t)
			got := s.replay(x, keys[x.Key], known)
			if got.status != x.Response.Status {
				t.Fatalf("status %d, want %d: %s", got.status, x.Response.Status, got.body)
			}
			for name, value := range x.Response.Headers {
				is.Equal(got.header.Get(name), value)
			}
			if x.Response.Body == nil {
				return
			}
			var body any
			is.NoErr(json.Unmarshal(got.body, &body))
			if diff := mismatch("", x.Response.Body, body, known); diff != "" {
				t.Fatalf("%s\nin %s", diff, got.body)
			}
			for name, path := range x.Capture {
				known[name] = pick(body, path)
			}
		})
	}
}

func (s *server) replay(x exchange, key string, known map[string]string) answer {
	if x.Request.Link == "" {
		return s.send(x.Request.Method, fill(x.Request.Path, known), key, string(x.Request.Body))
	}
	form := url.Values{}
	for name, value := range x.Request.Form {
		form.Set(name, value)
	}
	req, err := http.NewRequest(x.Request.Method, fill(x.Request.Link, known), strings.NewReader(form.Encode()))
	s.NoErr(err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.do(req)
}

func fill(text string, known map[string]string) string {
	for name, value := range known {
		text = strings.ReplaceAll(text, "{"+name+"}", value)
	}
	return text
}

// mismatch says where two JSON values differ, or "".
func mismatch(path string, want, got any, known map[string]string) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(w) {
			return fmt.Sprintf("%s: got members %v, want %v", path, got, want)
		}
		for name := range w {
			if diff := mismatch(path+"."+name, w[name], g[name], known); diff != "" {
				return diff
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Sprintf("%s: got %v, want %d entries", path, got, len(w))
		}
		for i := range w {
			if diff := mismatch(path+"."+strconv.Itoa(i), w[i], g[i], known); diff != "" {
				return diff
			}
		}
		return ""
	case string:
		if text, ok := got.(string); ok && (w == "…" && text != "" || text == fill(w, known)) {
			return ""
		}
	default:
		if want == got {
			return ""
		}
	}
	return fmt.Sprintf("%s: got %v, want %v", path, got, want)
}

func pick(v any, path string) string {
	for name := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[name]
		case []any:
			i, _ := strconv.Atoi(name)
			v = x[i]
		}
	}
	text, _ := v.(string)
	return text
}
