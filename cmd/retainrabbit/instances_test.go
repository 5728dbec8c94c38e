package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/matryer/is"

	"github.com/retainrabbit/retainrabbit/adapters/postgres/pgtest"
)

var liveKey = regexp.MustCompile(`rk_live_\w+`)

// Ten instances start at once on an empty database: it is migrated, and given its
// first workspace, once. What one of them does holds for all.
func TestInstances(t *testing.T) {
	is := is.New(t)
	cluster := pgtest.Shared(t)
	db := cluster.URL(cluster.Database(t))
	fleet := make([]*process, 10)
	var starting sync.WaitGroup
	for i := range fleet {
		starting.Go(func() { fleet[i] = serve(t, db) })
	}
	starting.Wait()
	for _, p := range fleet[2:] {
		is.NoErr(p.stop(syscall.SIGTERM))
	}
	for _, p := range fleet[:2] { // their stdout may be read when they have ended
		is.NoErr(p.stop(syscall.SIGTERM))
	}
	var shown []string
	for _, p := range fleet {
		shown = append(shown, liveKey.FindAllString(p.stdout.String(), 1)...)
	}
	is.Equal(len(shown), 1) // one made the workspace, and showed its key
	one, two := serve(t, db), serve(t, db)
	apis := []api{newAPI(one.url, shown[0]), newAPI(two.url, shown[0])}

	retriesAgree(t, apis)
	decisionsHaveOneWinner(t, apis)

	list := command(t, "key", "list", "--db", db, "--json")
	id := regexp.MustCompile(`"id":"([^"]+)"`).FindStringSubmatch(list)[1]
	command(t, "key", "revoke", id, "--db", db)
	time.Sleep(2 * time.Second) // what is promised
	for _, a := range apis {
		_, _, err := a.start()
		is.True(err != nil && strings.Contains(err.Error(), "401"))
	}
	is.NoErr(one.stop(syscall.SIGTERM))
	is.NoErr(two.stop(syscall.SIGTERM))
}

// retriesAgree sends each idempotency key to all instances at once: one session.
func retriesAgree(t *testing.T, apis []api) {
	t.Helper()
	is := is.New(t)
	before, err := apis[0].stats()
	is.NoErr(err)
	for key := range 20 {
		var all sync.WaitGroup
		var mu sync.Mutex
		ids := map[string]bool{}
		for i := range 8 {
			all.Go(func() {
				a := apis[i%len(apis)]
				var body struct{ Data struct{ ID string } }
				err := a.sendWith(http.Header{"Idempotency-Key": {fmt.Sprint("click-", key)}}, "POST", a.url+"/api/v1/sessions", `{"customerId":"cus_1"}`, "application/json", http.StatusCreated, &body)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				ids[body.Data.ID] = true
			})
		}
		all.Wait()
		is.Equal(len(ids), 1)
	}
	after, err := apis[1].stats()
	is.NoErr(err)
	is.Equal(after.Sessions-before.Sessions, 20)
}

// decisionsHaveOneWinner posts keep and cancel to all instances at once.
func decisionsHaveOneWinner(t *testing.T, apis []api) {
	t.Helper()
	is := is.New(t)
	before, err := apis[0].stats()
	is.NoErr(err)
	for range 20 {
		id, link, err := apis[0].start()
		is.NoErr(err)
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				a := apis[i%len(apis)]
				if err := a.decide(a.url+link[strings.Index(link, "/flow/"):], []string{"keep", "cancel"}[i/2%2]); err != nil {
					t.Error(err) // each of them is sent on to the one outcome
				}
			})
		}
		all.Wait()
		one, err := apis[0].outcome(id)
		is.NoErr(err)
		two, err := apis[1].outcome(id)
		is.NoErr(err)
		is.True(one == two && (one == "saved" || one == "canceled"))
	}
	after, err := apis[1].stats()
	is.NoErr(err)
	is.Equal(after.Saved+after.Canceled-before.Saved-before.Canceled, 20)
	is.Equal(after.Sessions, after.Saved+after.Canceled+after.Pending)
}

