package httpapi_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
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

// The stats of ten million sessions against those of a thousand, spread over as many
// days. It takes some minutes to fill.
func BenchmarkPostgresStatsOfTenMillion(b *testing.B) {
	w := newPGBenchWorld(b, 1)
	is := is.New(b)
	// By SQL, as the program would have stored and counted them.
	const chunk = 250_000
	for from := 1; from < 10_000_000; from += chunk {
		is.NoErr(w.cluster.Exec("postgres", fmt.Sprintf(`INSERT INTO sessions SELECT workspace_id, 0, day * 86400000::bigint + i, id, flow_id, 1, 1790000000000,
	'cus_12345678', 'sub_12345678', 'usd', 2500, '', '', '', '', '', 'too expensive', '', 'survey', -1, '', 0, 'pending', '', '', 0, 0, 1
	FROM (SELECT k.workspace_id, f.id AS flow_id, i, to_char(i, 'FM00000000') || '-0000-7000-8000-000000000000' AS id, (CURRENT_DATE - DATE '1970-01-01') - i %% 365 AS day
		FROM generate_series(%d, %d) i, api_keys k JOIN flows f ON f.workspace_id = k.workspace_id WHERE k.workspace_id <> '%s') s`, from, from+chunk-1, w.ws.ID)))
	}
	is.NoErr(w.cluster.Exec("postgres", `INSERT INTO session_stats SELECT workspace_id, created_at / 86400000, 'usd', COUNT(*), 0, 0, 0, 0, 0, 0 FROM sessions GROUP BY 1, 2
	ON CONFLICT (workspace_id, day, currency) DO NOTHING`))
	is.NoErr(w.cluster.Exec("postgres", `INSERT INTO session_stats SELECT workspace_id, 0, 'usd', COUNT(*), 0, 0, 0, 0, 0, 0 FROM sessions GROUP BY 1
	ON CONFLICT (workspace_id, day, currency) DO NOTHING`))
	is.NoErr(w.cluster.Exec("postgres", "VACUUM ANALYZE"))
	is.NoErr(w.cluster.Exec("postgres", `INSERT INTO session_events SELECT workspace_id, id, seq, md5(id || seq), 0, 'session_saved', created_at,
	'{"flowVersion":1,"reason":"Too expensive","choice":"accept","outcome":"saved","recovered":1750,"currency":"usd","step":1}'
	FROM sessions, generate_series(1, 3) seq WHERE id < '00100000'`))
	inTurn(b, "×rate-of-1000",
		func() float64 { return load(b, w.url, same(get(w.key, "/api/v1/stats?window=365d"))) },
		func() float64 { return load(b, w.url, same(get(w.keys[0], "/api/v1/stats?window=365d"))) })
	for _, table := range []string{"sessions", "session_events"} {
		b.ReportMetric(w.bytesPerRow(b, table), "bytes/"+table)
	}
}

// bytesPerRow is what a row of a table takes on disk, with its indexes.
func (w *pgBenchWorld) bytesPerRow(b *testing.B, table string) (bytes float64) {
	b.Helper()
	is := is.New(b)
	conn, err := pgx.Connect(b.Context(), w.cluster.URL("postgres"))
	is.NoErr(err)
	defer conn.Close(context.Background())
	is.NoErr(conn.QueryRow(b.Context(), fmt.Sprintf("SELECT CAST(pg_total_relation_size('%[1]s') AS FLOAT8) / COUNT(*) FROM %[1]s", table)).Scan(&bytes))
	return bytes
}

// Two instances on one database against one: what they do together, and how much of
// the processors a start costs either way.
func BenchmarkPostgresTwoInstances(b *testing.B) {
	w := newPGBenchWorld(b, 1)
	is := is.New(b)
	store, err := postgres.Open(b.Context(), w.cluster.URL("postgres"), postgres.Options{})
	is.NoErr(err)
	b.Cleanup(func() { _ = store.Close() })
	second := w.serve(b, store)
	run := 0
	starts := func(addrs ...string) float64 {
		run++
		return loadAll(b, addrs, func(conn, turn int) string {
			return post(w.keys[0], fmt.Sprintf("Idempotency-Key: two-%d-%d-%d\r\n", run, conn, turn))
		})
	}
	inTurn(b, "×one-instance", func() float64 { return starts(w.url) }, func() float64 { return starts(w.url, second) })
	for name, addrs := range map[string][]string{"cpu-µs/start-by-one": {w.url}, "cpu-µs/start-by-two": {w.url, second}} {
		before, began := busy(b), time.Now()
		rate := starts(addrs...)
		b.ReportMetric((busy(b)-before).Seconds()*1e6/(rate*time.Since(began).Seconds()), name)
	}
}

// busy is how long the processors of the machine have worked, all together.
func busy(b *testing.B) time.Duration {
	b.Helper()
	text, err := os.ReadFile("/proc/stat")
	is.New(b).NoErr(err)
	fields := strings.Fields(strings.SplitN(string(text), "\n", 2)[0])
	var ticks int64
	for _, i := range []int{1, 2, 3, 6, 7} { // user, nice, system, irq, softirq
		n, _ := strconv.ParseInt(fields[i], 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
