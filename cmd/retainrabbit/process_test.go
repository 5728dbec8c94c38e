package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/matryer/is"
)

// process is a server that runs as a process of its own.
type process struct {
	*is.I
	t      *testing.T
	cmd    *exec.Cmd
	url    string
	stdout bytes.Buffer
	logMu  sync.Mutex
	log    bytes.Buffer
	read   sync.WaitGroup
}

var listening = regexp.MustCompile(`"msg":"listening","addr":"([^"]+)"`)

// serve starts the server of a database on a free port and waits until it listens.
func serve(t *testing.T, db string, args ...string) *process {
	t.Helper()
	p := &process{I: is.New(t), t: t}
	p.cmd = exec.Command(os.Args[0], append([]string{"serve", "--db", db, "--addr", "127.0.0.1:0", "--rate-limit", "0"}, args...)...)
	p.cmd.Env = append(os.Environ(), "RETAINRABBIT_TEST_PROCESS=1")
	p.cmd.Stdout = &p.stdout
	stderr, err := p.cmd.StderrPipe()
	p.NoErr(err)
	p.NoErr(p.cmd.Start())
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	lines := bufio.NewReader(stderr)
	for p.url == "" {
		line, err := lines.ReadString('\n')
		p.log.WriteString(line)
		if err != nil {
			t.Fatalf("the server did not start: %s", p.log.String())
		}
		if m := listening.FindStringSubmatch(line); m != nil {
			p.url = "http://" + m[1]
		}
	}
	p.read.Go(func() { p.copyLog(lines) })
	return p
}

// stop ends the process by a signal and returns how it exited.
func (p *process) stop(sig syscall.Signal) error {
	p.NoErr(p.cmd.Process.Signal(sig))
	p.read.Wait()
	return p.cmd.Wait()
}

// setUp makes a workspace with the example flow and returns a key.
func setUp(t *testing.T, db string) (key string) {
	t.Helper()
	p := serve(t, db)
	m := regexp.MustCompile(`rk_live_\w+`)
	is := is.New(t)
	is.NoErr(p.stop(syscall.SIGTERM)) // exit 0
	key = m.FindString(p.stdout.String())
	is.True(key != "")
	return key
}

// api is a client of one server.
type api struct {
	url, key string
	client   *http.Client
}

// start starts a session, and returns its id and personal link.
func (a api) start() (id, link string, err error) {
	var body struct {
		Data struct{ ID, URL string }
	}
	err = a.send("POST", a.url+"/api/v1/sessions", `{"customerId":"cus_1","mrrCents":2500}`, "application/json", http.StatusCreated, &body)
	return body.Data.ID, body.Data.URL, err
}

// decide presses a button of the last page.
func (a api) decide(link, action string) error {
	form := url.Values{"step": {"confirm"}, "action": {action}}
	return a.send("POST", link, form.Encode(), "application/x-www-form-urlencoded", http.StatusSeeOther, nil)
}

func (a api) outcome(id string) (string, error) {
	var body struct {
		Data struct{ Outcome string }
	}
	err := a.send("GET", a.url+"/api/v1/sessions/"+id, "", "", http.StatusOK, &body)
	return body.Data.Outcome, err
}

type counts struct{ Sessions, Saved, Canceled, Pending int }

func (a api) stats() (c counts, err error) {
	body := struct{ Data *counts }{&c}
	return c, a.send("GET", a.url+"/api/v1/stats", "", "", http.StatusOK, &body)
}

func (a api) send(method, target, body, media string, want int, into any) error {
	return a.sendWith(http.Header{}, method, target, body, media, want, into)
}

