-- +goose Up

-- workspace_id stands first in every key of what belongs to a workspace, and times
-- are milliseconds since 1970 in UTC, 0 for none.

CREATE TABLE workspaces (
	id          TEXT NOT NULL PRIMARY KEY,
	name        TEXT NOT NULL,
	currency    TEXT NOT NULL,
	link_secret TEXT NOT NULL,
	created_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE api_keys (
	workspace_id TEXT NOT NULL REFERENCES workspaces (id),
	id           TEXT NOT NULL,
	public_part  TEXT NOT NULL,
	name         TEXT NOT NULL,
	mode         TEXT NOT NULL CHECK (mode IN ('live', 'test')),
	scope        TEXT NOT NULL CHECK (scope IN ('read', 'read+write')),
	digest       BLOB NOT NULL,
	created_at   INTEGER NOT NULL,
	expires_at   INTEGER NOT NULL,
	revoked_at   INTEGER NOT NULL,
	last_used_at INTEGER NOT NULL,
	PRIMARY KEY (workspace_id, id),
	UNIQUE (workspace_id, public_part)
) STRICT;

CREATE TABLE flows (
	workspace_id TEXT NOT NULL REFERENCES workspaces (id),
	id           TEXT NOT NULL,
	slug         TEXT NOT NULL,
	status       TEXT NOT NULL CHECK (status IN ('draft', 'active', 'archived')),
	version      INTEGER NOT NULL,
	created_at   INTEGER NOT NULL,
	updated_at   INTEGER NOT NULL,
	PRIMARY KEY (workspace_id, id),
	UNIQUE (workspace_id, slug)
) STRICT;

CREATE INDEX flows_by_update ON flows (workspace_id, status, updated_at, id);

CREATE TABLE flow_versions (
	workspace_id TEXT NOT NULL,
	flow_id      TEXT NOT NULL,
	version      INTEGER NOT NULL,
	name         TEXT NOT NULL,
	slug         TEXT NOT NULL,
	status       TEXT NOT NULL,
	steps        TEXT NOT NULL,
	updated_at   INTEGER NOT NULL,
	PRIMARY KEY (workspace_id, flow_id, version),
	FOREIGN KEY (workspace_id, flow_id) REFERENCES flows (workspace_id, id)
) STRICT;

-- The newest sessions of a workspace are one range of the primary key. The outcome's
-- constraint is no IN (…): from three values on, SQLite builds a temporary b-tree for
-- that, anew for each row that is written.
CREATE TABLE sessions (
	workspace_id    TEXT NOT NULL,
	test            INTEGER NOT NULL CHECK (test IN (0, 1)),
	created_at      INTEGER NOT NULL,
	id              TEXT NOT NULL,
	flow_id         TEXT NOT NULL,
	flow_version    INTEGER NOT NULL,
	link_expires_at INTEGER NOT NULL,
	customer_id     TEXT NOT NULL,
	subscription_id TEXT NOT NULL,
	currency        TEXT NOT NULL,
	mrr             INTEGER,
	return_url      TEXT NOT NULL,
	country         TEXT NOT NULL,
	region          TEXT NOT NULL,
	locale          TEXT NOT NULL,
	metadata        TEXT NOT NULL,
	reason          TEXT NOT NULL,
	feedback        TEXT NOT NULL,
	stage           TEXT NOT NULL,
	offered         INTEGER NOT NULL,
	shown           TEXT NOT NULL,
	answered        INTEGER NOT NULL CHECK (answered IN (0, 1)),
	outcome         TEXT NOT NULL CHECK (outcome = 'pending' OR outcome = 'saved' OR outcome = 'canceled'),
	choice          TEXT NOT NULL,
	accepted        TEXT NOT NULL,
	recovered       INTEGER NOT NULL,
	decided_at      INTEGER NOT NULL,
	version         INTEGER NOT NULL,
	PRIMARY KEY (workspace_id, test, created_at, id),
	FOREIGN KEY (workspace_id, flow_id, flow_version) REFERENCES flow_versions (workspace_id, flow_id, version)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX sessions_by_id ON sessions (workspace_id, id);

-- Append-only: what a session showed, what was chosen. seq orders equal times.
CREATE TABLE session_events (
	workspace_id TEXT NOT NULL,
	session_id   TEXT NOT NULL,
	seq          INTEGER NOT NULL,
	id           TEXT NOT NULL,
	test         INTEGER NOT NULL CHECK (test IN (0, 1)),
	type         TEXT NOT NULL,
	at           INTEGER NOT NULL,
	data         TEXT NOT NULL,
	PRIMARY KEY (workspace_id, session_id, seq),
	UNIQUE (workspace_id, id),
	FOREIGN KEY (workspace_id, session_id) REFERENCES sessions (workspace_id, id)
) STRICT, WITHOUT ROWID;

-- Counts of live sessions by the UTC day of their start, kept with every change;
-- day 0 is the sum of all days.
CREATE TABLE session_stats (
	workspace_id TEXT NOT NULL REFERENCES workspaces (id),
	day          INTEGER NOT NULL,
	currency     TEXT NOT NULL,
	sessions     INTEGER NOT NULL,
	answered     INTEGER NOT NULL,
	saved        INTEGER NOT NULL,
	accepted     INTEGER NOT NULL,
	canceled     INTEGER NOT NULL,
	recovered    INTEGER NOT NULL,
	paused       INTEGER NOT NULL,
	PRIMARY KEY (workspace_id, day, currency)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
	workspace_id TEXT NOT NULL,
	mode         TEXT NOT NULL,
	key          TEXT NOT NULL,
	digest       BLOB NOT NULL,
	session_id   TEXT NOT NULL,
	created_at   INTEGER NOT NULL,
	PRIMARY KEY (workspace_id, mode, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_by_age ON idempotency (workspace_id, created_at);
