package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/matryer/is"
)

func TestExampleFlows(t *testing.T) {
	is := is.New(t)
	files, err := filepath.Glob("../../testdata/flows/*")
	is.NoErr(err)
	is.True(len(files) >= 2)
	for _, file := range append(files, "win-back.yaml") {
		_, err := readFlowFile(file)
		is.NoErr(err) // of file
	}
}

// What would take the parser minutes, or what YAML and JSON read differently.
func TestOddFlowFiles(t *testing.T) {
	const head = `{"name":"n","slug":"s","status":"draft","steps":[{"type":"confirmation","label":"l","config":{"message":`
	for name, c := range map[string]struct {
		text string
		want string // of the error; empty: none
	}{
		"nested lists":       {strings.Repeat("- ", 50_000) + "x", "nested too deeply"},
		"indentation":        {strings.Repeat(" ", 60_000) + "x", "nested too deeply"},
		"nested brackets":    {strings.Repeat("[", 60_000), "nested too deeply"},
		"empty":              {"", "must hold one flow"},
		"a comment":          {"# nothing", "must hold one flow"},
		"not a number":       {"name: .nan", "holds a value that no flow can have"},
		"control characters": {head + "\"a\\u0001\\t\\r\\n\u007f\"}}]}", ""},
		"like YAML":          {head + "\"? a: [.nan, {\"}}]}", ""},
		"many brackets":      {head + `"` + strings.Repeat("[", 500) + `"}}]}`, ""},
		"byte order mark":    {"\ufeff" + head + `"m"}}]}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			_, _, err := parseFlow([]byte(c.text))
			if c.want == "" {
				is.NoErr(err)
			} else {
				is.True(err != nil && strings.Contains(err.Error(), c.want))
			}
		})
	}
}

func FuzzParseFlow(f *testing.F) {
	f.Add(exampleFlow)
	f.Add([]byte(`{"name":"n","slug":"s","status":"draft","steps":[]}`))
	f.Add([]byte("a: &x [1]\nb: *x\n<<: *x"))
	files, _ := filepath.Glob("../../testdata/flows/*")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > maxFlowFile {
			return
		}
		doc, _, err := parseFlow(text)
		if err != nil {
			return
		}
		exported, err := json.MarshalIndent(doc, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		again, _, err := parseFlow(exported)
		if err != nil || !again.Equal(doc) {
			t.Fatalf("%q was exported as %s, and came back as %+v: %v", text, exported, again, err)
		}
	})
}