func (a api) sendWith(header http.Header, method, target, body, media string, want int, into any) error {
	req, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header = header
	req.Header.Set("Authorization", "Bearer "+a.key)
	req.Header.Set("Content-Type", media)
	res, err := a.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != want {
		return fmt.Errorf("%s %s: %s, Retry-After: %s, %s", method, target, res.Status, res.Header.Get("Retry-After"), answer)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

func newAPI(url, key string) api {
	return api{url, key, &http.Client{
		Timeout:       10 * time.Second,
		Transport:     &http.Transport{MaxIdleConnsPerHost: 16},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// The whole of what was acknowledged, over all rounds.
type acknowledged struct {
	mu       sync.Mutex
	outcomes map[string]string // by session; pending until a decision was acknowledged
	asked    map[string]string // decisions that were sent and not acknowledged
}

// customers starts and decides sessions, many at once, until the server is gone.
func (k *acknowledged) customers(a api) {
	var all sync.WaitGroup
	for c := range 8 {
		all.Go(func() {
			for i := c; ; i++ {
				id, link, err := a.start()
				if err != nil {
					return
				}
				k.set(id, "pending", "")
				if i%4 == 0 {
					continue
				}
				action, outcome := "cancel", "canceled"
				if i%2 == 0 {
					action, outcome = "keep", "saved"
				}
				k.set(id, "pending", outcome)
				link = a.url + link[strings.Index(link, "/flow/"):]
				if err := a.decide(link, action); err != nil {
					return
				}
				k.set(id, outcome, "")
			}
		})
	}
	all.Wait()
}

func (k *acknowledged) set(id, outcome, asked string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.outcomes[id] = outcome
	k.asked[id] = asked
}

// check holds the server against everything that was acknowledged.
func (k *acknowledged) check(t *testing.T, a api) {
	t.Helper()
	for id, want := range k.outcomes {
		got, err := a.outcome(id)
		if err != nil {
			t.Errorf("session %s was acknowledged: %v", id, err)
		} else if got != want && got != k.asked[id] {
			t.Errorf("session %s is %s, %s was acknowledged", id, got, want)
		}
	}
}

// killRounds is how often the server is killed; KILL_ROUNDS sets another number.
func killRounds(t *testing.T) int {
	rounds := 20
	if text := os.Getenv("KILL_ROUNDS"); text != "" {
		if _, err := fmt.Sscan(text, &rounds); err != nil {
			t.Fatal(err)
		}
	}
	return rounds
}

// However often the process is killed under load, what was acknowledged is there,
// and the counts are a recount.
func TestKill(t *testing.T) {
	is := is.New(t)
	path := filepath.Join(t.TempDir(), "kill.db")
	db := "sqlite:" + path
	key := setUp(t, db)
	k := &acknowledged{outcomes: map[string]string{}, asked: map[string]string{}}
	for round := range killRounds(t) {
		p := serve(t, db)
		a := newAPI(p.url, key)
		time.AfterFunc(time.Duration(50+(round*37)%150)*time.Millisecond, func() { _ = p.cmd.Process.Signal(syscall.SIGKILL) })
		k.customers(a)
		is.True(p.stop(syscall.SIGKILL) != nil)
	}
	p := serve(t, db)
	a := newAPI(p.url, key)
	k.check(t, a)
	stats, err := a.stats()
	is.NoErr(err)
	is.Equal(stats, recount(t, path))
	is.True(stats.Sessions >= len(k.outcomes))
	t.Logf("%d sessions acknowledged, %d stored", len(k.outcomes), stats.Sessions)
	is.True(len(k.outcomes) > 10*killRounds(t)) // there was load
	is.NoErr(p.stop(syscall.SIGTERM))
}

// On SIGTERM what is in flight is finished and acknowledged, and the exit is 0.
func TestGracefulShutdown(t *testing.T) {
	is := is.New(t)
	path := filepath.Join(t.TempDir(), "term.db")
	db := "sqlite:" + path
	key := setUp(t, db)
	k := &acknowledged{outcomes: map[string]string{}, asked: map[string]string{}}
	for range 5 {
		p := serve(t, db)
		done := make(chan struct{})
		go func() { k.customers(newAPI(p.url, key)); close(done) }()
		time.Sleep(100 * time.Millisecond)
		is.NoErr(p.stop(syscall.SIGTERM))
		<-done
		is.True(!strings.Contains(p.log.String(), `"level":"ERROR"`))
	}
	p := serve(t, db)
	k.check(t, newAPI(p.url, key))
	stats, err := newAPI(p.url, key).stats()
	is.NoErr(err)
	is.Equal(stats, recount(t, path))
	// Every request that the server read was answered: no session is stored that
	// was not acknowledged, and no decision.
	is.Equal(stats.Sessions, len(k.outcomes))
	for id, asked := range k.asked {
		if asked != "" && k.outcomes[id] == "pending" {
			got, err := newAPI(p.url, key).outcome(id)
			is.NoErr(err)
			is.Equal(got, "pending") // the connection was refused, so nothing happened
		}
	}
}
