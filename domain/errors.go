package domain

import (
	"errors"
	"fmt"
)

// Kind says what sort of failure an error is. Every error that leaves domain,
// app or an adapter of ports matches exactly one Kind with errors.Is, or is
// unknown and must not be shown to a client.
type Kind string

// The kinds of failure.
const (
	ErrInvalid      Kind = "invalid"       // the input breaks a rule; the same input fails again
	ErrNotFound     Kind = "not found"     // no such thing in this workspace
	ErrConflict     Kind = "conflict"      // the stored state does not allow it
	ErrUnauthorized Kind = "unauthorized"  // no valid credential
	ErrForbidden    Kind = "forbidden"     // a valid credential that may not do this
	ErrRateLimited  Kind = "rate limited"  // too many requests, try later
	ErrUnavailable  Kind = "unavailable"   // a dependency failed, nothing is known to be done, try later
	ErrTooLarge     Kind = "too large"     // the input is longer than the limit
	ErrUnsupported  Kind = "not supported" // the input is in a form that is not understood
)

// Kinds lists every Kind.
func Kinds() []Kind {
	return []Kind{
		ErrInvalid, ErrNotFound, ErrConflict, ErrUnauthorized, ErrForbidden,
		ErrRateLimited, ErrUnavailable, ErrTooLarge, ErrUnsupported,
	}
}

// Error makes a Kind usable with errors.Is.
func (k Kind) Error() string { return string(k) }

// Error is a failure that may be shown to a client: its text carries no secret
// and no internals.
type Error struct {
	Kind  Kind
	Code  string // stable and machine-readable, may be empty
	Msg   string // one sentence for a person, says what would be right
	Field string // the input's path, such as steps[2].config.kind; empty if none
	Err   error  // the cause, never shown to a client; may be nil
}

// Error returns the text for a client: the field, if any, and the message.
func (e *Error) Error() string {
	if e.Field == "" {
		return e.Msg
	}
	return e.Field + ": " + e.Msg
}

// Unwrap makes both the Kind and the cause match with errors.Is.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// Invalid reports that field breaks a rule; the message says what would be right.
func Invalid(field, format string, args ...any) error {
	return &Error{Kind: ErrInvalid, Code: "invalid", Field: field, Msg: fmt.Sprintf(format, args...)}
}

// NotFound reports that the workspace has no such thing.
func NotFound(what string) error {
	return &Error{Kind: ErrNotFound, Code: "not_found", Msg: what + " not found"}
}

// Conflict reports that the stored state does not allow the change.
func Conflict(code, format string, args ...any) error {
	return &Error{Kind: ErrConflict, Code: code, Msg: fmt.Sprintf(format, args...)}
}

// KindOf returns the Kind of an error, or "" for nil and for unknown errors.
func KindOf(err error) Kind {
	for _, k := range Kinds() {
		if errors.Is(err, k) {
			return k
		}
	}
	return ""
}
