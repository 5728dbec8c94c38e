package web_test

import (
	"errors"
	"fmt"
	"testing"

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
