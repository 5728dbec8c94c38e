package postgres

import (
	"context"
	"time"
)

// Health is what an operator should know of a database.
type Health struct {
	Server   string        // the server's version
	TLS      bool          // the connection is encrypted
	Standby  bool          // the server cannot be written
	Owner    bool          // the role may change the schema
	Serves   bool          // the role may do all that serving needs
	ClockOff time.Duration // how far the server's clock is ahead of ours, to the time that asking takes
}

// Health asks the database how it is.
func (s *Store) Health(ctx context.Context) (h Health, err error) {
	rows, err := s.Conn.Query(ctx, `/* health */ SELECT current_setting('server_version'),
	COALESCE((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false), pg_is_in_recovery(),
	has_schema_privilege(current_schema(), 'CREATE'),
	has_table_privilege('sessions', 'SELECT') AND has_table_privilege('sessions', 'INSERT') AND has_table_privilege('sessions', 'UPDATE')
		AND has_table_privilege('session_events', 'INSERT') AND has_table_privilege('session_stats', 'UPDATE')
		AND has_table_privilege('idempotency', 'DELETE') AND has_table_privilege('leases', 'DELETE'), CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)`)
	if err != nil {
		return h, err
	}
	defer rows.Close()
	var millis int64
	if rows.Next() {
		err = rows.Scan(&h.Server, &h.TLS, &h.Standby, &h.Owner, &h.Serves, &millis)
		h.ClockOff = time.Until(time.UnixMilli(millis))
	}
	if err == nil {
		err = rows.Err()
	}
	return h, err
}
