// Package hosted serves the pages that a customer walks through: /flow/WORKSPACE/FLOW
// with a personal link. They are plain HTML forms, work without scripts, set no
// cookie and ask nothing of any other host.
package hosted

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/retainrabbit/retainrabbit/adapters/internal/web"
	"github.com/retainrabbit/retainrabbit/app"
	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

// Config is what the pages work with.
type Config struct {
	App     *app.App
	Store   ports.Store
	BaseURL string // the origin that customers see, trusted as the sender of forms
	Log     *slog.Logger
	// Timeout, if not 0, bounds each request; what is not answered by then is 503.
	Timeout time.Duration
	// Observe, if set, is told of every answer. route is the pattern, not the path.
	Observe func(route, method string, status int, took time.Duration)
}

// pages is the state that handlers share.
type pages struct {
	Config
	csrf *http.CrossOriginProtection
}

// Register adds the pages' routes to the router. BaseURL must be an absolute URL.
func Register(r *mux.Router, cfg Config) error {
	p := &pages{Config: cfg, csrf: http.NewCrossOriginProtection()}
	base, err := url.Parse(cfg.BaseURL)
	if err != nil {
		return err
	}
	if err := p.csrf.AddTrustedOrigin(base.Scheme + "://" + base.Host); err != nil {
		return err
	}
	const path = "/flow/{workspace}/{flow}"
	wrap := web.Wrapper{Log: cfg.Log, RenderError: renderError, Observe: cfg.Observe, Timeout: cfg.Timeout}
	r.Handle(path, wrap.Handle(path, p.show)).Methods(http.MethodGet, http.MethodHead)
	r.Handle(path, wrap.Handle(path, p.act)).Methods(http.MethodPost)
	// An address that was cut short or got a slash too many is a customer's, too.
	r.PathPrefix("/flow/").Handler(wrap.Handle("/flow", func(http.ResponseWriter, *http.Request) error { return domain.NotFound("page") })).
		Methods(http.MethodGet, http.MethodHead, http.MethodPost)
	return nil
}

// visit is one customer's request: the session that the personal link opens, and
// the flow as it was when the session began.
type visit struct {
	session domain.Session
	flow    domain.Flow
	token   string
}

// self is the address of the visit's own page. A notice, if any, is shown on it.
func (v visit) self(notice string) string {
	q := url.Values{domain.LinkParam: {v.token}}
	if notice != "" {
		q.Set("notice", notice)
	}
	return "?" + q.Encode()
}

// errNoLink is the refusal of the bare address of a flow that exists.
var errNoLink = &domain.Error{Kind: domain.ErrUnauthorized, Code: "link_missing", Msg: "open this page from your account"}

// open verifies the personal link and loads what it leads to.
func (p *pages) open(r *http.Request) (visit, error) {
	vars := mux.Vars(r)
	ws, flow := vars["workspace"], vars["flow"]
	if !domain.ValidID(ws) || !domain.ValidID(flow) {
		return visit{}, domain.NotFound("page")
	}
	ctx := r.Context()
	workspace, err := p.Store.Workspace(ctx, domain.WorkspaceID(ws))
	if err != nil {
		return visit{}, err
	}
	token := r.URL.Query().Get(domain.LinkParam)
	if token == "" {
		if _, err := p.Store.Flow(ctx, workspace.ID, domain.FlowID(flow)); err != nil {
			return visit{}, err
		}
		return visit{}, errNoLink
	}
	link, err := domain.OpenLink(workspace.LinkSecret, workspace.ID, domain.FlowID(flow), token, time.Now())
	if err != nil {
		return visit{}, err
	}
	s, err := p.Store.Session(ctx, workspace.ID, link.SessionID)
	if err != nil {
		return visit{}, err
	}
	f, err := p.Store.FlowAt(ctx, workspace.ID, s.FlowID, s.FlowVersion)
	return visit{session: s, flow: f, token: token}, err
}

// show answers the page that the session stands at.
func (p *pages) show(w http.ResponseWriter, r *http.Request) error {
	v, err := p.open(r)
	if err != nil {
		return err
	}
	if r.Method == http.MethodHead {
		return renderStep(w, v, "") // nobody was shown anything
	}
	// A record that cannot be written now must not keep the customer from cancelling.
	if shown, err := p.App.ShowScreen(r.Context(), v.session); err != nil {
		p.Log.Error("screen shown but not recorded", "session", v.session.ID, "error", err)
	} else {
		v.session = shown
	}
	return renderStep(w, v, r.URL.Query().Get("notice"))
}

// act does what a button asks for, and sends the customer to the page that the
// session then stands at.
func (p *pages) act(w http.ResponseWriter, r *http.Request) error {
	if err := p.csrf.Check(r); err != nil {
		return &domain.Error{Kind: domain.ErrForbidden, Code: "cross_site", Msg: "this form was sent from another site", Err: err}
	}
	v, err := p.open(r)
	if err != nil {
		return err
	}
	body, err := web.ReadBody(w, r)
	if err != nil {
		return err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return domain.Invalid("form", "must be application/x-www-form-urlencoded")
	}
	notice, err := noticeFor(p.choose(r.Context(), v.session, form))
	if err != nil {
		return err
	}
	w.Header().Set("Location", v.self(notice))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// choose makes the change that the pressed button stands for.
func (p *pages) choose(ctx context.Context, s domain.Session, form url.Values) error {
	reason := form.Get("reason")
	// Browsers send CRLF for a line break that the text area counted as one character.
	feedback := strings.ReplaceAll(form.Get("feedback"), "\r\n", "\n")
	step := domain.Stage(form.Get("step"))
	if step == "" {
		step = s.Stage
	}
	var err error
	switch action := form.Get("action"); {
	case action == "continue":
		_, err = p.App.Answer(ctx, s, reason, feedback)
	case action == "accept":
		_, err = p.App.Accept(ctx, s)
	case action == "decline":
		_, err = p.App.Decline(ctx, s)
	case action == "keep":
		_, err = p.App.Keep(ctx, s)
	case action == "undo":
		_, err = p.App.Undo(ctx, s)
	case action == "cancel" && step == domain.StageConfirm:
		_, err = p.App.Cancel(ctx, s)
	case action == "cancel":
		_, err = p.App.AskToCancel(ctx, s, reason, feedback)
	default:
		err = domain.Invalid("action", "must be continue, accept, decline, cancel, keep or undo")
	}
	return err
}

// The notices that a page can carry.
const (
	noticeDecided = "decided"
	noticeInput   = "input"
)

// noticeFor turns what the customer can see and mend on the next page into a notice.
func noticeFor(err error) (notice string, _ error) {
	switch domain.KindOf(err) {
	case domain.ErrConflict:
		return noticeDecided, nil
	case domain.ErrInvalid:
		return noticeInput, nil
	}
	return "", err
}
