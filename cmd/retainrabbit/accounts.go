package main

import (
	"fmt"
	"io"
	"time"

	"github.com/retainrabbit/retainrabbit/app"
	"github.com/retainrabbit/retainrabbit/domain"
	"github.com/retainrabbit/retainrabbit/ports"
)

type workspaceCmd struct {
	Create workspaceCreateCmd `cmd:"" help:"Make a workspace."`
	List   workspaceListCmd   `cmd:"" help:"List the workspaces."`
}

type workspaceOut struct {
	ID        domain.WorkspaceID `json:"id"`
	Name      string             `json:"name"`
	Currency  domain.Currency    `json:"currency"`
	CreatedAt *string            `json:"createdAt"`
}

func toWorkspaceOut(w domain.Workspace) workspaceOut {
	return workspaceOut{w.ID, w.Name, w.Currency, timeOf(w.CreatedAt)}
}

type workspaceCreateCmd struct {
	Name     string `required:"" help:"Name of the workspace."`
	Currency string `help:"ISO 4217 code that its stats are counted in." default:"usd"`
	asJSON
}

func (c workspaceCreateCmd) Run(e *env) error {
	return e.withNew(func(_ ports.Store, a *app.App) error {
		w, err := a.CreateWorkspace(e.ctx, c.Name, c.Currency)
		if err != nil {
			return err
		}
		return c.print(e.stdout, toWorkspaceOut(w), func(out io.Writer) error {
			_, err := fmt.Fprintf(out, "Made workspace %s (%s).\n", w.ID, w.Name)
			return err
		})
	})
}

type workspaceListCmd struct{ asJSON }

func (c workspaceListCmd) Run(e *env) error {
	return e.with(func(store ports.Store, _ *app.App) error {
		all, err := store.Workspaces(e.ctx)
		if err != nil {
			return err
		}
		list, rows := make([]workspaceOut, len(all)), [][]string{}
		for i, w := range all {
			list[i] = toWorkspaceOut(w)
			rows = append(rows, []string{string(w.ID), w.Name, string(w.Currency), show(w.CreatedAt)})
		}
		return c.print(e.stdout, map[string]any{"workspaces": list}, func(out io.Writer) error {
			return table(out, "ID NAME CURRENCY CREATED", rows)
		})
	})
}

type keyCmd struct {
	Create keyCreateCmd `cmd:"" help:"Make an API key and show its text, this once."`
	List   keyListCmd   `cmd:"" help:"List the API keys; their texts are stored nowhere."`
	Revoke keyRevokeCmd `cmd:"" help:"End an API key for good, within two seconds."`
}

type keyOut struct {
	ID         domain.KeyID `json:"id"`
	Key        string       `json:"key,omitempty"` // only where it was just made
	Name       string       `json:"name"`
	Mode       domain.Mode  `json:"mode"`
	Scope      domain.Scope `json:"scope"`
	CreatedAt  *string      `json:"createdAt"`
	ExpiresAt  *string      `json:"expiresAt"`
	RevokedAt  *string      `json:"revokedAt"`
	LastUsedAt *string      `json:"lastUsedAt"`
}

func toKeyOut(k domain.Key) keyOut {
	return keyOut{
		ID: k.ID, Name: k.Name, Mode: k.Mode, Scope: k.Scope,
		CreatedAt: timeOf(k.CreatedAt), ExpiresAt: timeOf(k.ExpiresAt), RevokedAt: timeOf(k.RevokedAt), LastUsedAt: timeOf(k.LastUsedAt),
	}
}

type keyCreateCmd struct {
	inWorkspace
	Name    string        `required:"" help:"What the key is for."`
	Scope   string        `enum:"read,read+write" default:"read" help:"What the key may do: ${enum}."`
	Test    bool          `help:"Make a test key: its sessions are counted nowhere."`
	Expires time.Duration `help:"After what time the key ends, such as 720h; 0: never." default:"0"`
	asJSON
}

func (c keyCreateCmd) Run(e *env) error {
	return e.withWorkspace(c.inWorkspace, func(_ ports.Store, a *app.App, ws domain.Workspace) error {
		req := app.KeyRequest{WorkspaceID: ws.ID, Name: c.Name, Mode: domain.Live, Scope: domain.Scope(c.Scope)}
		if c.Test {
			req.Mode = domain.Test
		}
		if c.Expires != 0 {
			req.ExpiresAt = time.Now().UTC().Add(c.Expires).Truncate(time.Millisecond)
		}
		k, text, err := a.CreateKey(e.ctx, req)
		if err != nil {
			return err
		}
		shown := toKeyOut(k)
		shown.Key = text.Reveal()
		return c.print(e.stdout, shown, func(out io.Writer) error {
			_, err := fmt.Fprintf(out, "%s\n\nThis is the only time that the key is shown. Its id is %s.\n", shown.Key, k.ID)
			return err
		})
	})
}

type keyListCmd struct {
	inWorkspace
	asJSON
}

func (c keyListCmd) Run(e *env) error {
	return e.withWorkspace(c.inWorkspace, func(store ports.Store, _ *app.App, ws domain.Workspace) error {
		keys, err := store.Keys(e.ctx, ws.ID)
		if err != nil {
			return err
		}
		list, rows := make([]keyOut, len(keys)), [][]string{}
		for i, k := range keys {
			list[i] = toKeyOut(k)
			rows = append(rows, []string{string(k.ID), k.Name, string(k.Mode), string(k.Scope), show(k.CreatedAt), show(k.ExpiresAt), show(k.RevokedAt), show(k.LastUsedAt)})
		}
		return c.print(e.stdout, map[string]any{"keys": list}, func(out io.Writer) error {
			return table(out, "ID NAME MODE SCOPE CREATED EXPIRES REVOKED LAST-USED", rows)
		})
	})
}

type keyRevokeCmd struct {
	inWorkspace
	KeyID string `arg:"" help:"Id of the key, from key list."`
	asJSON
}

func (c keyRevokeCmd) Run(e *env) error {
	return e.withWorkspace(c.inWorkspace, func(_ ports.Store, a *app.App, ws domain.Workspace) error {
		if err := a.RevokeKey(e.ctx, ws.ID, domain.KeyID(c.KeyID)); err != nil {
			return err
		}
		return c.print(e.stdout, map[string]any{"id": c.KeyID, "revoked": true}, func(out io.Writer) error {
			_, err := fmt.Fprintf(out, "Revoked key %s.\n", c.KeyID)
			return err
		})
	})
}
