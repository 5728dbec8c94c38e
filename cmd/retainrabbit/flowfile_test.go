package main

import (
	"os"
	"path/filepath"
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
		if err == nil && doc.Validate() != nil {
			t.Fatalf("%q was read as a flow that breaks a rule", text)
		}
	})
}
