package pgtest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Standby makes a synchronous hot standby of the cluster and starts it: from then
// on the cluster acknowledges a commit when both have it.
func (c *Cluster) Standby(t testing.TB) *Cluster {
	t.Helper()
	port, err := FreePort()
	if err != nil {
		t.Fatal(err)
	}
	standby := &Cluster{Dir: filepath.Join(TempDir(t), "data"), Port: port}
	err = Command(Bin(t, "pg_basebackup"), "-D", standby.Dir, "-h", "127.0.0.1", "-p", fmt.Sprint(c.Port), "-U", "postgres", "-R", "-X", "stream", "-c", "fast", "--no-sync").Run()
	if err != nil {
		t.Fatal(err)
	}
	if err := standby.Configure(fmt.Sprintf("port=%d", port), "synchronous_standby_names=''"); err != nil {
		t.Fatal(err)
	}
	standby.Start(t)
	for _, statement := range []string{"ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"} {
		if err := c.Exec("postgres", statement); err != nil {
			t.Fatal(err)
		}
	}
	const synced = "SELECT 1 / COUNT(*) FROM pg_stat_replication WHERE sync_state = 'sync'" // fails while there is none
	for range 200 {
		if err = c.Exec("postgres", synced); err == nil {
			return standby
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatalf("the standby never became synchronous: %v", err)
	return nil
}

// Promote makes a standby the primary.
func (c *Cluster) Promote(t testing.TB) {
	t.Helper()
	if err := c.Exec("postgres", "SELECT pg_promote()"); err != nil {
		t.Fatal(err)
	}
}

// PgBouncer starts a PgBouncer in transaction mode before the cluster, with so many
// connections to the server for each database, and returns its port.
func (c *Cluster) PgBouncer(t testing.TB, poolSize int) (port int) {
	t.Helper()
	bouncer := Bin(t, "pgbouncer")
	port, err := FreePort()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(TempDir(t), "pgbouncer.ini")
	config := fmt.Sprintf(`[databases]
* = host=127.0.0.1 port=%d user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = %d
max_client_conn = 1000
log_connections = 0
log_disconnections = 0
log_pooler_errors = 0
`, c.Port, port, poolSize)
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	stop, err := StartProcess(bouncer, "-q", file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(syscall.SIGKILL) })
	for range 200 {
		var conn net.Conn
		if conn, err = net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = conn.Close()
			return port
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal(err)
	return 0
}

// Through is a database's URL by way of another port of this machine, with more parameters.
func Through(url string, from, port int, parameters string) string {
	return strings.Replace(url, fmt.Sprintf(":%d/", from), fmt.Sprintf(":%d/", port), 1) + parameters
}

// Proxy forwards connections to a port, and can hold back all that passes.
type Proxy struct {
	Port   int
	target int
	listen net.Listener
	mu     sync.Mutex
	resume chan struct{} // closed when what is held back may go on
	conns  []net.Conn
}

// NewProxy starts a proxy before a port. It ends with the test.
func NewProxy(t testing.TB, target int) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Port: l.Addr().(*net.TCPAddr).Port, target: target, listen: l, resume: make(chan struct{})}
	close(p.resume)
	t.Cleanup(p.close)
	go p.accept()
	return p
}

// Pause holds back every byte, of connections old and new, until the function that
// it returns is called.
func (p *Proxy) Pause() (resume func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	held := make(chan struct{})
	p.resume = held
	return sync.OnceFunc(func() { close(held) })
}

func (p *Proxy) wait() {
	p.mu.Lock()
	held := p.resume
	p.mu.Unlock()
	<-held
}

func (p *Proxy) accept() {
	for {
		client, err := p.listen.Accept()
		if err != nil {
			return
		}
		go p.forward(client)
	}
}

func (p *Proxy) forward(client net.Conn) {
	p.wait()
	server, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", p.target))
	if err != nil {
		_ = client.Close()
		return
	}
	p.mu.Lock()
	p.conns = append(p.conns, client, server)
	p.mu.Unlock()
	go p.copy(server, client)
	p.copy(client, server)
}

func (p *Proxy) copy(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		p.wait()
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	_, _ = to.Close(), from.Close()
}

func (p *Proxy) close() {
	_ = p.listen.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
}
