package hosted

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"
	"strconv"

	"github.com/retainrabbit/retainrabbit/adapters/internal/web"
	"github.com/retainrabbit/retainrabbit/domain"
)

//go:embed templates
var files embed.FS

var (
	// templates are parsed at start, so that a broken one stops the program there.
	templates = template.Must(template.ParseFS(files, "templates/*.html"))
	css       = mustRead("templates/page.css")
	policy    = contentPolicy(css)
)

func mustRead(name string) string {
	b, err := files.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// contentPolicy allows the one style sheet and forms to ourselves, and no scripts,
// frames or requests to anybody.
func contentPolicy(css string) string {
	sum := sha256.Sum256([]byte(css))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}

// page is what every template reads.
type page struct {
	Title string
	Step  domain.Stage
	Body  any
	Test  bool
}

// Style is the style sheet as an element, byte for byte what the policy allows.
func (page) Style() template.HTML { return template.HTML("<style>" + css + "</style>") }

func render(w http.ResponseWriter, status int, name string, p page) error {
	var buf bytes.Buffer
	if err := templates.ExecuteTemplate(&buf, name, p); err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Security-Policy", policy)
	// The browser must still name us as the origin of our own forms.
	header.Set("Referrer-Policy", "same-origin")
	web.WriteBytes(w, status, "text/html; charset=utf-8", buf.Bytes())
	return nil
}

// step is the body of a page of the flow.
type step struct {
	Session  domain.Session
	Action   string // where the form goes
	Notice   string
	Label    string
	Message  string
	Options  []option
	Terms    []string // what the offer is, a sentence each
	Accept   string   // the label of the button that accepts
	Link     string   // where an accepted contact or redirect leads
	LinkText string
}

type option struct {
	Value   string
	Checked bool
}

var notices = map[string]string{
	noticeDecided: "Your earlier choice stands. This is how it was recorded.",
	noticeInput:   "We could not read that choice. Please choose again, or cancel directly.",
}

func renderStep(w http.ResponseWriter, v visit, notice string) error {
	s := v.session
	body := step{Session: s, Action: v.self(""), Notice: notices[notice]}
	if notice == noticeDecided && s.Outcome == domain.Pending {
		body.Notice = ""
	}
	title := ""
	switch s.Stage {
	case domain.StageSurvey:
		title = body.survey(v.flow.Steps)
	case domain.StageOffer:
		title = body.offer(v.flow.Steps)
	case domain.StageConfirm:
		title = "Cancel your subscription?"
	case domain.StageDone:
		title = body.done(v.flow.Steps)
	}
	return render(w, http.StatusOK, string(s.Stage)+".html", page{Title: title, Step: s.Stage, Body: body, Test: s.Mode == domain.Test})
}

func (b *step) survey(steps domain.Steps) (title string) {
	survey, ok := steps.Survey()
	if !ok {
		return "Cancel your subscription"
	}
	b.Label = survey.Label
	for _, o := range survey.Options {
		b.Options = append(b.Options, option{Value: o, Checked: domain.SameReason(o, b.Session.Reason)})
	}
	return survey.Label
}

func (b *step) offer(steps domain.Steps) (title string) {
	o, _ := steps.OfferAt(b.Session.Offered)
	b.Label, b.Message = o.Label, o.Message
	b.Terms = terms(o.Offer, b.Session.Customer)
	b.Accept = acceptLabel(o.Offer)
	return o.Label
}

func (b *step) done(steps domain.Steps) (title string) {
	b.Label = "Thank you"
	if c, ok := steps.Confirmation(); ok {
		b.Label, b.Message = c.Label, c.Message
	}
	if b.Session.Choice == domain.ChoseOffer {
		o, _ := steps.OfferAt(b.Session.Offered)
		b.Terms = terms(o.Offer, b.Session.Customer)
		b.Link, b.LinkText = offerLink(o.Offer)
	}
	return b.Label
}

// terms says what an offer is, exactly: what is paid now and after, and until when.
func terms(o domain.Offer, c domain.Customer) []string {
	switch o := o.(type) {
	case domain.Discount:
		return discountTerms(o, c)
	case domain.Pause:
		return []string{"Your subscription pauses for " + count(o.Months, "month") + ". You pay nothing in that time, and then the same as now."}
	case domain.PlanChange:
		return []string{"You change to " + o.PlanName + ", for " + o.Price.String() + " a " + string(o.Interval) + "."}
	case domain.TrialExtension:
		return []string{"Your trial lasts " + count(o.Days, "day") + " longer."}
	case domain.Contact:
		return []string{"You keep your subscription and talk to us first."}
	case domain.Redirect:
		return []string{"You keep your subscription and have a look first."}
	}
	return nil
}

func discountTerms(o domain.Discount, c domain.Customer) []string {
	off := o.Amount.String()
	if o.Percent != 0 {
		percent, _ := o.Percent.MarshalJSON() // a number always encodes
		off = string(percent) + " %"
	}
	how := ", for as long as you stay."
	if o.Months > 0 {
		how = " for " + count(o.Months, "month") + "."
	}
	list := []string{off + " off" + how}
	if now, after, known := c.Discounted(o); known {
		line := "You pay " + after.String() + " a month instead of " + now.String()
		if o.Months > 0 {
			line += ", and " + now.String() + " again after that"
		}
		list = append(list, line+".")
	}
	return list
}

func acceptLabel(o domain.Offer) string {
	switch o.(type) {
	case domain.Contact:
		return "Talk to us first"
	case domain.Redirect:
		return "Have a look first"
	}
	return "Accept this offer"
}

func offerLink(o domain.Offer) (href, text string) {
	switch o := o.(type) {
	case domain.Contact:
		return o.URL, "Contact us"
	case domain.Redirect:
		return o.URL, "Go on"
	}
	return "", ""
}

func count(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return strconv.Itoa(n) + " " + unit + "s"
}

// refusal is the body of a page that is no step of a flow.
type refusal struct {
	Text  string
	Retry bool // whether the same request may work later
}

func renderError(w http.ResponseWriter, _ *http.Request, err error) {
	status, title, body := web.Status(err), "This page is not here", refusal{Text: "Please open the cancellation page from your account."}
	var shown *domain.Error
	if !errors.As(err, &shown) {
		shown = &domain.Error{}
	}
	switch {
	case errors.Is(err, domain.ErrNotFound):
	case shown.Code == "link_missing":
		status, title = http.StatusOK, "Open this page from your account"
		body.Text = "To cancel, sign in to your account and choose “Cancel” there. The link that you get is yours alone."
	case shown.Code == "link_expired":
		status, title = http.StatusGone, "This link has expired"
		body.Text = "Nothing was changed by opening it. To go on, choose “Cancel” in your account again."
	case shown.Code == "link_invalid":
		status, title = http.StatusForbidden, "This link is not valid"
		body.Text = "It may be cut short. To cancel, choose “Cancel” in your account again."
	case status >= http.StatusInternalServerError:
		title = "We could not do this right now"
		body = refusal{Text: "We have not been able to record this. Please try again in a moment.", Retry: true}
	case status == http.StatusForbidden:
		title = "This did not come from our page"
		body.Text = "Your choice was sent from another site, so nothing was changed. Please open the page from your account."
	case status == http.StatusRequestEntityTooLarge || status == http.StatusBadRequest:
		title = "We could not read that"
		body = refusal{Text: "What was sent is too long or incomplete. Nothing was changed. Please go back and try again.", Retry: true}
	}
	if err := render(w, status, "refusal.html", page{Title: title, Body: body}); err != nil {
		http.Error(w, title, status)
	}
}
