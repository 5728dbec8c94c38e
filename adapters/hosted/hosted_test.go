package hosted_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/mux"
	"github.com/matryer/is"

	"github.com/retainrabbit/retainrabbit/adapters/hosted"
	"github.com/retainrabbit/retainrabbit/adapters/sqlite"
	"github.com/retainrabbit/retainrabbit/app"
	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

// site is the real pages on a real SQLite file.
type site struct {
	*is.I
	t     *testing.T
	store ports.Store
	app   *app.App
	ws    domain.Workspace
	url   string
	now   time.Time // the application's clock, which dates the links
}

func newSite(t *testing.T, wrap func(ports.Store) ports.Store) *site {
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"), sqlite.Options{})
	is := is.New(t)
	is.NoErr(err)
	t.Cleanup(func() { _ = store.Close() })
	s := &site{I: is, t: t, store: store, now: time.Now()}
	if wrap != nil {
		s.store = wrap(store)
	}
	s.app = app.New(app.Config{Store: s.store, LinkLife: time.Hour, Now: func() time.Time { return s.now }})
	s.ws, err = s.app.CreateWorkspace(t.Context(), "Acme", "usd")
	is.NoErr(err)
	s.apply(winBack())
	router := mux.NewRouter().SkipClean(true)
	server := httptest.NewServer(router)
	t.Cleanup(server.Close)
	s.url = server.URL
	is.NoErr(hosted.Register(router, hosted.Config{App: s.app, Store: s.store, BaseURL: server.URL, Log: slog.New(slog.DiscardHandler)}))
	return s
}

func (s *site) apply(doc domain.FlowDocument) domain.Flow {
	s.t.Helper()
	f, err := s.app.ApplyFlow(s.t.Context(), s.ws.ID, doc)
	s.NoErr(err)
	return f
}

func winBack() domain.FlowDocument {
	return domain.FlowDocument{
		Name: "Win-back", Slug: "win-back", Status: domain.Active,
		Steps: domain.Steps{
			domain.Survey{Label: "Why are you cancelling?", Options: []string{"Too expensive", "Not used", "Something else"}},
			domain.OfferStep{Label: "A better price", Reasons: []string{"Too expensive"}, Offer: domain.Discount{Percent: 3000, Months: 3}},
			domain.OfferStep{Label: "Take a break", Reasons: []string{"Not used"}, Message: "We'll be here.", Offer: domain.Pause{Months: 2}},
			domain.Confirmation{Label: "You're all set", Message: "Bye for now"},
		},
	}
}

// start begins a session and returns it with its personal link.
func (s *site) start(mode domain.Mode) (domain.Session, string) {
	s.t.Helper()
	mrr := int64(2500)
	session, err := s.app.StartSession(s.t.Context(), app.StartRequest{
		Workspace: s.ws, Mode: mode,
		Customer: domain.Customer{ID: "cus_1", MRR: &mrr, ReturnURL: "https://shop.example/account"},
	})
	s.NoErr(err)
	link, err := session.Link().URL(s.url, s.ws.LinkSecret)
	s.NoErr(err)
	return session, link
}

// page is an answer as a customer sees it.
type page struct {
	status  int
	header  http.Header
	body    string
	step    string
	outcome string
}

var mainTag = regexp.MustCompile(`<main data-step="(\w+)" data-outcome="(\w+)">`)

