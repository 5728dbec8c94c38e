package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/matryer/is"
)

// Slow, silent and greedy clients do not keep others from being served.
func TestHardClients(t *testing.T) {
	is := is.New(t)
	db := "sqlite:" + filepath.Join(t.TempDir(), "hard.db")
	key := setUp(t, db)
	p := serve(t, db)
	a := newAPI(p.url, key)
	addr := strings.TrimPrefix(p.url, "http://")

	var open []net.Conn
	dial := func(first string) {
		c, err := net.Dial("tcp", addr)
		is.NoErr(err)
		_, err = io.WriteString(c, first)
		is.NoErr(err)
		open = append(open, c)
	}
	for range 1000 {
		dial("") // idle
	}
	for range 100 {
		dial("GET /api/v1/flows HTTP/1.1\r\nHost: x\r\nX-Slow: ") // a header that never ends
		dial("POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + key +
			"\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{") // a body that never comes
	}
	for range 20 {
		_, _, err := a.start()
		is.NoErr(err)
	}

	// 10 MB are refused before they are read, 1 MB of headers too.
	res, err := a.client.Do(request(t, a, strings.NewReader(strings.Repeat("x", 10<<20))))
	if err == nil { // or the connection was cut
		is.Equal(res.StatusCode, http.StatusRequestEntityTooLarge)
		_ = res.Body.Close()
	}
	req := request(t, a, strings.NewReader(`{"customerId":"c"}`))
	req.Header.Set("X-Long", strings.Repeat("x", 1<<20))
	if res, err := a.client.Do(req); err == nil {
		is.Equal(res.StatusCode, http.StatusRequestHeaderFieldsTooLarge)
		_ = res.Body.Close()
	}
	deep := `{"customerId":"c","x":` + strings.Repeat("[", 30_000) + strings.Repeat("]", 30_000) + "}"
	res, err = a.client.Do(request(t, a, strings.NewReader(deep)))
	is.NoErr(err)
	is.Equal(res.StatusCode, http.StatusBadRequest)
	_ = res.Body.Close()
	_, _, err = a.start()
	is.NoErr(err)
	for _, c := range open {
		_ = c.Close()
	}
	is.NoErr(p.stop(syscall.SIGTERM))
	is.True(!strings.Contains(p.log.String(), key)) // no key in the log
}

func request(t *testing.T, a api, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequest("POST", a.url+"/api/v1/sessions", body)
	is.New(t).NoErr(err)
	req.Header.Set("Authorization", "Bearer "+a.key)
	req.Header.Set("Content-Type", "application/json")
	return req
}

// A key that the command line revokes is refused by the running server.
func TestRevokedByTheCommandLine(t *testing.T) {
	is := is.New(t)
	db := "sqlite:" + filepath.Join(t.TempDir(), "revoke.db")
	key := setUp(t, db)
	p := serve(t, db)
	a := newAPI(p.url, key)
	_, _, err := a.start()
	is.NoErr(err)
	list := command(t, "key", "list", "--db", db, "--json")
	id := regexp.MustCompile(`"id":"([^"]+)"`).FindStringSubmatch(list)[1]
	command(t, "key", "revoke", id, "--db", db)
	time.Sleep(2 * time.Second) // what is promised
	_, _, err = a.start()
	is.True(err != nil && strings.Contains(err.Error(), "401"))

	// And a flow that it applies is used at once, a key that it makes too.
	fresh := regexp.MustCompile(`rk_live_\w+`).FindString(command(t, "key", "create", "--name", "n", "--scope", "read+write", "--db", db))
	_, _, err = newAPI(p.url, fresh).start()
	is.NoErr(err)
	is.NoErr(p.stop(syscall.SIGTERM))
}

// The first start shows a key and a link once, on stdout alone; what it shows works.
func TestFirstStart(t *testing.T) {
	is := is.New(t)
	db := "sqlite:" + filepath.Join(t.TempDir(), "first.db")
	p := serve(t, db, "--metrics-addr", "127.0.0.1:0", "--log-level", "debug")
	metricsAddr := ""
	for range 100 { // it is logged right after the first line
		if m := regexp.MustCompile(`"serving metrics","addr":"([^"]+)"`).FindStringSubmatch(p.logged()); m != nil {
			metricsAddr = m[1]
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	is.True(metricsAddr != "")
	for _, path := range []string{"/healthz", "/readyz"} {
		res, err := http.Get(p.url + path)
		is.NoErr(err)
		is.Equal(res.StatusCode, http.StatusOK)
		_ = res.Body.Close()
	}
	res, err := http.Get("http://" + metricsAddr + "/metrics")
	is.NoErr(err)
	text, err := io.ReadAll(res.Body)
	is.NoErr(err)
	_ = res.Body.Close()
	is.True(strings.Contains(string(text), `retainrabbit_http_request_seconds_count{method="GET",route="/readyz",status="200"} 1`))
	is.True(strings.Contains(string(text), "retainrabbit_commit_transactions_count"))
	is.NoErr(p.stop(syscall.SIGTERM))
	shown := p.stdout.String()
	key := regexp.MustCompile(`rk_live_\w+`).FindString(shown)
	link := regexp.MustCompile(`http\S+\?t=\S+`).FindString(shown)
	is.True(key != "" && link != "" && strings.Contains(shown, "curl -X POST"))
	is.True(!strings.Contains(p.log.String(), key) && !strings.Contains(p.log.String(), "?t="))

	again := serve(t, db)
	_, _, err = newAPI(again.url, key).start()
	is.NoErr(err)
	u := again.url + link[strings.Index(link, "/flow/"):]
	res, err = http.Get(u)
	is.NoErr(err)
	page, err := io.ReadAll(res.Body)
	is.NoErr(err)
	_ = res.Body.Close()
	is.True(strings.Contains(string(page), `data-step="survey"`) && strings.Contains(string(page), "Test mode"))
	is.NoErr(again.stop(syscall.SIGTERM))
	is.Equal(again.stdout.String(), "") // shown once

	empty := serve(t, "sqlite:"+filepath.Join(t.TempDir(), "empty.db"), "--no-bootstrap")
	is.NoErr(empty.stop(syscall.SIGTERM))
	is.Equal(empty.stdout.String(), "")
}

// Two servers cannot take the same address, and the second says so.
func TestAddressInUse(t *testing.T) {
	is := is.New(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	is.NoErr(err)
	defer l.Close()
	var stderr strings.Builder
	err = run(t.Context(), []string{"serve", "--db", "sqlite:" + filepath.Join(t.TempDir(), "x.db"), "--addr", l.Addr().String()}, io.Discard, &stderr)
	is.True(err != nil && strings.Contains(err.Error(), "address already in use"))
}

// command runs a command of the program and returns what it printed.
func command(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr strings.Builder
	if err := run(t.Context(), args, &stdout, &stderr); err != nil {
		t.Fatal(fmt.Errorf("%v: %w %s", args, err, stderr.String()))
	}
	return stdout.String()
}

// logged is the log so far.
func (p *process) logged() string {
	p.logMu.Lock()
	defer p.logMu.Unlock()
	return p.log.String()
}

// copyLog collects the rest of the log, line by line.
func (p *process) copyLog(lines *bufio.Reader) {
	for {
		line, err := lines.ReadString('\n')
		p.logMu.Lock()
		p.log.WriteString(line)
		p.logMu.Unlock()
		if err != nil {
			return
		}
	}
}
