// Command retainrabbit is the cancellation-flow server and its command line.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/retainrabbit/retainrabbit/domain"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(exitCode(err, os.Stderr))
}

// exitCode tells the error, unless it was told already, and returns 0 for none, 2
// for a command line that cannot be read, and 1 for everything else.
func exitCode(err error, stderr io.Writer) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage):
		return 2
	}
	var known *domain.Error
	if errors.As(err, &known) && known.Kind == domain.ErrUnavailable && known.Err != nil {
		err = fmt.Errorf("%w (%w)", err, known.Err) // for the operator, who can mend it
	}
	fmt.Fprintln(stderr, "retainrabbit:", err)
	return 1
}

// errUsage says that the command line could not be read; why was already told.
var errUsage = errors.New("usage")

// cli is the whole command line. Every flag has an environment variable.
type cli struct {
	DB string `help:"Database: sqlite:FILE or postgres://USER@HOST/DATABASE." placeholder:"URL" default:"sqlite:retainrabbit.db"`

	Serve     serveCmd     `cmd:"" help:"Run the server. An empty database gets a workspace, a flow and a key, shown once."`
	Workspace workspaceCmd `cmd:"" help:"Make and list workspaces."`
	Key       keyCmd       `cmd:"" help:"Make, list and revoke API keys."`
	Flow      flowCmd      `cmd:"" help:"Apply, list, export and check flows."`
	Stats     statsCmd     `cmd:"" help:"Show a workspace's save rate, with its uncertainty and every vendor's definition."`
	Evidence  evidenceCmd  `cmd:"" help:"Print all that is known of a session: what was shown, when, by which rules, and what was chosen."`
	Backup    backupCmd    `cmd:"" help:"Write a consistent copy of the database to a new file, also while a server runs."`
	Copy      copyCmd      `cmd:"" help:"Copy everything from one database to another, empty one, and compare the two. It can be continued."`
	Migrate   migrateCmd   `cmd:"" help:"Bring the database's schema up to date and stop."`
	Doctor    doctorCmd    `cmd:"" help:"Check database, clock, base URL and permissions."`
	Version   versionCmd   `cmd:"" help:"Print the version."`
}

// env is what every command runs in.
type env struct {
	ctx    context.Context
	db     string
	stdout io.Writer
	stderr io.Writer
}

// run reads the arguments and runs the command that they name.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var c cli
	exited := false
	parser, err := kong.New(&c,
		kong.Name("retainrabbit"),
		kong.Description("An open, self-hosted cancellation-flow server."),
		kong.DefaultEnvars("RETAINRABBIT"),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { exited = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: false}),
	)
	if err != nil {
		return err
	}
	parsed, err := parser.Parse(args)
	switch {
	case exited: // --help was printed
		return nil
	case err != nil:
		fmt.Fprintf(stderr, "retainrabbit: %v\nRun `retainrabbit --help` for what there is.\n", err)
		return errUsage
	}
	return parsed.Run(&env{ctx: ctx, db: c.DB, stdout: stdout, stderr: stderr})
}
