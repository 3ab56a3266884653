// Command ringside is the sidecar that tells a voice agent who is calling.
//
// main calls run; each command has a file of its own. There is wiring here and nothing else: what a
// command does is in the packages.
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
	Doctor      doctorCommand    `cmd:"" help:"Look at the set-up, and say what is wrong and what to do."`
	Explain     explainCommand   `cmd:"" help:"Say why a number is or is not recognised."`
	Migrate     migrateCommand   `cmd:"" help:"Bring the database's schema up to date."`
	Org         orgCommands      `cmd:"" help:"Organisations: the tenants."`
	Agent       agentCommands    `cmd:"" help:"Voice agents: how calls are answered, and by which program."`
	Number      numberCommands   `cmd:"" help:"Twilio phone numbers and where they lead."`
	Key         keyCommands      `cmd:"" help:"API keys."`
	Member      memberCommands   `cmd:"" help:"People who sign in to the dashboard."`
	Contact     contactCommands  `cmd:"" help:"The address book."`
	Import      importCommand    `cmd:"" help:"Add the people of a CSV file to the address book."`
	Campaign    campaignCommands `cmd:"" help:"People whom campaigns have called."`
	Spool       spoolCommands    `cmd:"" help:"Events on this machine's disk that were set aside."`
	Secrets     secretsCommands  `cmd:"" help:"Secrets that the database holds sealed."`
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
	command, status := parse(args, stdout, stderr)
	if command == nil {
		return status
	}
	config, err := configs.Load(environ)
	if err != nil {
		fmt.Fprintln(stderr, "ringside:", strings.ReplaceAll(err.Error(), "\n", "\nringside: "))
		return exitUsage
	}
	a := &app{ctx: ctx, config: config, log: config.NewLogger(stderr), out: stdout, err: stderr}
	if err := command.Run(a); err != nil {
		fmt.Fprintln(stderr, "ringside:", oneLine(err))
		return exitFailed
	}
	return 0
}

// parse reads the command line. Without a command to run it returns nil and the exit status.
func parse(args []string, stdout, stderr io.Writer) (command *kong.Context, status int) {
	defer func() {
		switch cause := recover().(type) {
		case nil:
		case exited:
			command, status = nil, int(cause)
		default:
			panic(cause)
		}
	}()
	parser, err := kong.New(&commands{},
		kong.Name("ringside"),
		kong.Description("Ringside tells your voice agent who is calling. It stands on Twilio's webhook path, recognises the caller by phone number, greets them by name, and gives the agent their details. Settings are environment variables: see `ringside config print`."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { panic(exited(code)) }),
		kong.Vars{"version": version},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		fmt.Fprintln(stderr, "ringside:", err)
		return nil, exitFailed
	}
	if command, err = parser.Parse(args); err != nil {
		fmt.Fprintf(stderr, "ringside: %s\nTry `ringside --help`.\n", err)
		return nil, exitUsage
	}
	return command, 0
}

// oneLine puts an error into one line for a person. A problem is its own sentence, without how it
// got here; errors that came together stand side by side.
func oneLine(err error) string {
	if several, ok := err.(interface{ Unwrap() []error }); ok && strings.Contains(err.Error(), "\n") {
		var lines []string
		for _, one := range several.Unwrap() {
			lines = append(lines, oneLine(one))
		}
		return strings.Join(lines, "; ")
	}
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p.Error()
	}
	return strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")
}
