package httpapi_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/google/uuid"
	"github.com/matryer/is"

	"github.com/retainrabbit/retainrabbit/adapters/postgres"
	"github.com/retainrabbit/retainrabbit/adapters/postgres/pgtest"
	"github.com/retainrabbit/retainrabbit/app"
	"github.com/retainrabbit/retainrabbit/domain"
)

// The yardstick on PostgreSQL is its own pgbench: one prepared statement, 32 clients,
// the same server, in turn with the API.

// pgBenchWorld is a benchWorld on a PostgreSQL of its own that syncs each commit.
type pgBenchWorld struct {
	*benchWorld
	cluster *pgtest.Cluster
	keys    []domain.Secret // of a thousand workspaces more
}

func newPGBenchWorld(b *testing.B, workspaces int) *pgBenchWorld {
	b.Helper()
	is := is.New(b)
	cluster := pgtest.New(b, append(pgtest.Durable, "shared_buffers=1GB", "max_wal_size=8GB")...)
	store, err := postgres.Open(b.Context(), cluster.URL("postgres"), postgres.Options{})
	is.NoErr(err)
	w := &pgBenchWorld{benchWorld: newBenchWorldOn(b, store, 1000), cluster: cluster}
	for range workspaces {
		ws, err := w.app.CreateWorkspace(b.Context(), "Bench", "usd")
		is.NoErr(err)
		_, err = w.app.ApplyFlow(b.Context(), ws.ID, winBack())
		is.NoErr(err)
		_, key, err := w.app.CreateKey(b.Context(), app.KeyRequest{WorkspaceID: ws.ID, Name: "bench", Mode: domain.Live, Scope: domain.ScopeReadWrite})
		is.NoErr(err)
		w.keys = append(w.keys, key)
	}
	is.NoErr(cluster.Exec("postgres", "CREATE TABLE bare (LIKE sessions INCLUDING ALL)"))
	is.NoErr(cluster.Exec("postgres", "INSERT INTO bare SELECT * FROM sessions"))
	is.NoErr(cluster.Exec("postgres", "VACUUM ANALYZE"))
	return w
}

var tps = regexp.MustCompile(`tps = ([0-9.]+)`)

// pgbench returns how often a second 32 clients run a script.
func (w *pgBenchWorld) pgbench(b *testing.B, script string) float64 {
	b.Helper()
	is := is.New(b)
	file := filepath.Join(b.TempDir(), "script.sql")
	is.NoErr(os.WriteFile(file, []byte(script), 0o600))
	out, err := exec.Command(pgtest.Bin(b, "pgbench"), "-n", "-M", "prepared", "-c", "32", "-j", "2", "-T", "2", "-f", file, w.cluster.URL("postgres")).CombinedOutput()
	if err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	rate, err := strconv.ParseFloat(tps.FindStringSubmatch(string(out))[1], 64)
	is.NoErr(err)
	return rate
}

func (w *pgBenchWorld) bareInsert() string {
	return fmt.Sprintf(`INSERT INTO bare SELECT workspace_id, test, created_at,
	(extract(epoch FROM clock_timestamp()) * 1e6)::bigint::text || '-0000-7000-8000-' || lpad((:client_id)::text, 12, '0'),
	flow_id, flow_version, link_expires_at, 'cus_12345678', 'sub_12345678', 'usd', 2500, '', '', '', '', '', 'too expensive', '', 'survey', -1, '', 0, 'pending', '', '', 0, 0, 1
	FROM (VALUES ('%s', 0, (extract(epoch FROM clock_timestamp()) * 1e3)::bigint, '%s', 1, 1790000000000)) v (workspace_id, test, created_at, flow_id, flow_version, link_expires_at);
`, w.ws.ID, w.flow.ID)
}

// inTurn runs the baseline and ours in turn and reports the median ratio of rates.
func inTurn(b *testing.B, unit string, base, ours func() float64) {
	var ratios, rates, bases []float64
	base()
	ours() // both to warm up
	for b.Loop() {
		for range rounds {
			bare, own := base(), ours()
			ratios, rates, bases = append(ratios, own/bare), append(rates, own), append(bases, bare)
		}
	}
	for name, values := range map[string][]float64{unit: ratios, "req/s": rates, "baseline/s": bases} {
		slices.Sort(values)
		b.ReportMetric(values[len(values)/2], name)
	}
	b.ReportMetric(0, "ns/op")
}

// starts is a load of starts, each with a key check, counters and an idempotency key
// of its own, over some workspaces.
func (w *pgBenchWorld) starts(b *testing.B, keys []domain.Secret) float64 {
	run := uuid.NewString()
	return load(b, w.url, func(conn, turn int) string {
		return post(keys[(turn*connections+conn)%len(keys)], fmt.Sprintf("Idempotency-Key: %s-%d-%d\r\n", run, conn, turn))
	})
}

func BenchmarkPostgresStartSession(b *testing.B) {
	w := newPGBenchWorld(b, 1)
	insert := w.bareInsert()
	inTurn(b, "×bare-insert", func() float64 { return w.pgbench(b, insert) }, func() float64 { return w.starts(b, w.keys) })
}

func BenchmarkPostgresStartInManyWorkspaces(b *testing.B) {
	w := newPGBenchWorld(b, 1000)
	insert := w.bareInsert()
	inTurn(b, "×bare-insert", func() float64 { return w.pgbench(b, insert) }, func() float64 { return w.starts(b, w.keys) })
}

func BenchmarkPostgresStartInOneWorkspace(b *testing.B) {
	w := newPGBenchWorld(b, 1000)
	inTurn(b, "×1000-workspaces", func() float64 { return w.starts(b, w.keys) }, func() float64 { return w.starts(b, w.keys[:1]) })
}

func BenchmarkPostgresGetSession(b *testing.B) {
	w := newPGBenchWorld(b, 0)
	id := string(w.sessions[500])
	point := fmt.Sprintf("SELECT id, customer_id, reason, outcome, recovered, currency, created_at FROM sessions WHERE workspace_id = '%s' AND id = '%s';\n", w.ws.ID, id)
	inTurn(b, "×point-select",
		func() float64 { return w.pgbench(b, point) },
		func() float64 { return load(b, w.url, same(get(w.key, "/api/v1/sessions/"+id))) })
}
