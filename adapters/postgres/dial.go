package postgres

import (
	"net"
	"time"
)

// dialer finds out within some ten seconds that a server is gone without a word, so
// that a commit that waits for it does not wait for ever.
var dialer = &net.Dialer{
	KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3},
	Control:         limitUnacknowledged,
}