// However often instances of a fleet are killed under load, what was acknowledged is
// there, and the counts are a recount.
func TestFleetIsKilled(t *testing.T) {
	is := is.New(t)
	cluster := pgtest.New(t, pgtest.Durable...)
	db := cluster.URL("postgres")
	key := setUp(t, db)
	k := &acknowledged{outcomes: map[string]string{}, asked: map[string]string{}}
	for range killRounds(t) / 2 {
		var round sync.WaitGroup
		for range 2 {
			round.Go(func() {
				p := serve(t, db)
				time.AfterFunc(time.Duration(50+rand.IntN(200))*time.Millisecond, func() { _ = p.cmd.Process.Signal(syscall.SIGKILL) })
				k.customers(newAPI(p.url, key))
				_ = p.stop(syscall.SIGKILL)
			})
		}
		round.Wait()
	}
	p := serve(t, db)
	a := newAPI(p.url, key)
	k.check(t, a)
	stats, err := a.stats()
	is.NoErr(err)
	is.Equal(stats, recountPostgres(t, db))
	t.Logf("%d sessions acknowledged, %d stored", len(k.outcomes), stats.Sessions)
	is.True(len(k.outcomes) > 10*killRounds(t))
	is.NoErr(p.stop(syscall.SIGTERM))
}

// soak is load that goes on through faults, and what came back.
type soak struct {
	known   *acknowledged
	mu      sync.Mutex
	refused int
	slowest time.Duration
	wrong   []string
	stop    chan struct{}
	done    sync.WaitGroup
}

// startSoak keeps eight customers at work until the soak is ended. While the
// database is away every answer must be an honest 503, and soon.
func startSoak(a api) *soak {
	s := &soak{known: &acknowledged{outcomes: map[string]string{}, asked: map[string]string{}}, stop: make(chan struct{})}
	for c := range 8 {
		s.done.Go(func() {
			for i := c; ; i++ {
				select {
				case <-s.stop:
					return
				default:
					s.customer(a, i)
				}
			}
		})
	}
	return s
}

func (s *soak) customer(a api, i int) {
	key := uuid.NewString() // as a careful backend does
	var body struct{ Data struct{ ID, URL string } }
	if !s.timed(func() error {
		return a.sendWith(http.Header{"Idempotency-Key": {key}}, "POST", a.url+"/api/v1/sessions", `{"customerId":"cus_1","mrrCents":2500}`, "application/json", http.StatusCreated, &body)
	}) {
		return
	}
	id, link := body.Data.ID, body.Data.URL
	s.known.set(id, "pending", "")
	action, outcome := []string{"keep", "cancel"}[i%2], []string{"saved", "canceled"}[i%2]
	s.known.set(id, "pending", outcome)
	if s.timed(func() error { return a.decide(a.url+link[strings.Index(link, "/flow/"):], action) }) {
		s.known.set(id, outcome, "")
	}
}

// timed makes a request and reports whether it was acknowledged.
func (s *soak) timed(request func() error) bool {
	began := time.Now()
	err := request()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slowest = max(s.slowest, time.Since(began))
	if err == nil {
		return true
	}
	s.refused++
	text := err.Error()
	honest := strings.Contains(text, "503") && strings.Contains(text, "Retry-After: 2") &&
		(strings.Contains(text, `{"error":`) || strings.Contains(text, "We have not been able to record"))
	if !honest || strings.Contains(text, `data-step="done"`) {
		s.wrong = append(s.wrong, text)
	}
	time.Sleep(20 * time.Millisecond) // as a client would
	return false
}

func (s *soak) end() {
	close(s.stop)
	s.done.Wait()
}

