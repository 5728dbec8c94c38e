package domain

// Secret is a text that prints, logs and encodes as "[redacted]".
type Secret string

const redacted = "[redacted]"

// Reveal returns the text itself, for the one place that needs it.
func (s Secret) Reveal() string { return string(s) }

// String hides the text from fmt.
func (Secret) String() string { return redacted }

// GoString hides the text from %#v.
func (Secret) GoString() string { return redacted }

// MarshalJSON hides the text from encoding/json, and so from structured logs.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
