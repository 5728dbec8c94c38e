// Package web is what the HTTP adapters share: one table from kinds of error to
// statuses, one wrapper around every handler, one way to read a body and to write
// an answer.
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/retainrabbit/retainrabbit/domain"
)

// statuses is the one table from kinds of error to HTTP statuses.
var statuses = map[domain.Kind]int{
	domain.ErrInvalid:      http.StatusBadRequest,
	domain.ErrUnauthorized: http.StatusUnauthorized,
	domain.ErrForbidden:    http.StatusForbidden,
	domain.ErrNotFound:     http.StatusNotFound,
	domain.ErrConflict:     http.StatusConflict,
	domain.ErrTooLarge:     http.StatusRequestEntityTooLarge,
	domain.ErrUnsupported:  http.StatusUnsupportedMediaType,
	domain.ErrRateLimited:  http.StatusTooManyRequests,
	domain.ErrUnavailable:  http.StatusServiceUnavailable,
}

// Status is the HTTP status for an error's kind; 500 for an unknown error.
func Status(err error) int {
	if status, ok := statuses[domain.KindOf(err)]; ok {
		return status
	}
	return http.StatusInternalServerError
}

// PublicMessage is what a client may read of an error: the text of a domain.Error
// that is the client's to mend, and else only what the status says.
func PublicMessage(err error) string {
	var shown *domain.Error
	switch status := Status(err); {
	case status == http.StatusServiceUnavailable:
		return "the service cannot do this right now: try again, a POST with the same Idempotency-Key"
	case status != http.StatusInternalServerError && errors.As(err, &shown):
		return shown.Error()
	}
	return "something went wrong on our side: nothing you sent was at fault"
}

// Handler answers a request, or returns an error before it has written anything.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Wrapper turns Handlers into http.Handlers.
type Wrapper struct {
	Log *slog.Logger
	// RenderError answers with an error, in the form that the adapter's clients read.
	RenderError func(w http.ResponseWriter, r *http.Request, err error)
	// Observe, if set, is told of every answer. route is the pattern, not the path.
	Observe func(route, method string, status int, took time.Duration)
	// Timeout, if not 0, bounds each request; what is not answered by then is 503.
	Timeout time.Duration
}

// Header values that every answer shares. They are never changed.
var (
	nosniff = []string{"nosniff"}
	noStore = []string{"no-store"}
)

// Handle wraps the handler of a route: it gives the answer a request id, renders
// what the handler returns or panics with, and logs what is the server's fault.
func (wr Wrapper) Handle(route string, h Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		if wr.Timeout > 0 {
			ctx, cancel := context.WithTimeout(r.Context(), wr.Timeout)
			defer cancel()
			r = r.WithContext(ctx)
		}
		out := &writer{ResponseWriter: w}
		id := requestID(r)
		header := out.Header()
		header["X-Request-Id"] = []string{id}
		header["X-Content-Type-Options"] = nosniff
		defer func() {
			if wr.Observe != nil {
				wr.Observe(route, r.Method, out.status, time.Since(start))
			}
			if !wr.Log.Enabled(r.Context(), slog.LevelDebug) {
				return
			}
			wr.Log.LogAttrs(r.Context(), slog.LevelDebug, "request", slog.String("route", route), slog.String("method", r.Method),
				slog.Int("status", out.status), slog.Duration("took", time.Since(start)), slog.String("request_id", id))
		}()
		if err := wr.call(h, out, r); err != nil {
			wr.fail(out, r, id, err)
		}
	})
}

// call runs the handler and makes a panic an error.
func (wr Wrapper) call(h Handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			panic(p)
		default:
			err = fmt.Errorf("panic: %v at %s", p, panickedAt())
		}
	}()
	return h(w, r)
}

// panickedAt names the line that panicked. A whole stack would carry arguments
// into the log.
func panickedAt() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs[:])])
	panicking := false
	for {
		frame, more := frames.Next()
		inRuntime := strings.HasPrefix(frame.Function, "runtime.")
		if panicking && !inRuntime {
			return frame.Function + ":" + strconv.Itoa(frame.Line)
		}
		panicking = panicking || frame.Function == "runtime.gopanic"
		if !more {
			return "an unknown place"
		}
	}
}

func (wr Wrapper) fail(w *writer, r *http.Request, id string, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		// The client is gone, or has closed its half and still reads: nothing was done.
		err = &domain.Error{Kind: domain.ErrUnavailable, Code: "canceled", Msg: "the request was given up", Err: err}
	} else {
		if errors.Is(err, context.DeadlineExceeded) && domain.KindOf(err) == "" {
			err = &domain.Error{Kind: domain.ErrUnavailable, Code: "timeout", Msg: "the request took too long", Err: err}
		}
		wr.log(r, id, err)
	}
	if w.status != 0 {
		panic(http.ErrAbortHandler) // half an answer was sent: cut the connection, do not add to it
	}
	if Status(err) == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "2")
	}
	wr.RenderError(w, r, err)
}

// writer remembers the status of the answer.
type writer struct {
	http.ResponseWriter
	status int
}

func (w *writer) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *writer) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

const maxRequestID = 64

// requestID takes the id that a proxy in front gave, if it is plain, or makes one.
func requestID(r *http.Request) string {
	if given := r.Header.Get("X-Request-Id"); given != "" && len(given) <= maxRequestID && plain(given) {
		return given
	}
	return strconv.FormatUint(rand.Uint64()|1<<63, 16) // to tell requests apart, not a secret
}

// plain reports whether s is letters, digits, hyphens, underscores and points: safe
// in a header and in a log.
func plain(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == ""
}

// RetryAfter tells a client to wait, in whole seconds rounded up.
func RetryAfter(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
}
