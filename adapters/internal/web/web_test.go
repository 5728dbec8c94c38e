package web_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/retainrabbit/retainrabbit/adapters/internal/web"
	"github.com/retainrabbit/retainrabbit/domain"
)

// Every kind has a status of its own, also when wrapped; an unknown error is 500
// and never shows its text.
func TestEveryKindHasAStatus(t *testing.T) {
	is := is.New(t)
	seen := map[int]domain.Kind{}
	for _, k := range domain.Kinds() {
		status := web.Status(fmt.Errorf("wrapped: %w", &domain.Error{Kind: k, Msg: "m"}))
		is.True(status >= 400 && status != 500)
		is.Equal(seen[status], domain.Kind("")) // taken by another kind
		seen[status] = k
	}
	secret := errors.New("open /var/lib/secret: permission denied")
	is.Equal(web.Status(secret), 500)
	is.True(web.PublicMessage(secret) != secret.Error())
	is.Equal(web.PublicMessage(domain.Invalid("field", "must be right")), "field: must be right")
	hidden := &domain.Error{Kind: domain.ErrConflict, Msg: "shown", Err: secret}
	is.Equal(web.PublicMessage(fmt.Errorf("inner: %w", hidden)), "shown")
}

// A request that outlasts its time is 503 with Retry-After, and of many such in one
// second one is logged, with its cause.
func TestTimeout(t *testing.T) {
	is := is.New(t)
	var log bytes.Buffer
	wrap := web.Wrapper{Log: slog.New(slog.NewTextHandler(&log, nil)), RenderError: web.RenderJSONError, Timeout: 5 * time.Millisecond}
	h := wrap.Handle("/", func(_ http.ResponseWriter, r *http.Request) error {
		<-r.Context().Done() // a store that does not answer
		return fmt.Errorf("reading: %w", r.Context().Err())
	})
	for range 20 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		is.Equal(w.Code, http.StatusServiceUnavailable)
		is.Equal(w.Header().Get("Retry-After"), "2")
	}
	is.Equal(strings.Count(log.String(), "request failed"), 1)
	is.True(strings.Contains(log.String(), "deadline exceeded"))
}
