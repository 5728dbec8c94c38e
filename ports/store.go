package ports

import (
	"context"
	"time"

	"github.com/retainrabbit/retainrabbit/domain"
)

// Store is everything the application needs from storage. All its methods may be
// called at once from many goroutines.
type Store interface {
	Reader

	// InTx runs fn in one transaction: all of its writes happen, or none. It
	// commits if fn returns nil, and has committed durably when it returns nil.
	// If fn returns an error, InTx returns that very error; if fn panics, InTx
	// panics with the same value; both roll back. fn may run more than once, on
	// another goroutine, and so does nothing but use tx; it must not use the
	// Store itself nor the network. What fn reads it reads from the transaction.
	// An error that a method of tx returned does not spoil the transaction: fn may
	// go on. One transaction touches one workspace.
	InTx(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error

	// StartSession stores a new session as one durable transaction: the hot write.
	// If the condition's record has a key that is known already for the workspace
	// and mode, nothing is stored: with the same digest it returns the id that the
	// known record names, else ErrConflict with code idempotency_mismatch. If the
	// session's flow is not as the condition wants, it is ErrConflict with code
	// flow_changed. A known session id is ErrConflict.
	StartSession(ctx context.Context, s domain.Session, cond StartCondition) (domain.SessionID, error)

	// Ping reports whether the store can be read now.
	Ping(ctx context.Context) error

	// Close waits for what is being done and frees the store.
	Close() error
}

// StartCondition is what must hold, in the same transaction, for a session to
// start. In any case its flow must be active, and at the session's version.
type StartCondition struct {
	// Newest wants the flow to be the one that ActiveFlow returns.
	Newest bool
	// Record is stored with the session, unless its Key is empty.
	Record domain.IdempotencyRecord
}

// Reader is every read.
type Reader interface {
	WorkspaceReader
	KeyReader
	FlowReader
	SessionReader
	StatsReader
	ArchiveReader
}

// Tx is a transaction. It has every read and write, and no way to begin another.
type Tx interface {
	Reader
	WorkspaceWriter
	KeyWriter
	FlowWriter
	SessionWriter
	IdempotencyWriter
	LeaseWriter
}

// WorkspaceReader reads workspaces.
type WorkspaceReader interface {
	// Workspace returns one workspace, or ErrNotFound.
	Workspace(ctx context.Context, id domain.WorkspaceID) (domain.Workspace, error)
	// Workspaces lists all workspaces, oldest first, ties by id. It is the one
	// method that crosses workspaces, for the operator's command line.
	Workspaces(ctx context.Context) ([]domain.Workspace, error)
}

// WorkspaceWriter changes workspaces.
type WorkspaceWriter interface {
	// CreateWorkspace stores a new workspace. A known id is ErrConflict.
	CreateWorkspace(ctx context.Context, w domain.Workspace) error
}

// KeyReader reads API keys.
type KeyReader interface {
	// Key finds a key by the public part of its text, revoked and expired ones
	// too, or returns ErrNotFound.
	Key(ctx context.Context, ws domain.WorkspaceID, public string) (domain.Key, error)
	// Keys lists every key of the workspace, oldest first, ties by id.
	Keys(ctx context.Context, ws domain.WorkspaceID) ([]domain.Key, error)
}

// KeyWriter changes API keys.
type KeyWriter interface {
	// CreateKey stores a new key. A known id or public part is ErrConflict, an
	// unknown workspace ErrNotFound.
	CreateKey(ctx context.Context, k domain.Key) error
	// RevokeKey sets when the key was revoked, or returns ErrNotFound. A key that
	// is revoked keeps its first time.
	RevokeKey(ctx context.Context, ws domain.WorkspaceID, id domain.KeyID, at time.Time) error
	// TouchKey sets when the key was last used, but never back, or returns
	// ErrNotFound. It changes nothing else of the key.
	TouchKey(ctx context.Context, ws domain.WorkspaceID, id domain.KeyID, at time.Time) error
}

// FlowReader reads flows.
type FlowReader interface {
	// Flow returns the newest version of a flow, or ErrNotFound.
	Flow(ctx context.Context, ws domain.WorkspaceID, id domain.FlowID) (domain.Flow, error)
	// FlowAt returns a flow as it was at a version, or ErrNotFound.
	FlowAt(ctx context.Context, ws domain.WorkspaceID, id domain.FlowID, version int) (domain.Flow, error)
	// FlowBySlug returns the newest version of a flow, or ErrNotFound.
	FlowBySlug(ctx context.Context, ws domain.WorkspaceID, slug string) (domain.Flow, error)
	// ActiveFlow returns the active flow updated last, of equal ones the one with
	// the greatest id, or ErrNotFound.
	ActiveFlow(ctx context.Context, ws domain.WorkspaceID) (domain.Flow, error)
	// Flows lists the newest version of every flow, updated last first, ties by
	// id, greatest first.
	Flows(ctx context.Context, ws domain.WorkspaceID) ([]domain.Flow, error)
}

// FlowWriter changes flows.
type FlowWriter interface {
	// CreateFlow stores the first version of a flow. A known id or slug is
	// ErrConflict, an unknown workspace ErrNotFound.
	CreateFlow(ctx context.Context, f domain.Flow) error
	// SaveFlow stores the next version of a flow beside the earlier ones. It is
	// ErrConflict unless f.Version is the stored version + 1, or if another flow
	// has the slug; ErrNotFound if there is no such flow.
	SaveFlow(ctx context.Context, f domain.Flow) error
}

// SessionReader reads sessions and their events.
type SessionReader interface {
	// Session returns one session, live or test, or ErrNotFound.
	Session(ctx context.Context, ws domain.WorkspaceID, id domain.SessionID) (domain.Session, error)
	// SessionResult returns what a business reads of one session, live or test,
	// or ErrNotFound.
	SessionResult(ctx context.Context, ws domain.WorkspaceID, id domain.SessionID) (domain.SessionResult, error)
	// RecentSessions lists at most limit live sessions, newest first, ties by id,
	// greatest first.
	RecentSessions(ctx context.Context, ws domain.WorkspaceID, limit int) ([]domain.SessionResult, error)
	// Events lists the events of one session, oldest first, ties in the order in
	// which they were appended.
	Events(ctx context.Context, ws domain.WorkspaceID, id domain.SessionID) ([]domain.Event, error)
	// Idempotency returns the record of a key, or ErrNotFound.
	Idempotency(ctx context.Context, ws domain.WorkspaceID, mode domain.Mode, key string) (domain.IdempotencyRecord, error)
}

// SessionWriter changes sessions and appends their events.
type SessionWriter interface {
	// CreateSession stores a new session. A known id is ErrConflict, an unknown
	// workspace or flow version ErrNotFound.
	CreateSession(ctx context.Context, s domain.Session) error
	// SaveSession stores a changed session. It is ErrConflict unless s.Version is
	// the stored version + 1, ErrNotFound if there is no such session. Its mode and
	// creation time never change.
	SaveSession(ctx context.Context, s domain.Session) error
	// AppendEvent stores an event of a session. A known event id is ErrConflict, an
	// unknown session ErrNotFound.
	AppendEvent(ctx context.Context, e domain.Event) error
}

// StatsReader reads the counts that the store keeps of its live sessions.
type StatsReader interface {
	// Stats tallies the live sessions created on since or later, by UTC day, or
	// all of them if since is 0; by currency, in order of the currency. It always
	// equals a recount of the stored sessions, and its cost does not grow with
	// their number.
	Stats(ctx context.Context, ws domain.WorkspaceID, since domain.Day) (domain.Stats, error)
}

// IdempotencyWriter stores records apart from a start, and forgets old ones.
type IdempotencyWriter interface {
	// CreateIdempotency stores a record. A known key is ErrConflict, an unknown
	// workspace ErrNotFound.
	CreateIdempotency(ctx context.Context, ws domain.WorkspaceID, mode domain.Mode, r domain.IdempotencyRecord) error
	// ForgetIdempotency deletes at most limit of the workspace's records that were
	// made before the time, and says how many.
	ForgetIdempotency(ctx context.Context, ws domain.WorkspaceID, before time.Time, limit int) (int64, error)
}

// LeaseWriter lets one of many instances do what is to be done once.
type LeaseWriter interface {
	// TakeLease gives the lease of a name in the workspace to the holder until a
	// time, if nobody has it at now or the holder has it already, and reports
	// whether it did. Of many at once one gets it. The workspace need not exist.
	TakeLease(ctx context.Context, ws domain.WorkspaceID, name, holder string, now, until time.Time) (bool, error)
	// EndLease ends the lease if the holder has it.
	EndLease(ctx context.Context, ws domain.WorkspaceID, name, holder string) error
}

// ArchiveReader reads a whole workspace in pages of at most limit. The order is the
// store's own and always the same; what is after an item was stored or sorts after
// it, and the zero item is before all others.
type ArchiveReader interface {
	// Counts says how much there is.
	Counts(ctx context.Context, ws domain.WorkspaceID) (Counts, error)
	// SessionsAfter lists live and test sessions in order of their id.
	SessionsAfter(ctx context.Context, ws domain.WorkspaceID, after domain.SessionID, limit int) ([]domain.Session, error)
	// EventsAfter lists events in order of their session's id, those of one session
	// in the order in which they were appended. after is an event as it was listed.
	EventsAfter(ctx context.Context, ws domain.WorkspaceID, after domain.Event, limit int) ([]domain.Event, error)
	// IdempotencyAfter lists the records of one mode in order of their key.
	IdempotencyAfter(ctx context.Context, ws domain.WorkspaceID, mode domain.Mode, after string, limit int) ([]domain.IdempotencyRecord, error)
	// LeaseHolder returns who has, or had last, the lease of a name, or ErrNotFound.
	LeaseHolder(ctx context.Context, ws domain.WorkspaceID, name string) (string, error)
}

// Counts is how much a workspace has, live and test together.
type Counts struct {
	Keys, Flows, FlowVersions, Sessions, Events, Idempotency int64
}
