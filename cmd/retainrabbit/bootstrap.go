package main

import (
	_ "embed"
	"strings"
	"text/template"

	"github.com/retainrabbit/retainrabbit/app"
	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

//go:embed win-back.yaml
var exampleFlow []byte

var welcome = template.Must(template.New("welcome").Parse(`RetainRabbit is ready. The database was empty, so it got a workspace and the flow "Win-back".

  workspace  {{.Workspace}}
  live key   {{.Key}}

The key is shown this once. Try it:

  curl -H 'Authorization: Bearer {{.Key}}' {{.Base}}/api/v1/flows

  curl -X POST -H 'Authorization: Bearer {{.Key}}' \
    -H 'Content-Type: application/json' \
    -d '{"customerId":"cus_1","subscriptionId":"sub_1","mrrCents":2500}' \
    {{.Base}}/api/v1/sessions

  curl -H 'Authorization: Bearer {{.Key}}' {{.Base}}/api/v1/stats

Walk the flow as a customer would, in a test session that is counted nowhere:

  {{.Link}}

`))

// bootstrap gives an empty database what a newcomer needs, and shows it on stdout,
// never in the log. A database that has a workspace is left alone.
func bootstrap(e *env, store ports.Store, a *app.App, base string) error {
	all, err := store.Workspaces(e.ctx)
	if err != nil || len(all) > 0 {
		return err
	}
	doc, _, err := parseFlow(exampleFlow)
	if err != nil {
		return err
	}
	ws, err := a.CreateWorkspace(e.ctx, "My workspace", "usd")
	if err != nil {
		return err
	}
	if _, err := a.ApplyFlow(e.ctx, ws.ID, doc); err != nil {
		return err
	}
	_, key, err := a.CreateKey(e.ctx, app.KeyRequest{WorkspaceID: ws.ID, Name: "first key", Mode: domain.Live, Scope: domain.ScopeReadWrite})
	if err != nil {
		return err
	}
	link, err := tryLink(e, a, ws, base)
	if err != nil {
		return err
	}
	return welcome.Execute(e.stdout, struct{ Workspace, Key, Base, Link string }{string(ws.ID), key.Reveal(), strings.TrimSuffix(base, "/"), link})
}

func tryLink(e *env, a *app.App, ws domain.Workspace, base string) (string, error) {
	mrr := int64(2500)
	s, err := a.StartSession(e.ctx, app.StartRequest{
		Workspace: ws, Mode: domain.Test, Customer: domain.Customer{ID: "cus_try", SubscriptionID: "sub_try", MRR: &mrr},
	})
	if err != nil {
		return "", err
	}
	return s.Link().URL(base, ws.LinkSecret)
}
