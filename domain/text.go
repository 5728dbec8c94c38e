package domain

import (
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The longest texts, in characters.
const (
	MaxIDText   = 255    // ids of other systems: customer, subscription, plan
	MaxName     = 120    // names of workspaces, keys and flows, labels of steps
	MaxReason   = 2_000  // a reason, and free text
	MaxMessage  = 10_000 // a merchant's own text in a flow
	MaxOption   = 200    // one option of a survey
	maxURLChars = 2_048
)

// CheckText reports a text that is not valid UTF-8, contains NUL, is longer than
// limit characters, or is blank although required. Every text that is stored
// passes it: PostgreSQL can store neither NUL nor invalid UTF-8.
func CheckText(field, s string, limit int, required bool) error {
	switch {
	case !utf8.ValidString(s):
		return Invalid(field, "must be valid UTF-8")
	case strings.ContainsRune(s, 0):
		return Invalid(field, "must not contain NUL")
	case required && strings.TrimSpace(s) == "":
		return Invalid(field, "is required and must not be blank")
	case len(s) > limit && utf8.RuneCountInString(s) > limit:
		return Invalid(field, "must be at most %d characters", limit)
	}
	return nil
}

// checkLine is CheckText for a required text of one line: names, labels, options.
func checkLine(field, s string, limit int) error {
	if err := CheckText(field, s, limit, true); err != nil {
		return err
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		return Invalid(field, "must be one line, without control characters")
	}
	return nil
}

// checkOptional is CheckText for a text that may be missing but, if given, is not blank.
func checkOptional(field, s string, limit int) error {
	return CheckText(field, s, limit, s != "")
}

// firstError returns the first error of the list, so that a validation reads as a table.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// CheckURL reports an address that is not absolute, has another scheme than
// those given, lacks a host (but for mailto), carries a password, or is over-long.
func CheckURL(field, s string, schemes ...string) error {
	if err := CheckText(field, s, maxURLChars, true); err != nil {
		return err
	}
	u, err := url.Parse(s)
	if err != nil || !slices.Contains(schemes, u.Scheme) || u.User != nil ||
		u.Scheme != "mailto" && u.Host == "" || u.Scheme == "mailto" && u.Opaque == "" {
		return Invalid(field, "must be an absolute address that begins with %s:", strings.Join(schemes, ": or "))
	}
	return nil
}
