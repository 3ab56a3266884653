package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ringside/configs"
	"ringside/contacts"
	"ringside/contacts/sheet"
	"ringside/internal/org"
	"ringside/internal/problem"
)

type importCommand struct {
	File     string `arg:"" help:"A CSV file with the columns name and phone, and email, tags and notes where there are any; - reads standard input."`
	DryRun   bool   `help:"Say what would become of each row, and change nothing."`
	Rejected string `help:"Write the rows that cannot be read into this file, each with what is wrong with it." placeholder:"FILE"`
	LeftOut  string `help:"Write the rows past the plan's limit into this file." placeholder:"FILE"`
	// sep:"none": a column's name may have a comma in it.
	Column   []string `help:"What a column of the file is, where its name says too little: one of name, first_name, last_name, phone, email, tags, notes, or - to leave it out. May be repeated." placeholder:"COLUMN=FIELD" sep:"none"`
	Campaign string   `help:"The name of the campaign whose people they are; it is made if there is none of this name. Left out: they become contacts." placeholder:"NAME"`
	orgFlag
	jsonFlag
}

// Help explains the command beyond its first line.
func (c *importCommand) Help() string {
	return "People who are in the address book already are left as they are, so that a file can be imported again. An interrupt stops between two steps; run it again to go on. See docs/import.md."
}

func (c *importCommand) Run(a *app) error {
	columns, err := c.columns()
	if err != nil {
		return err
	}
	file, err := c.open()
	if err != nil {
		return err
	}
	defer file.Close()
	return a.withDatabase(func(ctx context.Context, db *database) error {
		o, err := c.find(ctx, org.NewStore(db.Pool))
		if err != nil {
			return err
		}
		book, bar := contacts.NewBook(db.Pool, contacts.NoFence{}), newBar(a.err)
		in := contacts.ImportFile{Name: filepath.Base(c.File), Content: file, Progress: bar.show,
			Options: sheet.Options{Limits: importLimits(a.config), Columns: columns}}
		if in.Campaign, err = c.campaign(ctx, book, o.ID); err != nil {
			return err
		}
		carryOut := book.Import
		if c.DryRun {
			carryOut = book.PlanImport
		}
		report, err := carryOut(ctx, o, in)
		bar.clear()
		if err != nil {
			return err
		}
		if err := c.writeRows(context.WithoutCancel(ctx), book, o.ID, report.ID); err != nil {
			return err
		}
		if err := c.print(a, report, "%s", importSummary(report)); err != nil {
			return err
		}
		return ctx.Err() // of an import that was stopped
	})
}

// columns reads what is said of the file's columns. The name of a column may have an equals sign in it,
// that of a field has none.
func (c *importCommand) columns() (map[string]sheet.Field, error) {
	given := map[string]string{}
	for _, text := range c.Column {
		i := strings.LastIndexByte(text, '=')
		if i < 0 {
			return nil, problem.Invalid("--column", "%q says nothing of a column: write it like --column 'Handy=phone'.", text)
		}
		name := text[:i]
		if _, twice := given[name]; twice {
			return nil, problem.Invalid("--column", "The column %q is given more than once.", name)
		}
		given[name] = text[i+1:]
	}
	return sheet.ChooseColumns(given)
}

// campaign returns the id of the campaign that is named, or "".
func (c *importCommand) campaign(ctx context.Context, book *contacts.Book, id org.ID) (string, error) {
	if c.Campaign == "" {
		return "", nil
	}
	campaigns, err := book.Campaigns(ctx, id)
	if err != nil {
		return "", err
	}
	named := func(known contacts.Campaign) bool { return known.Name == c.Campaign }
	if i := slices.IndexFunc(campaigns, named); i >= 0 {
		return campaigns[i].ID, nil
	}
	if c.DryRun {
		return "", problem.NotFound("There is no campaign %q yet, and a dry run makes none.", c.Campaign)
	}
	campaign, err := book.CreateCampaign(ctx, id, c.Campaign)
	return campaign.ID, err
}

