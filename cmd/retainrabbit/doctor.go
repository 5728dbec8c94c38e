package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/retainrabbit/retainrabbit/adapters/postgres"
	"github.com/retainrabbit/retainrabbit/adapters/sqlite"
)

type doctorCmd struct {
	BaseURL string `name:"base-url" help:"Base URL that the server is run with; it is asked whether it is healthy." placeholder:"URL"`
	asJSON
}

// finding is what one check found.
type finding struct {
	Check string `json:"check"`
	OK    bool   `json:"ok"`
	Says  string `json:"says"`
}

func (c doctorCmd) Run(e *env) error {
	db, err := parseDB(e.db)
	if err != nil {
		return err
	}
	findings := append(db.findings(e.ctx), c.reach(e.ctx))
	bad := 0
	for _, f := range findings {
		if !f.OK {
			bad++
		}
	}
	err = c.print(e.stdout, map[string]any{"ok": bad == 0, "checks": findings}, func(out io.Writer) error {
		for _, f := range findings {
			mark := "ok  "
			if !f.OK {
				mark = "FAIL"
			}
			if _, err := fmt.Fprintf(out, "%s  %-12s %s\n", mark, f.Check, f.Says); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && bad > 0 {
		err = fmt.Errorf("%d of %d checks failed", bad, len(findings))
	}
	return err
}

// findings are what the checks of the database find.
func (db database) findings(ctx context.Context) []finding {
	if db.postgres != "" {
		return checkPostgres(ctx, db.postgres)
	}
	return []finding{checkFile(ctx, db.sqlite), permissions(db.sqlite), clock(db.sqlite, time.Now())}
}

// checkPostgres asks the server what it and its role are like.
func checkPostgres(ctx context.Context, url string) []finding {
	store, err := postgres.OpenExisting(ctx, url, postgres.Options{Timeout: patient})
	if err != nil {
		return []finding{{"database", false, err.Error()}}
	}
	defer store.Close()
	health, err := store.Health(ctx)
	if err != nil {
		return []finding{{"database", false, err.Error()}}
	}
	all, err := store.Workspaces(ctx)
	if err != nil {
		return []finding{{"database", false, err.Error()}}
	}
	found := []finding{
		{"database", !health.Standby, fmt.Sprintf("PostgreSQL %s, schema up to date, %d workspaces", health.Server, len(all))},
		{"encryption", true, "the connection is encrypted"},
		{"permissions", true, "the role can read and write, not change the schema"},
		{"clock", true, "agrees with the server's"},
	}
	if health.Standby {
		found[0].Says = "the server is a standby: it cannot be written"
	}
	if !health.TLS {
		found[1].Says = "the connection is not encrypted: use sslmode=verify-full unless the server is on this machine"
	}
	if !health.Serves {
		found[2] = finding{"permissions", false, "the role lacks a privilege that serving needs: see Role in the README"}
	} else if health.Owner {
		found[2].Says = "the role may change the schema: serve with one that may not, see the README"
	}
	if off := health.ClockOff.Abs(); off > maxClockOff {
		found[3] = finding{"clock", false, fmt.Sprintf("is %s apart from the server's: set it, or links and stats go wrong", off.Round(time.Second))}
	}
	return found
}

const maxClockOff = 5 * time.Second

// checkFile opens the file and reads all of it.
func checkFile(ctx context.Context, path string) finding {
	const name = "database"
	store, err := sqlite.OpenExisting(ctx, path)
	if err != nil {
		return finding{name, false, err.Error()}
	}
	defer store.Close()
	if err := store.Check(ctx); err != nil {
		return finding{name, false, err.Error()}
	}
	all, err := store.Workspaces(ctx)
	if err != nil {
		return finding{name, false, err.Error()}
	}
	return finding{name, true, fmt.Sprintf("sound, schema up to date, %d workspaces", len(all))}
}

// permissions looks whether others can read the file, and we can write it.
func permissions(path string) finding {
	const name = "permissions"
	info, err := os.Stat(path)
	if err != nil {
		return finding{name, false, err.Error()}
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return finding{name, false, fmt.Sprintf("%s has mode %o: others can read customers' data and forge links; run chmod 600", path, mode)}
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return finding{name, false, err.Error()}
	}
	_ = f.Close()
	probe, err := os.CreateTemp(filepath.Dir(path), ".retainrabbit-doctor-*")
	if err != nil {
		return finding{name, false, fmt.Sprintf("the folder of %s cannot be written, but the database keeps files beside it: %v", path, err)}
	}
	_ = probe.Close()
	_ = os.Remove(probe.Name())
	return finding{name, true, "the file is its owner's alone, file and folder can be written"}
}

// clock looks whether the clock stands before the last change of the database.
func clock(path string, now time.Time) finding {
	const name = "clock"
	for _, file := range []string{path, path + "-wal"} {
		if info, err := os.Stat(file); err == nil && info.ModTime().After(now.Add(time.Minute)) {
			return finding{name, false, fmt.Sprintf("it is %s here, but %s was written at %s: set the clock, or links and stats go wrong",
				now.UTC().Format(time.RFC3339), file, info.ModTime().UTC().Format(time.RFC3339))}
		}
	}
	return finding{name, true, now.UTC().Format(time.RFC3339)}
}

// reach asks the server behind the base URL whether it is healthy.
func (c doctorCmd) reach(ctx context.Context) finding {
	const name = "base URL"
	if c.BaseURL == "" {
		return finding{name, true, "not checked: give --base-url"}
	}
	if err := checkBaseURL(c.BaseURL); err != nil {
		return finding{name, false, err.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.BaseURL+"/healthz", nil)
	if err != nil {
		return finding{name, false, err.Error()}
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return finding{name, false, fmt.Sprintf("no server answers there: %v", err)}
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return finding{name, false, fmt.Sprintf("%s/healthz answers %s, expected 200", c.BaseURL, answer.Status)}
	}
	if u, _ := url.Parse(c.BaseURL); u.Scheme != "https" && checkLoopback(u.Host+hostPort(u)) != nil {
		return finding{name, false, "healthy, but customers reach it without encryption: put TLS in front and use https"}
	}
	return finding{name, true, "a healthy server answers there"}
}

func hostPort(u *url.URL) string {
	if u.Port() == "" {
		return ":80"
	}
	return ""
}
