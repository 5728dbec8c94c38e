// Package pgtest runs real PostgreSQL servers for tests.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Cluster is one PostgreSQL server of a test, with a folder and a port of its own.
// It ends with the test's process, however that ends.
type Cluster struct {
	Dir  string
	Port int
	proc *process
}

// Durable are settings under which a commit is on disk when it is acknowledged, as
// in production. Without them a cluster forgoes that for speed.
var Durable = []string{"fsync=on", "synchronous_commit=on", "full_page_writes=on"}

// Bin returns the path of one of PostgreSQL's programs. Where they are not
// installed the test is skipped, or fails if CI is set.
func Bin(t testing.TB, name string) string {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	slices.Sort(found)
	if len(found) > 0 {
		return found[len(found)-1]
	}
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	if path := "/usr/sbin/" + name; isFile(path) {
		return path
	}
	const why = "no PostgreSQL on this machine (%s), so nothing was tested on it; `make test` installs it"
	if os.Getenv("CI") != "" {
		t.Fatalf(why, name)
	}
	t.Skipf("SKIPPED: "+why, name)
	return ""
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// New makes a cluster with settings such as "max_connections=20" and starts it. It
// is removed when the test ends.
func New(t testing.TB, settings ...string) *Cluster {
	t.Helper()
	initdb := Bin(t, "initdb")
	c, err := create(initdb, TempDir(t), settings)
	if err != nil {
		t.Fatal(err)
	}
	c.Start(t)
	return c
}

// TempDir is t.TempDir for a folder that the server's user owns.
func TempDir(t testing.TB) string {
	t.Helper()
	dir, err := newDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func newDir() (string, error) {
	dir, err := os.MkdirTemp("", "retainrabbit-pg-*")
	if err != nil {
		return "", err
	}
	if cred := Owner(); cred != nil {
		err = os.Chown(dir, int(cred.Uid), int(cred.Gid))
	}
	return dir, err
}

// Owner is the user that servers run as, nil for our own: as root PostgreSQL
// refuses to run.
func Owner() *syscall.Credential {
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32)
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func create(initdb, dir string, settings []string) (*Cluster, error) {
	c := &Cluster{Dir: filepath.Join(dir, "data")}
	if err := Command(initdb, "-D", c.Dir, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync").Run(); err != nil {
		return nil, fmt.Errorf("initdb: %w", err)
	}
	var err error
	if c.Port, err = FreePort(); err != nil {
		return nil, err
	}
	return c, c.Configure(append([]string{
		"listen_addresses='127.0.0.1'", "port=" + strconv.Itoa(c.Port), "unix_socket_directories=''", "max_connections=200",
		"shared_buffers=64MB", "fsync=off", "synchronous_commit=off", "full_page_writes=off", "log_min_messages=fatal", "log_min_error_statement=panic",
	}, settings...)...)
}

// Command runs a program as the servers' user; what it says on failure is in its error.
func Command(name string, args ...string) *Cmd {
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: Owner()}
	cmd.Dir = os.TempDir()
	return &Cmd{cmd}
}

// Cmd is an exec.Cmd whose Run tells what the program said.
type Cmd struct{ *exec.Cmd }

// Run runs the program to its end.
func (c *Cmd) Run() error {
	out, err := c.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(c.Path), err, out)
	}
	return nil
}

// FreePort returns a TCP port that nobody listens on.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// Configure adds settings, which take effect at the next start.
func (c *Cluster) Configure(settings ...string) error {
	f, err := os.OpenFile(filepath.Join(c.Dir, "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strings.Join(settings, "\n") + "\n")
	return errors.Join(err, f.Close())
}

// process is a server that dies with us.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// StartProcess runs a program as the servers' user until it ends or we do.
func StartProcess(name string, args ...string) (stop func(sig syscall.Signal), err error) {
	p, err := startProcess(name, args...)
	if err != nil {
		return nil, err
	}
	return p.stop, nil
}

func startProcess(name string, args ...string) (*process, error) {
	p := &process{cmd: Command(name, args...).Cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The kernel sends the signal when the thread that started the process ends.
		runtime.LockOSThread()
		p.cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait()
		}
		close(p.done)
	}()
	return p, <-started
}

func (p *process) stop(sig syscall.Signal) {
	_ = p.cmd.Process.Signal(sig)
	<-p.done
}

// Start starts the server and waits until it answers.
func (c *Cluster) Start(t testing.TB) {
	t.Helper()
	if err := c.start(Bin(t, "postgres")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Stop(syscall.SIGQUIT) })
}

func (c *Cluster) start(postgres string) (err error) {
	if c.proc, err = startProcess(postgres, "-D", c.Dir); err != nil {
		return err
	}
	for range 300 {
		if err = c.ping(); err == nil {
			return nil
		}
		select {
		case <-c.proc.done:
			return fmt.Errorf("postgres did not start: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return err
}

func (c *Cluster) ping() error {
	return c.Exec("postgres", "SELECT 1")
}

// Stop ends the server by a signal: SIGTERM smart, SIGINT fast, SIGQUIT at once,
// SIGKILL without a word.
func (c *Cluster) Stop(sig syscall.Signal) { c.proc.stop(sig) }

// URL is the address of a database.
func (c *Cluster) URL(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", c.Port, database)
}

// Exec runs a statement in a database.
func (c *Cluster) Exec(database, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.URL(database))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement, pgx.QueryExecModeSimpleProtocol)
	return errors.Join(err, conn.Close(ctx))
}

var databases atomic.Int64

// Database makes a database and returns its name. It stays for as long as the cluster.
func (c *Cluster) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", databases.Add(1))
	if err := c.Exec("postgres", "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	return name
}

// shared is the cluster of this process's tests.
var shared struct {
	sync.Mutex
	cluster *Cluster
	dir     string
}

// Shared returns the one cluster that all tests of the process share. Main stops it.
func Shared(t testing.TB) *Cluster {
	t.Helper()
	initdb, postgres := Bin(t, "initdb"), Bin(t, "postgres")
	shared.Lock()
	defer shared.Unlock()
	if shared.cluster != nil {
		return shared.cluster
	}
	var err error
	if shared.dir, err = newDir(); err != nil {
		t.Fatal(err)
	}
	cluster, err := create(initdb, shared.dir, nil)
	if err == nil {
		err = cluster.start(postgres)
	}
	if err != nil {
		t.Fatal(err)
	}
	shared.cluster = cluster
	return cluster
}

// Main runs the tests of a package that uses Shared; TestMain calls it.
func Main(m *testing.M) int {
	code := m.Run()
	if shared.cluster != nil {
		shared.cluster.Stop(syscall.SIGQUIT)
		_ = os.RemoveAll(shared.dir)
	}
	return code
}
