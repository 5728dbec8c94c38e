package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/matryer/is"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	is.New(t).NoErr(err)
	return string(text)
}

// The tour's lines are run as they stand, but for the build and the port.
func TestReadmeTour(t *testing.T) {
	is := is.New(t)
	m := regexp.MustCompile("(?s)<!-- tour -->\n```sh\n(.*?)```").FindStringSubmatch(readme(t))
	is.True(m != nil)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	is.NoErr(err)
	addr := free.Addr().String()
	is.NoErr(free.Close())

	dir := t.TempDir()
	is.NoErr(os.WriteFile(filepath.Join(dir, "retainrabbit"), []byte("#!/bin/sh\nexec '"+os.Args[0]+"' \"$@\"\n"), 0o700))
	tour := strings.ReplaceAll(m[1], "127.0.0.1:8080", addr)
	tour = strings.Replace(tour, "go build -o retainrabbit ./cmd/retainrabbit\n", "", 1)
	cmd := exec.CommandContext(t.Context(), "bash", "-meuo", "pipefail", "-c", tour)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "RETAINRABBIT_TEST_PROCESS=1", "RETAINRABBIT_ADDR="+addr)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		`<main data-step="survey" data-outcome="pending">`, `<main data-step="offer" data-outcome="pending">`, `<main data-step="done" data-outcome="saved">`,
		`"outcome":"saved","recoveredMrrCents":1750`, `"saveRate":1,"sessions":1,"saved":1,"canceled":0,"pending":0,"window":"30d"`,
		"Save rate 100.0 % of n=1", "win-back  active  2", "Wrote copy.db", "Policy default/1", "session.reason_given", "a healthy server answers there",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the tour does not show %q:\n%s", want, out)
		}
	}
}

// What the README says of flags, commands and routes is what there is, and back.
func TestReadmeIsInStep(t *testing.T) {
	is := is.New(t)
	text := readme(t)
	parser, err := kong.New(&cli{})
	is.NoErr(err)
	known := map[string]bool{"--db": true}
	for _, command := range parser.Model.Children {
		if command.Name == "serve" {
			for _, f := range command.Flags {
				known["--"+f.Name] = true
			}
		}
	}
	is.True(len(known) > 5)
	section := text[strings.Index(text, "## Configuration"):strings.Index(text, "## API")]
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(--[a-z-]+)`").FindAllStringSubmatch(section, -1) {
		listed[m[1]] = true
	}
	is.Equal(listed, known)
	for _, command := range parser.Model.Children {
		is.True(strings.Contains(section, command.Name)) // every command is named
		for _, sub := range command.Children {
			is.True(strings.Contains(section, sub.Name))
		}
	}
	routes := map[string]bool{}
	for _, m := range regexp.MustCompile("`(GET|POST) (/[^`]+)`").FindAllStringSubmatch(text[strings.Index(text, "## API"):], -1) {
		routes[m[1]+" "+m[2]] = true
	}
	document, err := os.ReadFile("../../adapters/httpapi/openapi.json")
	is.NoErr(err)
	documented := map[string]bool{}
	path := ""
	for _, m := range regexp.MustCompile(`(?m)^    "(/[^"]+)": \{$|^      "(get|post)": \{$`).FindAllStringSubmatch(string(document), -1) {
		if m[1] != "" {
			path = m[1]
		} else {
			documented[strings.ToUpper(m[2])+" "+path] = true
		}
	}
	is.Equal(routes, documented)
}
