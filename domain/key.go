package domain

import (
	"crypto/sha256"
	"crypto/subtle"
	"hash/crc32"
	"math/big"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Mode keeps test traffic apart from live traffic.
type Mode string

// The modes.
const (
	Live Mode = "live"
	Test Mode = "test"
)

// Scope says what a key may do.
type Scope string

// The scopes.
const (
	ScopeRead      Scope = "read"
	ScopeReadWrite Scope = "read+write"
)

// Key is an API key as it is stored: a digest of its text, never the text.
type Key struct {
	ID          KeyID
	WorkspaceID WorkspaceID
	Public      string // the part of the text that finds the key; unique in the workspace
	Name        string
	Mode        Mode
	Scope       Scope
	Digest      [sha256.Size]byte // of the whole text
	CreatedAt   time.Time
	ExpiresAt   time.Time // zero: never
	RevokedAt   time.Time // zero: not revoked
	LastUsedAt  time.Time // zero: never; may lag by some seconds
}

// Validate reports the first field that breaks a rule as ErrInvalid.
func (k Key) Validate() error {
	err := firstError(
		checkID("id", k.ID),
		checkID("workspaceId", k.WorkspaceID),
		checkLine("name", k.Name, MaxName),
	)
	switch {
	case err != nil:
		return err
	case k.Mode != Live && k.Mode != Test:
		return Invalid("mode", "must be live or test")
	case k.Scope != ScopeRead && k.Scope != ScopeReadWrite:
		return Invalid("scope", "must be read or read+write")
	case !isBase62(k.Public, publicChars):
		return Invalid("public", "must be %d letters or digits", publicChars)
	}
	return nil
}

// MayWrite reports whether the key's scope allows changes.
func (k Key) MayWrite() bool { return k.Scope == ScopeReadWrite }

// Verify reports as ErrUnauthorized, always with the same text, that ref is not
// this key's or that the key is revoked or expired at now. The digests are
// compared in constant time.
func (k Key) Verify(ref KeyRef, now time.Time) error {
	same := subtle.ConstantTimeCompare(k.Digest[:], ref.Digest[:]) == 1
	expired := !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt)
	if !same || k.Mode != ref.Mode || !k.RevokedAt.IsZero() || expired {
		return errBadKey
	}
	return nil
}

// The text of a key is rk_<mode>_<public>_<workspace>_<secret>_<checksum>, its last
// four parts in base62. The public part is short, so that secret scanners do not
// take the text for a Stripe restricted key, which begins with rk_live_ too. The
// workspace's id in the text lets a store find the key in that workspace's
// partition alone. The checksum refuses typing errors without a look-up.
const (
	publicBytes    = 5
	publicChars    = 7
	workspaceChars = 22
	secretBytes    = 20
	secretChars    = 27
	checksumChars  = 6

	// KeyEntropyBytes is how many random bytes MintKey takes.
	KeyEntropyBytes = publicBytes + secretBytes
)

var errBadKey = &Error{
	Kind: ErrUnauthorized, Code: "bad_key",
	Msg: "missing or invalid API key: send Authorization: Bearer rk_live_… or rk_test_…",
}

var errForeignKey = &Error{
	Kind: ErrUnauthorized, Code: "foreign_key",
	Msg: "this looks like a Stripe key, not a RetainRabbit key: make one with `retainrabbit key create`, and revoke the Stripe key if it has left your servers",
}

// KeyRef is what the text of a key says: where to look, and what digest to expect.
type KeyRef struct {
	WorkspaceID WorkspaceID
	Public      string
	Mode        Mode
	Digest      [sha256.Size]byte
}

// MintKey makes the text of a new key from KeyEntropyBytes random bytes. The text
// is to be shown once and never stored; the KeyRef holds what a Key stores of it.
func MintKey(ws WorkspaceID, mode Mode, entropy [KeyEntropyBytes]byte) (Secret, KeyRef, error) {
	id, err := uuid.Parse(string(ws))
	if err != nil || mode != Live && mode != Test {
		return "", KeyRef{}, Invalid("workspaceId", "must be a UUID, and the mode live or test")
	}
	body := strings.Join([]string{
		"rk", string(mode),
		base62(entropy[:publicBytes], publicChars),
		base62(id[:], workspaceChars),
		base62(entropy[publicBytes:], secretChars),
	}, "_")
	text := body + "_" + checksum(body)
	ref, err := ParseKey(text)
	return Secret(text), ref, err
}

// ParseKey reads the text of a key. Whatever is not one is ErrUnauthorized; the
// text of a Stripe key gets a message of its own. No message repeats the text.
func ParseKey(text string) (KeyRef, error) {
	cut := strings.LastIndexByte(text, '_')
	parts := strings.Split(text, "_")
	if looksLikeStripe(parts) {
		return KeyRef{}, errForeignKey
	}
	if len(parts) != 6 || parts[0] != "rk" || parts[1] != string(Live) && parts[1] != string(Test) ||
		!isBase62(parts[2], publicChars) || !isBase62(parts[3], workspaceChars) || !isBase62(parts[4], secretChars) ||
		parts[5] != checksum(text[:cut]) {
		return KeyRef{}, errBadKey
	}
	id, ok := uuidFromBase62(parts[3])
	if !ok {
		return KeyRef{}, errBadKey
	}
	return KeyRef{
		WorkspaceID: WorkspaceID(id.String()), Public: parts[2], Mode: Mode(parts[1]), Digest: sha256.Sum256([]byte(text)),
	}, nil
}

func looksLikeStripe(parts []string) bool {
	if len(parts) < 3 || parts[1] != "live" && parts[1] != "test" {
		return false
	}
	switch parts[0] {
	case "sk", "pk":
		return true
	case "rk":
		return len(parts) == 3 && len(parts[2]) >= 10
	}
	return false
}

func checksum(body string) string {
	sum := crc32.ChecksumIEEE([]byte(body))
	return base62([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}, checksumChars)
}

const base62Digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// base62 writes b as a number of exactly n base62 digits; n must be large enough.
func base62(b []byte, n int) string {
	text := new(big.Int).SetBytes(b).Text(len(base62Digits))
	return strings.Repeat("0", n-len(text)) + text
}

func isBase62(s string, n int) bool {
	return len(s) == n && strings.Trim(s, base62Digits) == ""
}

func uuidFromBase62(s string) (uuid.UUID, bool) {
	n, ok := new(big.Int).SetString(s, len(base62Digits))
	if !ok || n.BitLen() > 128 {
		return uuid.UUID{}, false
	}
	return uuid.UUID(n.FillBytes(make([]byte, 16))), true
}
