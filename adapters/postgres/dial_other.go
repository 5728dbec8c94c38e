//go:build !linux

package postgres

import "syscall"

// limitUnacknowledged leaves it to the system's own time-outs.
func limitUnacknowledged(string, string, syscall.RawConn) error { return nil }
