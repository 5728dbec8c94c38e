package domain_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"
	"pgregory.net/rapid"

	"github.com/retainrabbit/retainrabbit/domain"
)

const workspaceID domain.WorkspaceID = "0197c2a4-5d60-7a10-8c55-3f1f5bb0a000"

func mint(t interface{ Fatal(...any) }, mode domain.Mode, entropy [domain.KeyEntropyBytes]byte) (string, domain.KeyRef) {
	text, ref, err := domain.MintKey(workspaceID, mode, entropy)
	if err != nil {
		t.Fatal(err)
	}
	return text.Reveal(), ref
}

func TestKeyRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var entropy [domain.KeyEntropyBytes]byte
		copy(entropy[:], rapid.SliceOfN(rapid.Byte(), len(entropy), len(entropy)).Draw(t, "entropy"))
		mode := rapid.SampledFrom([]domain.Mode{domain.Live, domain.Test}).Draw(t, "mode")
		text, ref := mint(t, mode, entropy)
		if ref.WorkspaceID != workspaceID || ref.Mode != mode || !strings.HasPrefix(text, "rk_"+string(mode)+"_") {
			t.Fatalf("%+v of %s", ref, text)
		}
		// Secret scanners take rk_live_ and ten or more letters or digits for Stripe's.
		if first := strings.Split(text, "_")[2]; len(first) > 9 {
			t.Fatalf("the first part %s has more than 9 characters", first)
		}
		i := rapid.IntRange(0, len(text)-1).Draw(t, "i")
		c := rapid.SampledFrom([]byte("0aZ_x")).Draw(t, "c")
		if broken := text[:i] + string(c) + text[i+1:]; broken != text {
			if _, err := domain.ParseKey(broken); err == nil {
				t.Fatalf("one character of %s changed to %s, and it was accepted", text, broken)
			}
		}
	})
}

func TestVerify(t *testing.T) {
	is := is.New(t)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	_, ref := mint(t, domain.Live, [domain.KeyEntropyBytes]byte{1})
	_, other := mint(t, domain.Live, [domain.KeyEntropyBytes]byte{2})
	good := domain.Key{Mode: domain.Live, Digest: ref.Digest}
	is.NoErr(good.Verify(ref, now))
	revoked, expired, ending := good, good, good
	revoked.RevokedAt, expired.ExpiresAt, ending.ExpiresAt = now, now, now.Add(time.Second)
	is.NoErr(ending.Verify(ref, now))
	texts := map[string]bool{}
	for _, err := range []error{
		good.Verify(other, now), revoked.Verify(ref, now), expired.Verify(ref, now), domain.Key{}.Verify(ref, now), parseErr("rk_live_x"),
	} {
		is.Equal(domain.KindOf(err), domain.ErrUnauthorized)
		texts[err.Error()] = true
	}
	is.Equal(len(texts), 1) // nobody learns why
}

func parseErr(text string) error {
	_, err := domain.ParseKey(text)
	return err
}

func TestStripeKeysAreRecognised(t *testing.T) {
	for text, foreign := range map[string]bool{
		"sk_live_51H8abcDEFghiJKLmno": true, "rk_live_51H8abcDEFghiJKLmno": true, "pk_test_51H8abcDEFghiJKLmno": true,
		"rk_live_short": false, "": false, "rk_live_": false, "Bearer": false, "rk_prod_51H8abcDEFghiJKLmno": false,
	} {
		is := is.New(t)
		err := parseErr(text)
		is.Equal(strings.Contains(err.Error(), "Stripe"), foreign) // of text
		is.Equal(domain.KindOf(err), domain.ErrUnauthorized)
		if len(text) > 10 {
			is.True(!strings.Contains(err.Error(), text)) // the text is never repeated
		}
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	is := is.New(t)
	s := domain.Secret("hunter2")
	encoded, err := json.Marshal(map[string]any{"s": s})
	is.NoErr(err)
	for _, shown := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s", s, s, s, s), string(encoded), logged(s)} {
		is.True(!strings.Contains(shown, "hunter2"))
	}
	is.Equal(s.Reveal(), "hunter2")
}

func logged(s domain.Secret) string {
	var text strings.Builder
	slog.New(slog.NewJSONHandler(&text, nil)).Info("m", "s", s, "nested", []any{s})
	slog.New(slog.NewTextHandler(&text, nil)).Info("m", "s", s, "nested", []any{s})
	return text.String()
}

func FuzzParseKey(f *testing.F) {
	text, _ := mint(f, domain.Live, [domain.KeyEntropyBytes]byte{7})
	for _, seed := range []string{text, "", "rk_live_", "____________", "rk_live_0000000_zzzzzzzzzzzzzzzzzzzzzz_000000000000000000000000000_000000"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ref, err := domain.ParseKey(text)
		if err == nil && (!domain.ValidID(string(ref.WorkspaceID)) || ref.Mode != domain.Live && ref.Mode != domain.Test) {
			t.Fatalf("%q parsed to %+v", text, ref)
		}
	})
}

func TestLinks(t *testing.T) {
	is := is.New(t)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	secret := domain.Secret(strings.Repeat("s", 32))
	link := domain.Link{WorkspaceID: workspaceID, FlowID: "f", SessionID: "0197c2a4-5d60-7a10-8c55-3f1f5bb0a002", ExpiresAt: now.Add(time.Hour)}
	sealed, err := link.Token(secret)
	is.NoErr(err)
	token := sealed.Reveal()
	got, err := domain.OpenLink(secret, workspaceID, "f", token, now)
	is.NoErr(err)
	is.Equal(got, link)

	code := func(_ domain.Link, err error) string {
		is.Equal(domain.KindOf(err), domain.ErrUnauthorized)
		var refused *domain.Error
		is.True(errors.As(err, &refused))
		return refused.Code
	}
	is.Equal(code(domain.OpenLink(secret, workspaceID, "f", token, now.Add(time.Hour))), "link_expired")
	is.Equal(code(domain.OpenLink(secret, workspaceID, "g", token, now)), "link_invalid")                                 // another flow
	is.Equal(code(domain.OpenLink(secret, "w", "f", token, now)), "link_invalid")                                         // another workspace
	is.Equal(code(domain.OpenLink(domain.Secret(strings.Repeat("t", 32)), workspaceID, "f", token, now)), "link_invalid") // another secret
	for i := range token {
		changed := byte('A')
		if token[i] == 'A' {
			changed = 'B'
		}
		is.Equal(code(domain.OpenLink(secret, workspaceID, "f", token[:i]+string(changed)+token[i+1:], now)), "link_invalid") // one character changed
	}
}

func FuzzOpenLink(f *testing.F) {
	secret := domain.Secret(strings.Repeat("s", 32))
	now := time.Unix(1_800_000_000, 0)
	link := domain.Link{WorkspaceID: workspaceID, FlowID: "f", SessionID: "0197c2a4-5d60-7a10-8c55-3f1f5bb0a002", ExpiresAt: now.Add(time.Hour).UTC()}
	sealed, _ := link.Token(secret)
	f.Add(sealed.Reveal())
	f.Add("")
	f.Add(strings.Repeat("A", 75))
	f.Fuzz(func(t *testing.T, token string) {
		got, err := domain.OpenLink(secret, workspaceID, "f", token, now)
		if err == nil && got != link {
			t.Fatalf("%q opened as %+v", token, got)
		}
	})
}
