package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/retainrabbit/retainrabbit/domain"
)

// MaxBody is the longest request body in bytes.
const MaxBody = 64 << 10

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// WriteJSON answers with v. It encodes the whole before the first byte is sent, so
// that a failure can still become an error answer.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	buf := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(buf)
	buf.Reset()
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	WriteBytes(w, status, "application/json", buf.Bytes())
	return nil
}

// WriteBytes answers with a body that is ready. That the client went away meanwhile
// is nobody's error.
func WriteBytes(w http.ResponseWriter, status int, contentType string, body []byte) {
	header := w.Header()
	header.Set("Content-Type", contentType)
	header["Cache-Control"] = noStore
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// AppendText appends s as a JSON text.
func AppendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			quoted, _ := json.Marshal(s) // a text always encodes
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// Envelope is a successful answer.
type Envelope[T any] struct {
	Data T `json:"data"`
}

// RenderJSONError answers { "error": … } with the status of the error's kind.
func RenderJSONError(w http.ResponseWriter, _ *http.Request, err error) {
	WriteJSONError(w, Status(err), PublicMessage(err))
}

// WriteJSONError answers { "error": msg }.
func WriteJSONError(w http.ResponseWriter, status int, msg string) {
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	_ = WriteJSON(w, status, struct { // two texts always encode
		Error string `json:"error"`
	}{msg})
}

// ReadJSON reads a body of application/json of at most MaxBody bytes. Another
// type is ErrUnsupported, a longer body ErrTooLarge.
func ReadJSON(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return nil, &domain.Error{Kind: domain.ErrUnsupported, Code: "content_type", Msg: "send the body as Content-Type: application/json"}
	}
	return ReadBody(w, r)
}

// ReadBody reads a body of at most MaxBody bytes; a longer one is ErrTooLarge.
func ReadBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	tooLong := &domain.Error{Kind: domain.ErrTooLarge, Code: "body_too_large", Msg: "the body must be at most 64 KiB"}
	if r.ContentLength > MaxBody {
		return nil, tooLong
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return nil, tooLong
	case err != nil:
		return nil, domain.Invalid("body", "could not be read to its end")
	}
	return body, nil
}

// Members reads a JSON object by the exact names of its members, and remembers the
// first error. Unknown members are ignored; null is the same as none.
type Members struct {
	raw map[string]json.RawMessage
	err error
}

// ParseObject reads a body that is one JSON object.
func ParseObject(body []byte) *Members {
	m := &Members{}
	if json.Unmarshal(body, &m.raw) != nil || m.raw == nil {
		m.err = domain.Invalid("body", "must be one JSON object")
	}
	return m
}

// Err returns the first error.
func (m *Members) Err() error { return m.err }

func (m *Members) decode(name string, dst any, want string) bool {
	raw, ok := m.raw[name]
	if !ok || string(raw) == "null" {
		return false
	}
	switch {
	case m.err != nil:
	case !utf8.Valid(raw) || hasLoneSurrogate(raw):
		m.err = domain.Invalid(name, "must be valid UTF-8")
	case json.Unmarshal(raw, dst) != nil:
		m.err = domain.Invalid(name, "must be %s", want)
	}
	return true
}

// Text reads a text that, if given, is not blank.
func (m *Members) Text(name string) (s string) {
	if raw := m.raw[name]; simple(raw) {
		return string(raw[1 : len(raw)-1])
	}
	if m.decode(name, &s, "a text") && strings.TrimSpace(s) == "" && m.err == nil {
		m.err = domain.Invalid(name, "must not be blank")
	}
	return s
}

// simple reports whether raw is a JSON text that says what it is, byte for byte, and
// is not blank: printable ASCII without an escape, beginning with no blank.
func simple(raw []byte) bool {
	if len(raw) < 3 || raw[0] != '"' || raw[1] == ' ' {
		return false
	}
	for _, c := range raw {
		if c < ' ' || c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Int reads a whole number, nil if there is none.
func (m *Members) Int(name string) *int64 {
	var n int64
	if m.decode(name, &n, "a whole number") {
		return &n
	}
	return nil
}

// Texts reads an object of texts.
func (m *Members) Texts(name string) map[string]string {
	var raw map[string]*string
	if !m.decode(name, &raw, "an object of texts") || raw == nil {
		return nil
	}
	texts := make(map[string]string, len(raw))
	for key, value := range raw {
		if value == nil {
			if m.err == nil {
				m.err = domain.Invalid(name+"."+key, "must be a text")
			}
			continue
		}
		texts[key] = *value
	}
	return texts
}

// hasLoneSurrogate reports an escape such as \ud800 without its other half, which
// encoding/json would silently replace.
func hasLoneSurrogate(body []byte) bool {
	for i := 0; i+1 < len(body); i++ {
		if body[i] != '\\' {
			continue
		}
		i++ // the escaped character, which may be another backslash
		switch surrogateAt(body, i) {
		case high:
			if i+6 >= len(body) || body[i+5] != '\\' || surrogateAt(body, i+6) != low {
				return true
			}
			i += 10
		case low:
			return true
		}
	}
	return false
}

const (
	none = iota
	high
	low
)

// surrogateAt says which half of a pair the escape uXXXX at body[i:] stands for.
func surrogateAt(body []byte, i int) int {
	if i+5 > len(body) || body[i] != 'u' || body[i+1]|0x20 != 'd' {
		return none
	}
	switch c := body[i+2] | 0x20; {
	case c == '8' || c == '9' || c == 'a' || c == 'b':
		return high
	case c >= 'c' && c <= 'f':
		return low
	}
	return none
}
