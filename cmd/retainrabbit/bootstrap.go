package main

import (
	_ "embed"
	"fmt"
	"text/template"

	"github.com/retainrabbit/retainrabbit/app"
	"github.com/retainrabbit/retainrabbit/domain"
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
func bootstrap(e *env, a *app.App, base string) error {
	doc, _, err := parseFlow(exampleFlow)
	if err != nil {
		return err
	}
	made, ok, err := a.Bootstrap(e.ctx, "My workspace", doc)
	if err != nil || !ok {
		return err
	}
	link, err := tryLink(e, a, made.Workspace, base)
	if err == nil {
		err = welcome.Execute(e.stdout, struct{ Workspace, Key, Base, Link string }{
			string(made.Workspace.ID), made.Key.Reveal(), base, link,
		})
	}
	if err != nil {
		return fmt.Errorf("a workspace was made, but its key could not be shown: make another with `retainrabbit key create --name first --scope read+write`: %w", err)
	}
	return nil
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