// importLimits are the settings' bounds of a file, for the command and for the API.
func importLimits(c configs.Config) sheet.Limits {
	return sheet.Limits{Bytes: c.ImportBytes, Rows: c.ImportRows, Field: c.ImportField}
}

func (c *importCommand) open() (io.ReadCloser, error) {
	if c.File == "-" {
		return io.NopCloser(os.Stdin), nil
	}
	file, err := os.Open(c.File)
	if err != nil {
		return nil, fmt.Errorf("open the file to import: %w", err)
	}
	return file, nil
}

// writeRows writes the files of rows that were asked for.
func (c *importCommand) writeRows(ctx context.Context, book *contacts.Book, id org.ID, importID string) error {
	for _, f := range []struct {
		path  string
		write func(context.Context, org.ID, string, io.Writer) error
	}{{c.Rejected, book.WriteRejected}, {c.LeftOut, book.WriteLeftOut}} {
		if f.path == "" {
			continue
		}
		file, err := os.Create(f.path)
		if err != nil {
			return fmt.Errorf("write rows: %w", err)
		}
		if err := f.write(ctx, id, importID, file); err != nil {
			_ = file.Close() // the first error says more
			return err
		}
		if err := file.Close(); err != nil {
			return fmt.Errorf("write rows: %w", err)
		}
	}
	return nil
}

// importSummary says what became of a file, for people.
func importSummary(r contacts.ImportReport) string {
	var s strings.Builder
	verb := "created"
	if r.State == contacts.ImportPlanned {
		verb = "would be created (dry run: nothing was changed)"
	}
	fmt.Fprintf(&s, "%d rows: %d %s", r.Rows, r.Created, verb)
	for _, part := range []struct {
		n    int
		text string
	}{{r.Known, "known already"}, {r.Repeated, "repeated in the file"}, {r.Invalid, "invalid"}, {r.LeftOut, "left out: the plan's limit is reached"}} {
		if part.n > 0 {
			fmt.Fprintf(&s, ", %d %s", part.n, part.text)
		}
	}
	if r.State == contacts.ImportStopped {
		fmt.Fprintf(&s, "\nStopped after line %d. What is written stays; run the import again for the rest.", r.StoppedAt)
	}
	if r.Archived > 0 {
		fmt.Fprintf(&s, "\n%d of the known are archived, and stay so.", r.Archived)
	}
	if len(r.UnknownColumns) > 0 {
		fmt.Fprintf(&s, "\nColumns not imported: %s.", strings.Join(r.UnknownColumns, ", "))
	}
	for _, kind := range slices.Sorted(maps.Keys(r.Repairs)) {
		fmt.Fprintf(&s, "\nRepaired: %s (%d).", kind, r.Repairs[kind])
	}
	const most = 10
	for i, p := range r.Problems {
		if i == most {
			fmt.Fprintf(&s, "\n… and %d more; --rejected FILE writes them all.", r.Invalid-most)
			break
		}
		fmt.Fprintf(&s, "\nline %d, %s %q: %s", p.Line, p.Column, p.Value, p.Reason)
	}
	return s.String()
}

// bar shows how far an import is, on a terminal only.
type bar struct{ out io.Writer }

func newBar(out io.Writer) *bar {
	if file, ok := out.(*os.File); ok {
		if info, err := file.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return &bar{out: out}
		}
	}
	return &bar{out: io.Discard}
}

func (b *bar) show(p contacts.ImportProgress) {
	if p.Reading {
		fmt.Fprintf(b.out, "\r\x1b[KReading: %d rows, %.0f a second", p.Rows, p.PerSecond)
		return
	}
	const width = 30
	full := 0
	if p.Of > 0 {
		full = min(width, width*p.Rows/p.Of)
	}
	fmt.Fprintf(b.out, "\r\x1b[K[%s%s] %d of %d rows, %d created, %d skipped, %.0f a second, %s left",
		strings.Repeat("#", full), strings.Repeat(".", width-full), p.Rows, p.Of, p.Created, p.Skipped, p.PerSecond, p.Remaining.Round(time.Second))
}

// clear takes the bar away, for the summary.
func (b *bar) clear() { fmt.Fprint(b.out, "\r\x1b[K") }
