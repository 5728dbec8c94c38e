package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// asJSON is embedded by the commands that can answer a script.
type asJSON struct {
	JSON bool `name:"json" help:"Print one JSON object."`
}

// print writes v as JSON if that was asked for, and else runs text.
func (j asJSON) print(w io.Writer, v any, text func(io.Writer) error) error {
	if !j.JSON {
		return text(w)
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// table writes rows under a head, in columns.
func table(w io.Writer, head string, rows [][]string) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, strings.ReplaceAll(head, " ", "\t"))
	for _, row := range rows {
		fmt.Fprintln(out, strings.Join(row, "\t"))
	}
	return out.Flush()
}

// timeOf is a time for JSON, null if there is none.
func timeOf(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := t.Format(time.RFC3339)
	return &s
}

// show is a time for a table.
func show(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.RFC3339)
}
