package postgres_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/matryer/is"

	"github.com/retainrabbit/retainrabbit/adapters/postgres"
	"github.com/retainrabbit/retainrabbit/adapters/postgres/pgtest"
	"github.com/retainrabbit/retainrabbit/ports"
	"github.com/retainrabbit/retainrabbit/ports/porttest"
)

// tenantTables are spread by the workspace.
var tenantTables = map[string]string{
	"workspaces": "id", "api_keys": "workspace_id", "flows": "workspace_id", "flow_versions": "workspace_id", "sessions": "workspace_id",
	"session_events": "workspace_id", "session_stats": "workspace_id", "idempotency": "workspace_id", "leases": "workspace_id",
}

// crossing are the statements that concern all workspaces: the operator's list, and
// whether the database answers.
var crossing = map[string]bool{"workspace": true, "ping": true}

// The schema can be spread over many servers: with its tables in hash partitions by
// workspace the contract holds, and each statement's plan touches one partition.
// The server itself explains every statement that the contract runs, as it ran.
func TestStatementsTouchOnePartition(t *testing.T) {
	is := is.New(t)
	cluster := pgtest.New(t, "session_preload_libraries='auto_explain'", "auto_explain.log_min_duration=0", "auto_explain.log_format='json'",
		"log_min_messages=log", "logging_collector=on", "log_directory='log'", "log_filename='plans.log'", "log_checkpoints=off")
	url := cluster.URL("postgres")
	is.NoErr(postgres.Migrate(t.Context(), url))
	for table, key := range tenantTables {
		statement := fmt.Sprintf("ALTER TABLE %[1]s RENAME TO whole; CREATE TABLE %[1]s (LIKE whole INCLUDING ALL) PARTITION BY HASH (%[2]s); DROP TABLE whole CASCADE;", table, key)
		for i := range 4 {
			statement += fmt.Sprintf("CREATE TABLE %[1]s_p%[2]d PARTITION OF %[1]s FOR VALUES WITH (MODULUS 4, REMAINDER %[2]d);", table, i)
		}
		is.NoErr(cluster.Exec("postgres", statement))
	}
	porttest.Store(t, func(t *testing.T) ports.Store {
		t.Cleanup(func() { is.NoErr(cluster.Exec("postgres", empty)) })
		return open(t, url, postgres.Options{})
	})

	log, err := os.ReadFile(filepath.Join(cluster.Dir, "log", "plans.log"))
	is.NoErr(err)
	seen := map[string]int{}
	for _, plan := range plans(t, string(log)) {
		name, ok := strings.CutPrefix(plan.Query, "/* ")
		if !ok {
			continue // of the test itself
		}
		name, _, _ = strings.Cut(name, " */")
		seen[name]++
		touched := map[string]bool{}
		partitions(plan.Plan, touched)
		if len(touched) > 1 && !crossing[name] {
			t.Errorf("%s touches %d partitions: %s", name, len(touched), plan.Query)
		}
	}
	is.True(len(seen) >= 30) // nearly all statements of the adapter were explained
	is.True(seen["session.start"] > 0 && seen["session.start.many"] > 0 && seen["session.save"] > 0 && seen["stats.add"] > 0)
}

type explained struct {
	Query string         `json:"Query Text"`
	Plan  map[string]any `json:"Plan"`
}

var planText = regexp.MustCompile(`(?m)plan:\n((?:\t.*\n)+)`)

func plans(t *testing.T, log string) (all []explained) {
	t.Helper()
	for _, m := range planText.FindAllStringSubmatch(log, -1) {
		var e explained
		if err := json.Unmarshal([]byte(m[1]), &e); err != nil {
			t.Fatalf("%v in %s", err, m[1])
		}
		all = append(all, e)
	}
	return all
}

var partition = regexp.MustCompile(`_p(\d)$`)

// partitions collects the partitions that a plan reads or writes. An INSERT names
// none: the row's own workspace decides.
func partitions(node any, found map[string]bool) {
	switch n := node.(type) {
	case map[string]any:
		if table, ok := n["Relation Name"].(string); ok {
			if m := partition.FindStringSubmatch(table); m != nil {
				found[m[1]] = true
			}
		}
		for _, child := range n {
			partitions(child, found)
		}
	case []any:
		for _, child := range n {
			partitions(child, found)
		}
	}
}

// Plans are kept for as long as a connection. Made while the table is empty, they
// must be right when it is large: a session is found by its whole key, and the list
// is read in order.
func TestPlansOfAnEmptyTable(t *testing.T) {
	is := is.New(t)
	conn := direct(t, newDatabase(t))
	for _, setting := range []string{"SET enable_seqscan = off", "SET plan_cache_mode = force_generic_plan"} {
		_, err := conn.Exec(t.Context(), setting)
		is.NoErr(err)
	}
	for query, want := range map[string]string{
		"SELECT reason FROM sessions WHERE workspace_id = $1 AND id = $2":                                                          "sessions_pkey.*id = [$]2",
		"SELECT reason FROM sessions WHERE workspace_id = $1 AND test = 0 AND $2 = '' ORDER BY created_at DESC, id DESC LIMIT 100": "Backward using sessions_by_time",
	} {
		_, err := conn.Exec(t.Context(), "PREPARE q (text, text) AS "+query)
		is.NoErr(err)
		rows, err := conn.Query(t.Context(), "EXPLAIN (COSTS OFF) EXECUTE q ('x', '')", pgx.QueryExecModeSimpleProtocol)
		is.NoErr(err)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		is.NoErr(err)
		plan := strings.Join(lines, " ")
		if !regexp.MustCompile(want).MatchString(plan) || strings.Contains(plan, "Sort") {
			t.Errorf("%s: %s", query, plan)
		}
		_, err = conn.Exec(t.Context(), "DEALLOCATE q")
		is.NoErr(err)
	}
}
