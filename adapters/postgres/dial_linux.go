package postgres

import (
	"errors"
	"syscall"
)

const (
	tcpUserTimeout = 0x12   // TCP_USER_TIMEOUT of tcp(7), which package syscall does not name
	unacknowledged = 15_000 // ms
)

// limitUnacknowledged ends a connection whose data the other side does not
// acknowledge: keep-alives are sent on idle connections alone.
func limitUnacknowledged(_, _ string, raw syscall.RawConn) error {
	var option error
	err := raw.Control(func(fd uintptr) {
		option = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, unacknowledged)
	})
	return errors.Join(err, option)
}
