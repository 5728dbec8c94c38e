-- +goose Up

-- Who of many processes does what is to be done once.
CREATE TABLE leases (
	workspace_id TEXT NOT NULL,
	name         TEXT NOT NULL,
	holder       TEXT NOT NULL,
	ends_at      INTEGER NOT NULL,
	PRIMARY KEY (workspace_id, name)
) STRICT, WITHOUT ROWID;
