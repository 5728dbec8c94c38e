package web

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/retainrabbit/retainrabbit/domain"
)

// outages keeps the log from being flooded while a dependency is away.
var outages outageLog

// outageLog lets one failure a second through, with how many it kept back.
type outageLog struct {
	mu     sync.Mutex
	last   time.Time
	hidden int
}

func (o *outageLog) pass(now time.Time) (hidden int, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now.Sub(o.last) < time.Second {
		o.hidden++
		return 0, false
	}
	hidden, o.hidden, o.last = o.hidden, 0, now
	return hidden, true
}

// log tells of what is the server's fault, with its cause.
func (wr Wrapper) log(r *http.Request, id string, err error) {
	status, hidden := Status(err), 0
	if status < http.StatusInternalServerError {
		return
	}
	if status == http.StatusServiceUnavailable {
		var ok bool
		if hidden, ok = outages.pass(time.Now()); !ok {
			return
		}
	}
	attrs := []any{"request_id", id, "method", r.Method, "path", r.URL.Path, "error", err}
	var known *domain.Error
	if errors.As(err, &known) && known.Err != nil {
		attrs = append(attrs, "cause", known.Err)
	}
	if hidden > 0 {
		attrs = append(attrs, "not_logged", hidden)
	}
	wr.Log.Error("request failed", attrs...)
}
