package main

import (
	"bytes"
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
	maxFlowFile  = 256 << 10
	maxFlowDepth = 100 // of brackets; a flow needs five
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
	if tooDeep(text) {
		return doc, 0, errors.New("is nested too deeply")
	}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return doc, lineOfSyntax(err), syntaxError(err)
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return doc, 0, fmt.Errorf("must hold one flow, it holds %d documents", len(file.Docs))
	}
	body := file.Docs[0].Body
	if alias := findAlias(body); alias != nil {
		return doc, alias.GetToken().Position.Line, errors.New("anchors and aliases are not allowed")
	}
	var raw any
	if err := yaml.NodeToValue(body, &raw, yaml.UseOrderedMap()); err != nil {
		return doc, lineOfSyntax(err), syntaxError(err)
	}
	asJSON, err := yaml.MarshalWithOptions(raw, yaml.JSON())
	if err != nil {
		return doc, lineOfSyntax(err), syntaxError(err)
	}
	doc, err = domain.ParseFlowDocument(bytes.TrimSpace(asJSON))
	var mistake *domain.Error
	if errors.As(err, &mistake) {
		return doc, lineOfField(file, mistake.Field), err
	}
	return doc, 0, err
}

func tooDeep(text []byte) bool {
	depth := 0
	for _, c := range text {
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