func (s *site) do(req *http.Request) page {
	s.t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	s.NoErr(err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	s.NoErr(err)
	p := page{status: res.StatusCode, header: res.Header, body: string(raw)}
	if m := mainTag.FindStringSubmatch(p.body); m != nil {
		p.step, p.outcome = m[1], m[2]
	}
	return p
}

func (s *site) get(link string) page {
	s.t.Helper()
	req, err := http.NewRequest("GET", link, nil)
	s.NoErr(err)
	return s.do(req)
}

// post sends a form as a browser without scripts does; header lists name, value, …
func (s *site) post(link string, form url.Values, header ...string) page {
	s.t.Helper()
	req, err := http.NewRequest("POST", link, strings.NewReader(form.Encode()))
	s.NoErr(err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return s.do(req)
}

// press presses a button of a page and follows the redirect, as a browser would.
func (s *site) press(link, step, action string, more ...string) page {
	s.t.Helper()
	form := url.Values{"step": {step}, "action": {action}}
	for i := 0; i+1 < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	p := s.post(link, form)
	s.Equal(p.status, http.StatusSeeOther)
	target, err := url.Parse(link)
	s.NoErr(err)
	target, err = target.Parse(p.header.Get("Location"))
	s.NoErr(err)
	return s.get(target.String())
}

func (s *site) stored(session domain.Session) domain.Session {
	s.t.Helper()
	got, err := s.store.Session(s.t.Context(), session.WorkspaceID, session.ID)
	s.NoErr(err)
	return got
}

func (s *site) eventTypes(session domain.Session) (types []string) {
	s.t.Helper()
	events, err := s.store.Events(s.t.Context(), session.WorkspaceID, session.ID)
	s.NoErr(err)
	for _, e := range events {
		text := strings.TrimPrefix(string(e.Type), "session.")
		if e.Data.Screen != "" {
			text += ":" + string(e.Data.Screen)
		}
		types = append(types, text)
	}
	return types
}

func TestAcceptAnOffer(t *testing.T) {
	s := newSite(t, nil)
	session, link := s.start(domain.Live)
	p := s.get(link)
	s.Equal([]string{p.step, p.outcome}, []string{"survey", "pending"})
	p = s.press(link, "survey", "continue", "reason", "Too expensive", "feedback", "I <3 you\r\nbut…")
	s.Equal(p.step, "offer")
	s.True(strings.Contains(p.body, "30 % off for 3 months."))
	s.True(strings.Contains(p.body, "You pay 17.50 USD a month instead of 25.00 USD, and 25.00 USD again after that."))
	p = s.press(link, "offer", "accept")
	s.Equal([]string{p.step, p.outcome}, []string{"done", "saved"})
	s.True(strings.Contains(p.body, "30 % off for 3 months.")) // what was chosen
	s.True(strings.Contains(p.body, "Bye for now"))
	s.True(strings.Contains(p.body, `href="https://shop.example/account"`))
	got := s.stored(session)
	s.Equal(got.Recovered, domain.Money{Minor: 1750, Currency: "usd"})
	s.Equal(got.Feedback, "I <3 you\nbut…")
	s.Equal(s.eventTypes(session), []string{"screen_shown:survey", "reason_given", "screen_shown:offer", "saved", "screen_shown:done"})
}

func TestDeclineAndCancel(t *testing.T) {
	s := newSite(t, nil)
	session, link := s.start(domain.Live)
	s.Equal(s.press(link, "survey", "continue", "reason", "Not used").step, "offer")
	s.Equal(s.press(link, "offer", "decline").step, "confirm")
	p := s.press(link, "confirm", "cancel")
	s.Equal([]string{p.step, p.outcome}, []string{"done", "canceled"})
	s.True(strings.Contains(p.body, "We have received your request to cancel."))
	s.True(!strings.Contains(strings.ToLower(p.body), "cancelled")) // nothing that billing has not confirmed
	s.Equal(s.stored(session).Recovered.Minor, int64(0))
}

// Cancelling works from every step, with one more click at most, whatever the form holds.
func TestCancelNowOnEveryStep(t *testing.T) {
	s := newSite(t, nil)
	for name, before := range map[string]func(link string) page{
		"survey":  func(link string) page { return s.get(link) },
		"offer":   func(link string) page { return s.press(link, "survey", "continue", "reason", "Too expensive") },
		"confirm": func(link string) page { return s.press(link, "survey", "continue", "reason", "Something else") },
	} {
		_, link := s.start(domain.Live)
		p := before(link)
		s.Equal(p.step, name)
		s.True(strings.Contains(p.body, `<button name="action" value="cancel">`))
		if name != "confirm" {
			p = s.press(link, name, "cancel", "reason", "no option", "feedback", strings.Repeat("x", 5000))
			s.Equal(p.step, "confirm")
		}
		s.Equal(s.press(link, "confirm", "cancel").outcome, "canceled")
	}
	_, link := s.start(domain.Live)
	s.Equal(s.press(link, "survey", "keep").outcome, "saved") // and so does keeping
}

// What was decided can be taken back from the last page, and decided anew; the counts follow.
func TestUndo(t *testing.T) {
	s := newSite(t, nil)
	session, link := s.start(domain.Live)
	s.press(link, "survey", "continue", "reason", "Too expensive")
	p := s.press(link, "offer", "accept")
	s.Equal(p.outcome, "saved")
	s.True(strings.Contains(p.body, `<button name="action" value="undo"`))
	p = s.press(link, "done", "undo")
	s.Equal([]string{p.step, p.outcome}, []string{"survey", "pending"})
	s.Equal(s.press(link, "done", "undo").outcome, "pending") // a double click
	got := s.stored(session)
	s.Equal(got.Recovered.Minor, int64(0))
	s.Equal(s.press(link, "survey", "continue", "reason", "Not used").step, "offer") // the one that was made
	s.press(link, "offer", "cancel")
	p = s.press(link, "confirm", "cancel")
	s.Equal(p.outcome, "canceled")
	s.Equal(s.press(link, "done", "undo").outcome, "pending")
	s.Equal(s.press(link, "survey", "keep").outcome, "saved")
	stats, err := s.store.Stats(t.Context(), got.WorkspaceID, 0)
	s.NoErr(err)
	s.Equal(stats.Total("usd"), domain.Tally{Sessions: 1, Answered: 1, Saved: 1, Recovered: 2500})
}

func TestRepeatedAndLateForms(t *testing.T) {
	s := newSite(t, nil)
	session, link := s.start(domain.Live)
	s.press(link, "survey", "continue", "reason", "Too expensive")
	s.press(link, "survey", "continue", "reason", "Too expensive") // a double click
	s.Equal(s.press(link, "offer", "accept").outcome, "saved")
	decided := s.stored(session)
	s.Equal(s.press(link, "offer", "accept").outcome, "saved") // the same again: the same answer
	s.Equal(s.stored(session).DecidedAt, decided.DecidedAt)
	for _, late := range [][2]string{{"confirm", "cancel"}, {"survey", "cancel"}, {"offer", "decline"}, {"survey", "continue"}, {"confirm", "keep"}} {
		p := s.press(link, late[0], late[1]) // from another tab, or by the back button
		s.Equal([]string{p.step, p.outcome}, []string{"done", "saved"})
		s.True(strings.Contains(p.body, "Your earlier choice stands"))
	}
	got := s.stored(session)
	s.Equal(got.Outcome, domain.Saved)
	s.Equal(got.DecidedAt, decided.DecidedAt)
	saves := 0
	for _, e := range s.eventTypes(session) {
		if e == "saved" || e == "canceled" {
			saves++
		}
	}
	s.Equal(saves, 1)
}

func TestOneWinnerOfManyTabs(t *testing.T) {
	s := newSite(t, nil)
	session, link := s.start(domain.Live)
	s.press(link, "survey", "continue", "reason", "Too expensive")
	var mu sync.Mutex
	outcomes := map[string]int{}
	var tabs sync.WaitGroup
	for i := range 16 {
		tabs.Go(func() {
			var p page
			switch i % 3 {
			case 0:
				p = s.press(link, "offer", "accept")
			case 1:
				p = s.press(link, "confirm", "cancel")
			default:
				p = s.press(link, "confirm", "keep")
			}
			mu.Lock()
			outcomes[p.outcome]++
			mu.Unlock()
		})
	}
	tabs.Wait()
	s.Equal(len(outcomes), 1) // every tab shows the same
	s.Equal(outcomes[string(s.stored(session).Outcome)], 16)
}

// The step of an offer that was never made cannot be skipped to.
func TestStepsCannotBeSkipped(t *testing.T) {
	s := newSite(t, nil)
	session, link := s.start(domain.Live)
	p := s.press(link, "offer", "accept")
	s.Equal([]string{p.step, p.outcome}, []string{"survey", "pending"})
	s.Equal(s.stored(session).Outcome, domain.Pending)
	p = s.press(link, "survey", "continue", "reason", "a reason that is no option")
	s.Equal(p.step, "survey")
	s.True(strings.Contains(p.body, "Please choose again"))
	p = s.press(link, "survey", "dance")
	s.Equal(p.step, "survey")
}

// Buttons alone are enough: a form without the hidden field is of the step that the
// session stands at.
func TestFormsWithoutTheHiddenField(t *testing.T) {
	s := newSite(t, nil)
	_, link := s.start(domain.Live)
	s.Equal(s.post(link, url.Values{"action": {"cancel"}}).status, http.StatusSeeOther)
	s.Equal(s.get(link).step, "confirm")
	s.Equal(s.post(link, url.Values{"action": {"cancel"}}).status, http.StatusSeeOther)
	s.Equal(s.get(link).outcome, "canceled")
}

func TestHeadIsNoScreen(t *testing.T) {
	s := newSite(t, nil)
	session, link := s.start(domain.Live)
	req, err := http.NewRequest("HEAD", link, nil)
	s.NoErr(err)
	s.Equal(s.do(req).status, http.StatusOK)
	s.Equal(len(s.eventTypes(session)), 0)
}

func TestBackButton(t *testing.T) {
	s := newSite(t, nil)
	session, link := s.start(domain.Live)
	s.press(link, "survey", "continue", "reason", "Not used")
	s.Equal(s.press(link, "offer", "decline").step, "confirm")
	p := s.press(link, "offer", "accept") // back, and then taken after all
	s.Equal(p.outcome, "saved")
	s.Equal(s.stored(session).Accepted, domain.KindPause)
}

func TestLinks(t *testing.T) {
	s := newSite(t, nil)
	_, link := s.start(domain.Live)
	address, err := url.Parse(link)
	s.NoErr(err)
	token := address.Query().Get("t")
	bare := s.url + address.Path
	other, err := s.app.CreateWorkspace(t.Context(), "Other", "usd")
	s.NoErr(err)
	elsewhere := strings.Replace(bare, string(s.ws.ID), string(other.ID), 1)
	changed := "A" + token[1:]
	if token[0] == 'A' {
		changed = "B" + token[1:]
	}
	for name, c := range map[string]struct {
		link   string
		status int
		says   string
	}{
		"without a token":   {bare, http.StatusOK, "sign in to your account"},
		"tampered":          {bare + "?t=" + changed, http.StatusForbidden, "not valid"},
		"cut short":         {bare + "?t=" + token[:20], http.StatusForbidden, "not valid"},
		"other workspace":   {elsewhere + "?t=" + token, http.StatusForbidden, "not valid"},
		"another flow":      {strings.Replace(bare, address.Path[strings.LastIndex(address.Path, "/"):], "/0197c2a4-5d60-7a10-8c55-3f1f5bb0a000", 1) + "?t=" + token, http.StatusForbidden, "not valid"},
		"a slash too many":  {bare + "/?t=" + token, http.StatusNotFound, "not here"},
		"no id at all":      {s.url + "/flow/x/y?t=" + token, http.StatusNotFound, "not here"},
		"unknown workspace": {s.url + "/flow/0197c2a4-5d60-7a10-8c55-3f1f5bb0a000/0197c2a4-5d60-7a10-8c55-3f1f5bb0a000", http.StatusNotFound, "not here"},
	} {
		for _, p := range []page{s.get(c.link), s.post(c.link, url.Values{"step": {"confirm"}, "action": {"cancel"}})} {
			if p.status != c.status || !strings.Contains(p.body, c.says) || strings.Contains(p.body, "<form") || strings.Contains(p.body, "cus_1") {
				t.Errorf("%s: status %d, want %d with %q:\n%s", name, p.status, c.status, c.says, p.body)
			}
		}
	}
	s.Equal(s.get(link).step, "survey") // nothing of that changed anything
}

func TestExpiredLink(t *testing.T) {
	s := newSite(t, nil)
	s.now = time.Now().Add(-2 * time.Hour) // links live one hour
	session, link := s.start(domain.Live)
	for _, p := range []page{s.get(link), s.post(link, url.Values{"step": {"confirm"}, "action": {"cancel"}})} {
		s.Equal(p.status, http.StatusGone)
		s.True(strings.Contains(p.body, "expired"))
	}
	s.Equal(s.stored(session).Outcome, domain.Pending)
}

func TestCrossSiteFormsAreRefused(t *testing.T) {
	s := newSite(t, nil)
	session, link := s.start(domain.Live)
	form := url.Values{"step": {"confirm"}, "action": {"cancel"}}
	for _, header := range [][]string{
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"},
		{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
	} {
		s.Equal(s.post(link, form, header...).status, http.StatusForbidden)
		s.Equal(s.stored(session).Outcome, domain.Pending)
	}
	s.Equal(s.post(link, form, "Sec-Fetch-Site", "same-origin", "Origin", s.url).status, http.StatusSeeOther)
	s.Equal(s.stored(session).Outcome, domain.Canceled)
}

func TestHostileTextIsShownAsText(t *testing.T) {
	s := newSite(t, nil)
	hostile := `<script>alert(1)</script>"'><img src=x onerror=alert(1)>`
	doc := winBack()
	doc.Steps = domain.Steps{
		domain.Survey{Label: hostile, Options: []string{hostile}},
		domain.OfferStep{Label: hostile, Message: hostile, Offer: domain.PlanChange{PlanID: "p", PlanName: hostile, Price: domain.Money{Minor: 900, Currency: "usd"}, Interval: domain.Monthly}},
		domain.Confirmation{Label: hostile, Message: hostile},
	}
	s.apply(doc)
	_, link := s.start(domain.Live)
	for _, p := range []page{s.get(link), s.press(link, "survey", "continue", "reason", hostile, "feedback", hostile), s.press(link, "offer", "accept")} {
		s.True(p.step != "")
		s.True(!strings.Contains(p.body, "<script") && !strings.Contains(p.body, "<img"))
	}
}

// A flow edited meanwhile does not change a walk that has begun, and steps that
// only a newer version knows do not stand in the way.
func TestTheFlowChangesMeanwhile(t *testing.T) {
	s := newSite(t, nil)
	_, link := s.start(domain.Live)
	doc := winBack()
	doc.Status = domain.Archived
	doc.Steps = doc.Steps[3:]
	s.apply(doc)
	s.Equal(s.press(link, "survey", "continue", "reason", "Too expensive").step, "offer")
	s.Equal(s.press(link, "offer", "accept").outcome, "saved")

	newer := domain.Flow{
		ID: "0197c2a4-5d60-7a10-8c55-3f1f5bb0a00a", WorkspaceID: s.ws.ID, Version: 1, CreatedAt: s.now, UpdatedAt: s.now.Add(time.Hour),
		FlowDocument: domain.FlowDocument{Name: "n", Slug: "newer", Status: domain.Active, Steps: domain.Steps{domain.UnknownStep{StepType: "quiz", Config: []byte("{}")}}},
	}
	s.NoErr(s.store.InTx(t.Context(), func(ctx context.Context, tx ports.Tx) error { return tx.CreateFlow(ctx, newer) }))
	s.app = app.New(app.Config{Store: s.store, LinkLife: time.Hour})
	_, link = s.start(domain.Live)
	s.Equal(s.get(link).step, "confirm")
	s.Equal(s.press(link, "confirm", "cancel").outcome, "canceled")
}

func TestPagesAskNobodyElse(t *testing.T) {
	s := newSite(t, nil)
	_, link := s.start(domain.Test)
	foreign := regexp.MustCompile(`(?i)(src|href|action|url\()\s*=?\s*["'(]?(https?:)?//`)
	for _, p := range []page{s.get(link), s.press(link, "survey", "continue", "reason", "Not used"), s.press(link, "offer", "decline"), s.get(s.url + "/flow/x/y")} {
		s.True(!foreign.MatchString(p.body))
		s.True(!strings.Contains(p.body, "<script"))
		s.Equal(p.header.Values("Set-Cookie"), nil)
		s.True(len(p.body) < 20<<10)
		csp := p.header.Get("Content-Security-Policy")
		s.True(strings.Contains(csp, "default-src 'none'") && strings.Contains(csp, "frame-ancestors 'none'") && !strings.Contains(csp, "unsafe"))
		s.Equal(p.header.Get("Cache-Control"), "no-store")
		s.Equal(p.header.Get("X-Content-Type-Options"), "nosniff")
	}
	s.True(strings.Contains(s.get(link).body, "Test mode"))
}

var errFull = &domain.Error{Kind: domain.ErrUnavailable, Msg: "the disk is full", Err: errors.New("ENOSPC")}

func TestWhatCannotBeRecordedIsNotClaimed(t *testing.T) {
	broken := false
	s := newSite(t, func(store ports.Store) ports.Store { return &switchable{Store: store, broken: &broken} })
	session, link := s.start(domain.Live)
	broken = true
	s.Equal(s.get(link).step, "survey") // the page still works, though nothing can be noted
	p := s.post(link, url.Values{"step": {"confirm"}, "action": {"cancel"}})
	s.Equal(p.status, http.StatusServiceUnavailable)
	s.True(p.header.Get("Retry-After") != "")
	s.True(strings.Contains(p.body, "We have not been able to record this"))
	s.True(!strings.Contains(p.body, "data-outcome"))
	broken = false
	s.Equal(s.stored(session).Outcome, domain.Pending)
	s.Equal(s.press(link, "confirm", "cancel").outcome, "canceled")
}

type switchable struct {
	ports.Store
	broken *bool
}

func (s *switchable) InTx(ctx context.Context, fn func(context.Context, ports.Tx) error) error {
	if *s.broken {
		return errFull
	}
	return s.Store.InTx(ctx, fn)
}

func TestLongForms(t *testing.T) {
	s := newSite(t, nil)
	_, link := s.start(domain.Live)
	s.Equal(s.post(link, url.Values{"feedback": {strings.Repeat("x", 70_000)}}).status, http.StatusRequestEntityTooLarge)
	p := s.press(link, "survey", "continue", "feedback", strings.Repeat("é", 2000))
	s.Equal(p.step, "confirm")
}
