package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/retainrabbit/retainrabbit/app"
	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

type flowCmd struct {
	Apply    flowApplyCmd    `cmd:"" help:"Create flows, or make them their next version, by their slugs."`
	List     flowListCmd     `cmd:"" help:"List the flows."`
	Export   flowExportCmd   `cmd:"" help:"Print a flow, ready to be changed and applied."`
	Lint     flowLintCmd     `cmd:"" help:"Check flow files without a database."`
	Simulate flowSimulateCmd `cmd:"" help:"Tell which customers would be made which offer by a flow file, storing nothing."`
}

type flowOut struct {
	ID        domain.FlowID     `json:"id"`
	Name      string            `json:"name"`
	Slug      string            `json:"slug"`
	Status    domain.FlowStatus `json:"status"`
	Version   int               `json:"version"`
	UpdatedAt *string           `json:"updatedAt"`
}

func toFlowOut(f domain.Flow) flowOut {
	return flowOut{f.ID, f.Name, f.Slug, f.Status, f.Version, timeOf(f.UpdatedAt)}
}

func (j asJSON) printFlows(w io.Writer, flows []domain.Flow) error {
	list, rows := make([]flowOut, len(flows)), [][]string{}
	for i, f := range flows {
		list[i] = toFlowOut(f)
		rows = append(rows, []string{string(f.ID), f.Slug, string(f.Status), fmt.Sprint(f.Version), show(f.UpdatedAt), f.Name})
	}
	return j.print(w, map[string]any{"flows": list}, func(out io.Writer) error {
		return table(out, "ID SLUG STATUS VERSION UPDATED NAME", rows)
	})
}

type flowApplyCmd struct {
	inWorkspace
	Files []string `arg:"" name:"file" help:"Flows as YAML or JSON; - is standard input."`
	asJSON
}

func (c flowApplyCmd) Run(e *env) error {
	docs, err := readFlows(c.Files) // all of them, before any is applied
	if err != nil {
		return err
	}
	return e.withWorkspace(c.inWorkspace, func(_ ports.Store, a *app.App, ws domain.Workspace) error {
		var flows []domain.Flow
		for _, doc := range docs {
			f, err := a.ApplyFlow(e.ctx, ws.ID, doc)
			if err != nil {
				return fmt.Errorf("flow %s: %w", doc.Slug, err)
			}
			flows = append(flows, f)
		}
		return c.printFlows(e.stdout, flows)
	})
}

func readFlows(files []string) ([]domain.FlowDocument, error) {
	var docs []domain.FlowDocument
	var errs []error
	for _, file := range files {
		doc, err := readFlowFile(file)
		docs, errs = append(docs, doc), append(errs, err)
	}
	return docs, errors.Join(errs...)
}

type flowListCmd struct {
	inWorkspace
	asJSON
}

func (c flowListCmd) Run(e *env) error {
	return e.withWorkspace(c.inWorkspace, func(store ports.Store, _ *app.App, ws domain.Workspace) error {
		flows, err := store.Flows(e.ctx, ws.ID)
		if err != nil {
			return err
		}
		return c.printFlows(e.stdout, flows)
	})
}

type flowExportCmd struct {
	inWorkspace
	Slug string `arg:"" help:"Slug of the flow."`
	asJSON
}

func (c flowExportCmd) Run(e *env) error {
	return e.withWorkspace(c.inWorkspace, func(store ports.Store, _ *app.App, ws domain.Workspace) error {
		f, err := store.FlowBySlug(e.ctx, ws.ID, c.Slug)
		if err != nil {
			return err
		}
		return c.print(e.stdout, f.FlowDocument, func(out io.Writer) error {
			enc := json.NewEncoder(out) // JSON is YAML, and keeps every text as it is
			enc.SetEscapeHTML(false)
			enc.SetIndent("", "  ")
			return enc.Encode(f.FlowDocument)
		})
	})
}

type flowLintCmd struct {
	inWorkspace          // accepted, as by every flow command; a check needs none
	Files       []string `arg:"" name:"file" help:"Flows as YAML or JSON; - is standard input."`
	asJSON
}

func (c flowLintCmd) Run(e *env) error {
	docs, err := readFlows(c.Files)
	if err != nil {
		return err
	}
	slugs := []string{}
	for _, doc := range docs {
		slugs = append(slugs, doc.Slug)
	}
	return c.print(e.stdout, map[string]any{"flows": slugs}, func(out io.Writer) error {
		for i, slug := range slugs {
			if _, err := fmt.Fprintf(out, "%s: flow %s is sound\n", c.Files[i], slug); err != nil {
				return err
			}
		}
		return nil
	})
}