// recovers waits until the API works again, which must be soon and of itself.
func recovers(t *testing.T, a api) time.Duration {
	t.Helper()
	began := time.Now()
	for {
		_, _, err := a.start()
		if err == nil {
			return time.Since(began)
		}
		if time.Since(began) > 10*time.Second {
			t.Fatalf("no recovery: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// slack is what a busy machine may add to the two seconds in which every answer comes.
const slack = 500 * time.Millisecond

// check ends the soak and holds what was acknowledged against the server and the database.
func (s *soak) check(t *testing.T, a api, db string) {
	t.Helper()
	is := is.New(t)
	s.end()
	s.known.check(t, a)
	stats, err := a.stats()
	is.NoErr(err)
	is.Equal(stats, recountPostgres(t, db))
	for _, w := range s.wrong[:min(3, len(s.wrong))] {
		t.Errorf("not an honest 503: %s", w)
	}
	t.Logf("%d sessions acknowledged, %d requests refused, the slowest answer took %s", len(s.known.outcomes), s.refused, s.slowest.Round(time.Millisecond))
	is.True(s.slowest < 2*time.Second+slack)
	is.True(s.refused > 0) // the fault was felt
}

// PostgreSQL is stopped and started again under load.
func TestPostgresRestarts(t *testing.T) {
	is := is.New(t)
	cluster := pgtest.New(t, pgtest.Durable...)
	db := cluster.URL("postgres")
	key := setUp(t, db)
	p := serve(t, db)
	a := newAPI(p.url, key)
	s := startSoak(a)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL} {
		time.Sleep(300 * time.Millisecond)
		cluster.Stop(sig)
		time.Sleep(700 * time.Millisecond)
		_ = os.Remove(cluster.Dir + "/postmaster.pid")
		cluster.Start(t)
		t.Logf("after %s: works again %s after the server does", sig, recovers(t, a).Round(time.Millisecond))
	}
	s.check(t, a, db)
	is.NoErr(p.stop(syscall.SIGTERM))
}

// The primary is killed under load and its synchronous standby promoted; the
// program finds it by itself.
func TestFailover(t *testing.T) {
	is := is.New(t)
	primary := pgtest.New(t, pgtest.Durable...)
	standby := primary.Standby(t)
	db := strings.Replace(primary.URL("postgres"), fmt.Sprint(":", primary.Port), fmt.Sprintf(":%d,127.0.0.1:%d", primary.Port, standby.Port), 1) + "&target_session_attrs=read-write"
	key := setUp(t, db)
	p := serve(t, db)
	a := newAPI(p.url, key)
	s := startSoak(a)
	time.Sleep(500 * time.Millisecond)
	primary.Stop(syscall.SIGKILL)
	time.Sleep(300 * time.Millisecond) // somebody must notice
	standby.Promote(t)
	t.Logf("works again %s after the promotion", recovers(t, a).Round(time.Millisecond))
	time.Sleep(300 * time.Millisecond)
	s.check(t, a, standby.URL("postgres"))
	is.NoErr(p.stop(syscall.SIGTERM))
}

// Nothing passes between the program and its database for ten seconds.
func TestNetworkPause(t *testing.T) {
	is := is.New(t)
	cluster := pgtest.New(t, pgtest.Durable...)
	proxy := pgtest.NewProxy(t, cluster.Port)
	db := pgtest.Through(cluster.URL("postgres"), cluster.Port, proxy.Port, "")
	key := setUp(t, db)
	p := serve(t, db)
	a := newAPI(p.url, key)
	s := startSoak(a)
	time.Sleep(300 * time.Millisecond)
	resume := proxy.Pause()
	time.Sleep(10 * time.Second)
	resume()
	t.Logf("works again %s after the network does", recovers(t, a).Round(time.Millisecond))
	s.check(t, a, cluster.URL("postgres"))
	is.NoErr(p.stop(syscall.SIGTERM))
}

// An instance on a standby serves reads, and refuses writes honestly.
func TestReadReplica(t *testing.T) {
	is := is.New(t)
	primary := pgtest.New(t)
	key := setUp(t, primary.URL("postgres"))
	standby := primary.Standby(t)
	one, two := serve(t, primary.URL("postgres")), serve(t, standby.URL("postgres"))
	writer, reader := newAPI(one.url, key), newAPI(two.url, key)
	id, link, err := writer.start()
	is.NoErr(err)
	is.NoErr(writer.decide(one.url+link[strings.Index(link, "/flow/"):], "keep"))
	for range 100 { // it is as far behind as its replication
		var got string
		if got, err = reader.outcome(id); err == nil && got == "saved" {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	is.NoErr(err)
	want, err := writer.stats()
	is.NoErr(err)
	got, err := reader.stats()
	is.NoErr(err)
	is.Equal(got, want)
	_, _, err = reader.start()
	is.True(err != nil && strings.Contains(err.Error(), "503"))
	is.NoErr(one.stop(syscall.SIGTERM))
	is.NoErr(two.stop(syscall.SIGTERM))
}
