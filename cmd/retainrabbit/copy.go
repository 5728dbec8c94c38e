package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/retainrabbit/retainrabbit/app"
)

type copyCmd struct {
	From string `help:"Database to copy from, as for --db. Stop its servers first." required:"" placeholder:"URL"`
	To   string `help:"Database to copy to: empty, or with an earlier copy of the same that was cut off." required:"" placeholder:"URL"`
	asJSON
}

func (c copyCmd) Run(e *env) error {
	source, err := parseDB(c.From)
	if err != nil {
		return err
	}
	target, err := parseDB(c.To)
	if err != nil {
		return err
	}
	from, err := source.openExisting(e.ctx)
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	defer from.Close()
	if err := target.migrate(e.ctx); err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	to, err := target.openExisting(e.ctx)
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	defer to.Close()
	bar := newBar(e.stderr)
	copied, err := app.Copy(e.ctx, from, to, bar.update)
	bar.end()
	if errors.Is(err, context.Canceled) {
		return errors.New("stopped before the end: run the same command again to continue")
	}
	if err != nil {
		return err
	}
	return c.print(e.stdout, map[string]any{
		"workspaces": copied.Workspaces, "keys": copied.Keys, "flowVersions": copied.FlowVersions, "sessions": copied.Sessions,
		"events": copied.Events, "idempotency": copied.Idempotency, "checksum": copied.Checksum,
	}, func(out io.Writer) error {
		_, err := fmt.Fprintf(out, "Copied, read back and compared: %d workspaces, %d keys, %d flow versions, %d sessions, %d events, %d idempotency records.\nChecksum %s on both sides.\n",
			copied.Workspaces, copied.Keys, copied.FlowVersions, copied.Sessions, copied.Events, copied.Idempotency, copied.Checksum)
		return err
	})
}

// bar shows progress on a terminal, and nothing elsewhere.
type bar struct {
	out   io.Writer
	shown *progressbar.ProgressBar
}

func newBar(stderr io.Writer) bar {
	f, ok := stderr.(*os.File)
	if !ok {
		return bar{}
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return bar{}
	}
	return bar{f, progressbar.NewOptions64(1, progressbar.OptionSetWriter(f), progressbar.OptionShowCount(), progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("rows"), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetDescription("copying"))}
}

func (b bar) update(done, total int64) {
	if b.shown != nil {
		b.shown.ChangeMax64(total)
		_ = b.shown.Set64(done)
	}
}

func (b bar) end() {
	if b.shown != nil {
		_ = b.shown.Exit()
		fmt.Fprintln(b.out)
	}
}
