package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/retainrabbit/retainrabbit/domain"
)

// The limits of a flow file.
const (
	maxFlowFile   = 128 << 10
	maxFlowDepth  = 100 // of brackets; a flow needs five
	maxFlowIndent = 200 // characters that nest a line in blocks; a flow needs ten
)

// readFlowFile reads one flow as YAML, of which JSON is a part. Its errors begin
// with the file, the line where one is known, and the field.
func readFlowFile(name string) (domain.FlowDocument, error) {
	text, err := readLimited(name)
	if err != nil {
		return domain.FlowDocument{}, err
	}
	doc, line, err := parseFlow(text)
	switch {
	case err == nil:
		return doc, nil
	case line > 0:
		return doc, fmt.Errorf("%s:%d: %w", name, line, err)
	}
	return doc, fmt.Errorf("%s: %w", name, err)
}

func readLimited(name string) ([]byte, error) {
	in := os.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxFlowFile+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(text) > maxFlowFile {
		return nil, fmt.Errorf("%s: a flow must be at most %d KiB", name, maxFlowFile>>10)
	}
	return text, nil
}

// parseFlow reads a flow, and says on which line a mistake is; 0 if unknown.
func parseFlow(text []byte) (doc domain.FlowDocument, line int, err error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	deep := tooDeep(text)
	if json.Valid(text) && deep {
		return readDocument(text, nil)
	}
	if deep {
		return doc, 0, errors.New("is nested too deeply")
	}
	file, err := parser.ParseBytes(text, 0)
	if json.Valid(text) {
		return readDocument(text, file)
	}
	if err != nil {
		return doc, lineOfSyntax(err), syntaxError(err)
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return doc, 0, errors.New("must hold one flow, neither none nor several")
	}
	body := file.Docs[0].Body
	if alias := findAlias(body); alias != nil {
		return doc, alias.GetToken().Position.Line, errors.New("anchors and aliases are not allowed")
	}
	var raw any
	if err := yaml.NodeToValue(body, &raw); err != nil {
		return doc, lineOfSyntax(err), syntaxError(err)
	}
	asJSON, err := json.Marshal(raw)
	if err != nil {
		return doc, 0, errors.New("holds a value that no flow can have, such as .nan or .inf")
	}
	return readDocument(asJSON, file)
}

// readDocument reads the flow's JSON, and finds a mistake's line in the file that
// it came from; file is nil if that could not be read as YAML.
func readDocument(text []byte, file *ast.File) (doc domain.FlowDocument, line int, err error) {
	doc, err = domain.ParseFlowDocument(text)
	var mistake *domain.Error
	if errors.As(err, &mistake) && file != nil {
		line = lineOfField(file, mistake.Field)
	}
	return doc, line, err
}

// tooDeep keeps from the parser what would take it minutes.
func tooDeep(text []byte) bool {
	depth := 0
	for line := range bytes.Lines(text) {
		if len(line)-len(bytes.TrimLeft(line, " -?:\t")) > maxFlowIndent {
			return true
		}
		for _, c := range line {
			switch c {
			case '[', '{':
				depth++
			case ']', '}':
				depth--
			}
			if depth > maxFlowDepth {
				return true
			}
		}
	}
	return false
}

func lineOfSyntax(err error) int {
	var mistake yaml.Error
	if errors.As(err, &mistake) && mistake.GetToken() != nil {
		return mistake.GetToken().Position.Line
	}
	return 0
}

func syntaxError(err error) error {
	var mistake yaml.Error
	if errors.As(err, &mistake) {
		return errors.New(mistake.GetMessage())
	}
	return err
}

type aliasFinder struct{ found ast.Node }

func (f *aliasFinder) Visit(n ast.Node) ast.Visitor {
	switch n.Type() {
	case ast.AliasType, ast.AnchorType, ast.MergeKeyType:
		f.found = n
	}
	return f
}

func findAlias(n ast.Node) ast.Node {
	var f aliasFinder
	ast.Walk(&f, n)
	return f.found
}

// lineOfField finds where a field stands, or, if it is missing, what should hold it.
func lineOfField(file *ast.File, field string) int {
	for field != "" {
		if path, err := yaml.PathString("$." + field); err == nil {
			if n, err := path.FilterFile(file); err == nil && n != nil {
				return n.GetToken().Position.Line
			}
		}
		field = field[:max(strings.LastIndexAny(field, ".["), 0)]
	}
	return 1
}
