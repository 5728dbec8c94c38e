package domain

import "time"

// IdempotencyRecord remembers which session an Idempotency-Key started. Keys are
// apart for each workspace and mode.
type IdempotencyRecord struct {
	Key       string
	Digest    [32]byte // of the request that came with the key
	SessionID SessionID
	CreatedAt time.Time
}

// Match reports as ErrConflict with code idempotency_mismatch that a request of
// another digest came with the record's key.
func (r IdempotencyRecord) Match(digest [32]byte) error {
	if r.Digest != digest {
		return Conflict("idempotency_mismatch", "Idempotency-Key was used before with another body")
	}
	return nil
}
