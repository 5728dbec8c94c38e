-- +goose Up

-- workspace_id stands first in every key of what belongs to a workspace, so that
-- the tables can be partitioned by it; times are milliseconds since 1970 in UTC, 0
-- for none. Text compares by bytes.

-- compatible_from is the oldest schema that a program must know to use this one.
CREATE TABLE schema_info (
	compatible_from BIGINT NOT NULL
);
INSERT INTO schema_info (compatible_from) VALUES (1);

CREATE TABLE workspaces (
	id          TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	name        TEXT NOT NULL,
	currency    TEXT NOT NULL,
	link_secret TEXT NOT NULL,
	created_at  BIGINT NOT NULL
);

CREATE TABLE api_keys (
	workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
	id           TEXT COLLATE "C" NOT NULL,
	public_part  TEXT COLLATE "C" NOT NULL,
	name         TEXT NOT NULL,
	mode         TEXT NOT NULL CHECK (mode IN ('live', 'test')),
	scope        TEXT NOT NULL CHECK (scope IN ('read', 'read+write')),
	digest       BYTEA NOT NULL,
	created_at   BIGINT NOT NULL,
	expires_at   BIGINT NOT NULL,
	revoked_at   BIGINT NOT NULL,
	last_used_at BIGINT NOT NULL,
	PRIMARY KEY (workspace_id, id),
	UNIQUE (workspace_id, public_part)
);

CREATE TABLE flows (
	workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
	id           TEXT COLLATE "C" NOT NULL,
	slug         TEXT COLLATE "C" NOT NULL,
	status       TEXT COLLATE "C" NOT NULL CHECK (status IN ('draft', 'active', 'archived')),
	version      BIGINT NOT NULL,
	created_at   BIGINT NOT NULL,
	updated_at   BIGINT NOT NULL,
	PRIMARY KEY (workspace_id, id),
	UNIQUE (workspace_id, slug)
);

CREATE INDEX flows_by_update ON flows (workspace_id, status, updated_at, id);

CREATE TABLE flow_versions (
	workspace_id TEXT COLLATE "C" NOT NULL,
	flow_id      TEXT COLLATE "C" NOT NULL,
	version      BIGINT NOT NULL,
	name         TEXT NOT NULL,
	slug         TEXT NOT NULL,
	status       TEXT NOT NULL,
	steps        TEXT NOT NULL,
	updated_at   BIGINT NOT NULL,
	PRIMARY KEY (workspace_id, flow_id, version),
	FOREIGN KEY (workspace_id, flow_id) REFERENCES flows (workspace_id, id)
);

-- No foreign key to flow_versions, which are never deleted: each start would lock
-- the same row of it. The adapter looks in the same transaction.
CREATE TABLE sessions (
	workspace_id    TEXT COLLATE "C" NOT NULL,
	test            BIGINT NOT NULL CHECK (test IN (0, 1)),
	created_at      BIGINT NOT NULL,
	id              TEXT COLLATE "C" NOT NULL,
	flow_id         TEXT COLLATE "C" NOT NULL,
	flow_version    BIGINT NOT NULL,
	link_expires_at BIGINT NOT NULL,
	customer_id     TEXT NOT NULL,
	subscription_id TEXT NOT NULL,
	currency        TEXT NOT NULL,
	mrr             BIGINT,
	return_url      TEXT NOT NULL,
	country         TEXT NOT NULL,
	region          TEXT NOT NULL,
	locale          TEXT NOT NULL,
	metadata        TEXT NOT NULL,
	reason          TEXT NOT NULL,
	feedback        TEXT NOT NULL,
	stage           TEXT NOT NULL,
	offered         BIGINT NOT NULL,
	shown           TEXT NOT NULL,
	answered        BIGINT NOT NULL CHECK (answered IN (0, 1)),
	outcome         TEXT NOT NULL CHECK (outcome IN ('pending', 'saved', 'canceled')),
	choice          TEXT NOT NULL,
	accepted        TEXT NOT NULL,
	recovered       BIGINT NOT NULL,
	decided_at      BIGINT NOT NULL,
	version         BIGINT NOT NULL,
	PRIMARY KEY (workspace_id, id)
);

-- For the list of the newest live sessions, in its very order. Plans are kept, and
-- what was planned while the table was empty must still be right when it is large:
-- so the list needs no sort, and no plan can take this index, which holds live
-- sessions alone, for a way to one session by its id.
CREATE INDEX sessions_by_time ON sessions (workspace_id, created_at, id) WHERE test = 0;

-- Append-only: what a session showed, what was chosen. seq orders equal times.
CREATE TABLE session_events (
	workspace_id TEXT COLLATE "C" NOT NULL,
	session_id   TEXT COLLATE "C" NOT NULL,
	seq          BIGINT NOT NULL,
	id           TEXT COLLATE "C" NOT NULL,
	test         BIGINT NOT NULL CHECK (test IN (0, 1)),
	type         TEXT NOT NULL,
	at           BIGINT NOT NULL,
	data         TEXT NOT NULL,
	PRIMARY KEY (workspace_id, session_id, seq),
	UNIQUE (workspace_id, id),
	FOREIGN KEY (workspace_id, session_id) REFERENCES sessions (workspace_id, id)
);

-- Counts of live sessions by the UTC day of their start, kept with every change;
-- day 0 is the sum of all days. Rows are updated in place again and again, so half
-- of each page is left free for that.
CREATE TABLE session_stats (
	workspace_id TEXT COLLATE "C" NOT NULL,
	day          BIGINT NOT NULL,
	currency     TEXT COLLATE "C" NOT NULL,
	sessions     BIGINT NOT NULL,
	answered     BIGINT NOT NULL,
	saved        BIGINT NOT NULL,
	accepted     BIGINT NOT NULL,
	canceled     BIGINT NOT NULL,
	recovered    BIGINT NOT NULL,
	paused       BIGINT NOT NULL,
	PRIMARY KEY (workspace_id, day, currency)
) WITH (fillfactor = 50);

CREATE TABLE idempotency (
	workspace_id TEXT COLLATE "C" NOT NULL,
	mode         TEXT COLLATE "C" NOT NULL,
	key          TEXT COLLATE "C" NOT NULL,
	digest       BYTEA NOT NULL,
	session_id   TEXT NOT NULL,
	created_at   BIGINT NOT NULL,
	PRIMARY KEY (workspace_id, mode, key)
);

-- Records come in order of their time, so a summary of each range of blocks is enough
-- to find the old ones, and costs an insert next to nothing.
CREATE INDEX idempotency_by_age ON idempotency USING brin (workspace_id, created_at);

-- Who of many instances does what is to be done once.
CREATE TABLE leases (
	workspace_id TEXT COLLATE "C" NOT NULL,
	name         TEXT COLLATE "C" NOT NULL,
	holder       TEXT NOT NULL,
	ends_at      BIGINT NOT NULL,
	PRIMARY KEY (workspace_id, name)
);
