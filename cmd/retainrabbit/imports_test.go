package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/matryer/is"
)

const module = "github.com/retainrabbit/retainrabbit/"

// layer says what the packages below a folder may import, besides the standard
// library: trees of this module, and other modules.
type layer struct {
	folder    string
	ours      []string
	others    []string
	forbidden []string // of the standard library
}

// The arrows of the house. The first folder that fits a package is its layer.
var layers = []layer{
	{"domain", nil, []string{"github.com/google/uuid"},
		[]string{"context", "crypto/rand", "math/rand", "math/rand/v2", "log", "log/slog", "database/sql", "net/http", "os"}},
	{"ports/porttest", []string{"domain", "ports"}, []string{"github.com/matryer/is", "github.com/google/uuid"}, []string{"database/sql", "net/http"}},
	{"ports", []string{"domain"}, nil, []string{"database/sql", "net/http", "log/slog"}},
	{"app", []string{"domain", "ports"}, []string{"github.com/google/uuid"}, []string{"database/sql", "net/http"}},
	{"adapters/internal/sqlstore", []string{"domain", "ports"}, nil, []string{"net/http", "database/sql"}},
	{"adapters/internal/storetest", []string{"domain", "ports", "app"}, []string{"github.com/matryer/is"}, []string{"net/http", "database/sql"}},
	{"adapters/internal/web", []string{"domain"}, nil, []string{"database/sql"}},
	{"adapters/sqlite", []string{"domain", "ports", "adapters/internal/sqlstore"},
		[]string{"modernc.org/sqlite", "github.com/pressly/goose/v3", "github.com/maypok86/otter/v2"}, []string{"net/http"}},
	{"adapters/postgres", []string{"domain", "ports", "adapters/internal/sqlstore"},
		[]string{"github.com/jackc/pgx/v5", "github.com/pressly/goose/v3"}, []string{"net/http", "database/sql"}},
	{"adapters/httpapi", []string{"domain", "ports", "app", "adapters/internal/web"},
		[]string{"github.com/gorilla/mux", "github.com/maypok86/otter/v2", "golang.org/x/time"}, []string{"database/sql"}},
	{"adapters/hosted", []string{"domain", "ports", "app", "adapters/internal/web"}, []string{"github.com/gorilla/mux"}, []string{"database/sql"}},
	{"cmd", []string{"domain", "ports", "app", "adapters"}, []string{
		"github.com/alecthomas/kong", "github.com/goccy/go-yaml", "github.com/google/uuid", "github.com/gorilla/mux", "github.com/prometheus/client_golang",
		"github.com/schollz/progressbar/v3",
	}, nil},
}

func TestImports(t *testing.T) {
	is := is.New(t)
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "../../...").Output()
	is.NoErr(err)
	packages := json.NewDecoder(strings.NewReader(string(out)))
	seen := 0
	for {
		var p struct {
			ImportPath string
			Imports    []string
		}
		err := packages.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		is.NoErr(err)
		seen++
		name := strings.TrimPrefix(p.ImportPath, module)
		l, ok := layerOf(name)
		if !ok {
			t.Errorf("%s belongs to no layer: put it where it belongs, or add the layer here with its arrows", name)
			continue
		}
		for _, imported := range p.Imports {
			if !l.may(imported) {
				t.Errorf("%s must not import %s", name, imported)
			}
		}
	}
	is.True(seen >= len(layers)-1) // the list was not empty
}

func layerOf(name string) (layer, bool) {
	for _, l := range layers {
		if within(name, l.folder) {
			return l, true
		}
	}
	return layer{}, false
}

func (l layer) may(path string) bool {
	if ours, ok := strings.CutPrefix(path, module); ok {
		return within(ours, l.folder) || anyWithin(ours, l.ours)
	}
	if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") {
		return anyWithin(path, l.others)
	}
	for _, f := range l.forbidden {
		if path == f {
			return false
		}
	}
	return true
}

func anyWithin(path string, trees []string) bool {
	for _, tree := range trees {
		if within(path, tree) {
			return true
		}
	}
	return false
}

func within(path, tree string) bool { return path == tree || strings.HasPrefix(path, tree+"/") }
