package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"ringside/internal/postgres"
)

// goals are the lines of the address book in the table of goals.
func (r *bookResult) goals(b *bytes.Buffer) {
	i := r.imports
	what := fmt.Sprintf("import of %d rows", r.crowd.rows)
	row(b, what+": wall time", fmt.Sprintf("≤ %.1f times COPY's", importGoal), verdict(i.ratio.middle <= importGoal, "%.2f times", i.ratio.middle),
		fmt.Sprintf("%.2f – %.2f times; %.0f s beside %.0f s", i.ratio.least, i.ratio.most, i.took.middle, i.plain.middle))
	if i.memory > 0 {
		row(b, what+": peak memory", fmt.Sprintf("≤ %d MB", importMemoryGoal>>20), verdict(i.memory <= importMemoryGoal, "%.0f MB", i.memory/(1<<20)),
			fmt.Sprintf("the file has %.0f MB", float64(i.fileSize)/(1<<20)))
	}
	var first, later []time.Duration
	var whole []string
	for _, s := range r.searches {
		if s.kind.short {
			continue
		}
		first, later = append(first, s.first...), append(later, s.later...)
		if s.plans.page.whole || s.kind.query(0).Text != "" && s.plans.count.whole {
			whole = append(whole, s.kind.name)
		}
	}
	what = fmt.Sprintf("search of %d contacts", r.crowd.all())
	for _, pages := range []struct {
		name string
		took []time.Duration
	}{{"first page, with the total", first}, {"later page", later}} {
		p99 := quantile(pages.took, .99)
		row(b, what+", "+pages.name+": p99", fmt.Sprintf("≤ %.0f ms", milliseconds(searchGoal)), verdict(p99 <= searchGoal, "%.1f ms", milliseconds(p99)),
			fmt.Sprintf("median %.1f, longest %.1f ms of %d pages", milliseconds(quantile(pages.took, .5)), milliseconds(slices.Max(pages.took)), len(pages.took)))
	}
	row(b, what+": pages, and texts of three characters or more, that read most of the book", "none",
		verdict(len(whole) == 0, "%.0f kinds of search", float64(len(whole))), strings.Join(whole, "; "))
}

// print writes the tables of the address book.
func (r *bookResult) print(b *bytes.Buffer) {
	fmt.Fprintf(b, "Searches of %d contacts of one organisation, one at a time; what a query is found by is the names of its indexes, without `contacts_`:\n\n", r.crowd.all())
	table(b, "search", "found", "first page p50", "p99", "later page p50", "p99", "counted by", "page by")
	for _, s := range r.searches {
		row(b, s.kind.name, fmt.Sprint(s.found), duration(quantile(s.first, .5)), duration(quantile(s.first, .99)),
			duration(quantile(s.later, .5)), duration(quantile(s.later, .99)), s.plans.count.cell(), s.plans.page.cell())
	}
	fmt.Fprintf(b, "\nAdding and archiving in that book, medians of the rounds:\n\n")
	table(b, "at once", "what", "a second", "of plain inserts", "p50", "p99")
	for _, w := range r.writes {
		row(b, fmt.Sprint(w.callers), w.what, fmt.Sprintf("%.0f", w.perSecond),
			fmt.Sprintf("%.0f %% (%.0f – %.0f)", 100*w.ratio.middle, 100*w.ratio.least, 100*w.ratio.most), duration(w.p50), duration(w.p99))
	}
	b.WriteByte('\n')
	for _, w := range r.writes {
		if w.failed > 0 {
			fmt.Fprintf(b, "- %s, %d at once: %d failed, since they were not done within %s.\n", w.what, w.callers, w.failed, postgres.FencedCommit)
		}
	}
	b.WriteByte('\n')
}

// cell is a plan as it stands in a table.
func (p planned) cell() string {
	if p.whole {
		return p.String() + " (all of it)"
	}
	return p.String()
}
