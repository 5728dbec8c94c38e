package domain

import "github.com/google/uuid"

// Ids are distinct string types, so that one cannot be passed for another. Each
// holds a UUID in its canonical lower-case form; version 7 where rows are made
// often, so that newer ids sort after older ones.
type (
	// WorkspaceID names a workspace.
	WorkspaceID string
	// KeyID names an API key. It is no secret.
	KeyID string
	// FlowID names a flow in a workspace.
	FlowID string
	// SessionID names a session in a workspace.
	SessionID string
	// EventID names an event of a session.
	EventID string
)

// ValidID reports whether s is a UUID in canonical lower-case form.
func ValidID(s string) bool {
	u, err := uuid.Parse(s)
	return err == nil && u.String() == s
}

func checkID[T ~string](field string, id T) error {
	if !ValidID(string(id)) {
		return Invalid(field, "must be a UUID in lower case")
	}
	return nil
}
