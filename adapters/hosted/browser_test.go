package hosted_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/matryer/is"

	"github.com/retainrabbit/retainrabbit/domain"
)

// browser starts a real headless Chromium. Without one the test is skipped, loudly,
// but on CI that is a failure.
func browser(t *testing.T) context.Context {
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("no Chromium on this machine: `make test` installs it")
		}
		t.Skip("SKIPPED: no Chromium on this machine, so no page was tested in a browser; `make test` installs it")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true),
	)
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	return ctx
}

// walker is a customer at a browser.
type walker struct {
	*is.I
	ctx context.Context
	t   *testing.T
}

func (w walker) do(steps ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	w.NoErr(chromedp.Do(w.ctx, steps...))
}

func (w walker) open(link string) { w.t.Helper(); w.do(chromedp.Navigate(link)) }

// at waits for a step, and keeps a picture of it if SCREENSHOTS names a folder.
func (w walker) at(step string) {
	w.t.Helper()
	w.do(chromedp.WaitVisible(chromedp.CSS(`main[data-step="` + step + `"]`)))
	if dir := os.Getenv("SCREENSHOTS"); dir != "" {
		picture, err := chromedp.Run(w.ctx, chromedp.FullScreenshot(100))
		w.NoErr(err)
		w.NoErr(os.WriteFile(filepath.Join(dir, filepath.Base(w.t.Name())+"-"+step+".png"), picture, 0o600))
	}
}

func (w walker) press(action string) {
	w.t.Helper()
	w.do(chromedp.Click(chromedp.CSS(`button[value="` + action + `"]`)))
}

func TestInABrowser(t *testing.T) {
	ctx := browser(t)
	for name, setup := range map[string][]chromedp.Action[chromedp.Void]{
		"scripts on":  {scripts(true), chromedp.EmulateViewport(1200, 900)},
		"scripts off": {scripts(false), chromedp.EmulateViewport(1200, 900)},
		"phone, dark": {scripts(false), chromedp.EmulateViewport(320, 640, chromedp.EmulateMobile), dark()},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, nil)
			tab, stop := chromedp.NewContext(ctx)
			defer stop()
			w := walker{is.New(t), tab, t}
			w.do(setup...)

			session, link := s.start(domain.Live)
			w.open(link)
			w.at("survey")
			wide, err := chromedp.Run(tab, chromedp.Evaluate[bool]("document.documentElement.scrollWidth > document.documentElement.clientWidth"))
			w.NoErr(err)
			w.True(!wide) // nothing to scroll to the side
			w.do(chromedp.Click(chromedp.CSS(`input[value="Too expensive"]`)))
			w.press("continue")
			w.at("offer")
			w.press("decline")
			w.at("confirm")
			w.do(chromedp.NavigateBack())
			w.at("confirm") // the page is what the session is, also by the back button
			w.press("cancel")
			w.at("done")
			w.Equal(s.stored(session).Outcome, domain.Canceled)
			w.Equal(s.stored(session).Reason, "Too expensive")

			// Two tabs: what one decided the other cannot undo.
			session, link = s.start(domain.Live)
			w.open(link)
			w.at("survey")
			s.Equal(s.press(link, "survey", "keep").outcome, "saved")
			w.press("cancel")
			w.do(chromedp.WaitVisible(chromedp.CSS(`main[data-outcome="saved"] .notice`)))
			w.Equal(s.stored(session).Outcome, domain.Saved)
		})
	}
}

func TestByKeyboardAlone(t *testing.T) {
	ctx := browser(t)
	s := newSite(t, nil)
	w := walker{is.New(t), ctx, t}
	session, link := s.start(domain.Live)
	w.open(link)
	w.at("survey")
	w.do(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(" "))                             // the first reason
	w.do(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent("\r")) // past the text to Continue
	w.at("offer")
	w.do(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent("\r")) // accept comes first
	w.at("done")
	w.Equal(s.stored(session).Accepted, domain.KindDiscount)
}

func scripts(on bool) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
		return chromedp.Void{}, err
	}
}

func dark() chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
		})
		return chromedp.Void{}, err
	}
}
