package httpapi

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"

	"github.com/retainrabbit/retainrabbit/adapters/internal/web"
	"github.com/retainrabbit/retainrabbit/app"
	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

// caller is who makes a request: a key, and the workspace that it opens.
type caller struct {
	key       domain.Key
	workspace domain.Workspace
	asOf      time.Time // before the key was read
}

// handler answers a request of a known caller.
type handler func(w http.ResponseWriter, r *http.Request, c *caller) error

// forReading lets any valid key pass, within its rate.
func (a *api) forReading(h handler) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		c, err := a.keys.authenticate(r)
		if err != nil {
			return err
		}
		if wait := a.limits.take(c.key.ID); wait > 0 {
			web.RetryAfter(w, wait)
			return &domain.Error{Kind: domain.ErrRateLimited, Code: "rate_limited", Msg: "too many requests with this key: wait as Retry-After says"}
		}
		return h(w, r, c)
	}
}

// forWriting lets a valid key of scope read+write pass, within its rate.
func (a *api) forWriting(h handler) web.Handler {
	return a.forReading(func(w http.ResponseWriter, r *http.Request, c *caller) error {
		if !c.key.MayWrite() {
			return &domain.Error{Kind: domain.ErrForbidden, Code: "read_only_key", Msg: "this key is read-only: use one of scope read+write"}
		}
		return h(w, r, c)
	})
}

const (
	// keyLife bounds how long a revoked key goes on working, from before it is read.
	keyLife       = 1500 * time.Millisecond
	workspaceLife = time.Minute
	maxKeys       = 10_000
)

// keyring knows the callers of the last second, by the digest of their key's text:
// the text itself is kept nowhere.
type keyring struct {
	store ports.Store
	app   *app.App
	known *otter.Cache[[sha256.Size]byte, *caller]
	// workspaces changes so rarely that a minute is soon enough.
	workspaces *otter.Cache[domain.WorkspaceID, domain.Workspace]
}

func newKeyring(store ports.Store, app *app.App) *keyring {
	return &keyring{store: store, app: app, known: otter.Must(&otter.Options[[sha256.Size]byte, *caller]{
		MaximumSize:      maxKeys,
		ExpiryCalculator: otter.ExpiryWriting[[sha256.Size]byte, *caller](keyLife),
	}), workspaces: otter.Must(&otter.Options[domain.WorkspaceID, domain.Workspace]{
		MaximumSize:      maxKeys,
		ExpiryCalculator: otter.ExpiryWriting[domain.WorkspaceID, domain.Workspace](workspaceLife),
	})}
}

// authenticate finds the caller of a request. Whatever is wrong with the key is
// one and the same ErrUnauthorized, but for a key of another vendor.
func (k *keyring) authenticate(r *http.Request) (*caller, error) {
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		text = ""
	}
	text = strings.TrimSpace(text)
	digest := sha256.Sum256([]byte(text))
	if c, ok := k.known.GetIfPresent(digest); ok {
		if time.Since(c.asOf) < keyLife {
			return c, nil
		}
		k.known.Invalidate(digest) // reading it took long
	}
	ref, err := domain.ParseKey(text)
	if err != nil {
		return nil, err
	}
	// Others may wait for this look-up, so it does not end with this request.
	ctx := context.WithoutCancel(r.Context())
	return k.known.Get(ctx, digest, otter.LoaderFunc[[sha256.Size]byte, *caller](func(ctx context.Context, _ [sha256.Size]byte) (*caller, error) {
		return k.load(ctx, ref)
	}))
}

func (k *keyring) load(ctx context.Context, ref domain.KeyRef) (*caller, error) {
	asOf := time.Now()
	key, err := k.store.Key(ctx, ref.WorkspaceID, ref.Public)
	if err != nil && !errors.Is(err, domain.ErrNotFound) {
		return nil, err
	}
	// A key that was not found is the zero Key, which verifies nothing.
	if err := key.Verify(ref, time.Now()); err != nil {
		return nil, err
	}
	workspace, err := k.workspaces.Get(ctx, ref.WorkspaceID, otter.LoaderFunc[domain.WorkspaceID, domain.Workspace](k.store.Workspace))
	if err != nil {
		return nil, err
	}
	k.app.KeyUsed(key)
	return &caller{key: key, workspace: workspace, asOf: asOf}, nil
}

// limiter bounds each key's requests, in this process.
type limiter struct {
	perSecond rate.Limit
	keys      *otter.Cache[domain.KeyID, *rate.Limiter]
}

// idleLimit is after what time an unused key's limiter, full again, is forgotten.
const idleLimit = 10 * time.Minute

func newLimiter(perSecond float64) *limiter {
	if perSecond == 0 {
		return &limiter{}
	}
	return &limiter{perSecond: rate.Limit(perSecond), keys: otter.Must(&otter.Options[domain.KeyID, *rate.Limiter]{
		MaximumSize:      maxKeys,
		ExpiryCalculator: otter.ExpiryAccessing[domain.KeyID, *rate.Limiter](idleLimit),
	})}
}

// take counts a request and returns how long the caller should have waited: 0 if
// it may go on.
func (l *limiter) take(id domain.KeyID) time.Duration {
	if l.keys == nil {
		return 0
	}
	bucket, _ := l.keys.ComputeIfAbsent(id, func() (*rate.Limiter, bool) {
		return rate.NewLimiter(l.perSecond, max(1, int(l.perSecond))), false // a burst of one second's worth
	})
	if bucket.Allow() {
		return 0
	}
	return max(time.Duration(float64(time.Second)/float64(l.perSecond)), time.Millisecond)
}
