// Command ringside is the sidecar that tells a voice agent who is calling.
//
// main calls run, which tests call too; each command has a file of its own. There is wiring here and
// nothing else: what a command does is in the packages.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"ringside/configs"
	"ringside/internal/problem"
)

// version is set by the linker (see the Makefile).
var version = "dev"

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// Exit statuses, beside 0.
const (
	exitFailed = 1
	exitUsage  = 2
)

// commands is the command line: a field a command.
type commands struct {
	Version     kong.VersionFlag `help:"Print the version and exit."`
	Serve       serveCommand     `cmd:"" help:"Run the sidecar."`
	Demo        demoCommand      `cmd:"" help:"Show Ringside at work: a seeded organisation, a built-in agent and simulated calls."`
	Simulate    simulateCommands `cmd:"" help:"Act as Twilio against a running sidecar."`
	Explain     explainCommand   `cmd:"" help:"Say why a number is or is not recognised."`
	Migrate     migrateCommand   `cmd:"" help:"Bring the database's schema up to date."`
	Org         orgCommands      `cmd:"" help:"Organisations: the tenants."`
	Agent       agentCommands    `cmd:"" help:"Voice agents: how calls are answered, and by which program."`
	Number      numberCommands   `cmd:"" help:"Twilio phone numbers and where they lead."`
	Key         keyCommands      `cmd:"" help:"API keys."`
	Contact     contactCommands  `cmd:"" help:"The address book."`
	Campaign    campaignCommands `cmd:"" help:"People whom campaigns have called."`
	Config      configCommands   `cmd:"" help:"The settings."`
	Healthcheck healthCommand    `cmd:"" help:"Ask a running sidecar whether it is alive (for containers)."`
}

// app is what every command gets.
type app struct {
	ctx    context.Context
	config configs.Config
	log    *slog.Logger
	out    io.Writer
	err    io.Writer
}

// exited carries an exit status out of the command-line parser, which wants to end the process
// after --help and --version.
type exited int

// run is the program: it returns the exit status instead of ending the process.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) (status int) {
	defer func() {
		if code, ok := recover().(exited); ok {
			status = int(code)
		}
	}()
	var cli commands
	parser, err := kong.New(&cli,
		kong.Name("ringside"),
		kong.Description("Ringside tells your voice agent who is calling. It stands on Twilio's webhook path, recognises the caller by phone number, greets them by name, and gives the agent their details. Settings are environment variables: see `ringside config print`."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { panic(exited(code)) }),
		kong.Vars{"version": version},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Resolvers(environment(environ)),
	)
	if err != nil {
		fmt.Fprintln(stderr, "ringside:", err)
		return exitFailed
	}
	command, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(stderr, "ringside: %s\nTry `ringside --help`.\n", err)
		return exitUsage
	}
	config, err := configs.Load(environ)
	if err != nil {
		fmt.Fprintln(stderr, "ringside:", strings.ReplaceAll(err.Error(), "\n", "\nringside: "))
		return exitUsage
	}
	a := &app{ctx: ctx, config: config, log: config.NewLogger(stderr), out: stdout, err: stderr}
	if err := command.Run(a); err != nil {
		return a.failed(err)
	}
	return 0
}

// failed prints an error for a person and returns the exit status.
func (a *app) failed(err error) int {
	if p, ok := errors.AsType[*problem.Error](err); ok {
		err = p // its own sentence, without how it got here
	}
	fmt.Fprintln(a.err, "ringside:", err)
	return exitFailed
}

// environment lets flags take their value from the environment that run was given.
func environment(environ []string) kong.Resolver {
	values := map[string]string{}
	for _, line := range environ {
		if key, value, ok := strings.Cut(line, "="); ok {
			values[key] = value
		}
	}
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		if name := flag.Tag.Get("from-env"); name != "" && values[name] != "" {
			return values[name], nil
		}
		return nil, nil
	})
}
