package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// report is what a run has found; a part that was not measured is nil.
type report struct {
	plan     plan
	versions versions
	voice    *voiceResult
	faults   *faultResult
	relay    []relayRow
	book     *bookResult
}

// print writes the report as Markdown.
func (r *report) print(w io.Writer) error {
	var b bytes.Buffer
	v := r.versions
	fmt.Fprintf(&b, "Measured on %s with %d processors, %s, PostgreSQL %s (fsync on), Redis %s.\n\n", v.system, v.processors, v.golang, v.postgres, v.redis)
	r.goals(&b)
	if r.voice != nil {
		r.voice.print(&b)
	}
	if r.relay != nil {
		printRelay(&b, r.relay)
	}
	if r.book != nil {
		r.book.print(&b)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// goals is the design's table.
func (r *report) goals(b *bytes.Buffer) {
	table(b, "figure", "goal", "reached", "least and most of a round")
	if r.voice != nil {
		for _, g := range r.voice.goals {
			row(b, fmt.Sprintf("`/twilio/voice`, %s: requests a second at %d connections", g.subject, r.plan.goalConnections),
				fmt.Sprintf("≥ %.0f %% of the bare handler's", 100*g.goal), verdict(g.reached.middle >= g.goal, "%.0f %%", 100*g.reached.middle),
				fmt.Sprintf("%.0f – %.0f %%", 100*g.reached.least, 100*g.reached.most))
		}
	}
	if f := r.faults; f != nil {
		goal := f.budget + faultSlack
		row(b, fmt.Sprintf("TwiML with Redis silent and Postgres %s slower: p99", postgresDelay), fmt.Sprintf("≤ %.0f ms (budget + %.0f ms)", milliseconds(goal), milliseconds(faultSlack)),
			verdict(f.p99 <= goal, "%.1f ms", milliseconds(f.p99)), fmt.Sprintf("median %.1f, longest %.1f ms of %d answers", milliseconds(f.p50), milliseconds(f.longest), f.answers))
	}
	for _, relay := range r.relay {
		if relay.way != wayRelay {
			continue
		}
		proxy := r.relay[slices.IndexFunc(r.relay, func(o relayRow) bool { return o.calls == relay.calls && o.way == wayProxy })]
		what := fmt.Sprintf("relay, %d calls at %d frames a second each way", relay.calls, framesPerSecond)
		times := relay.added.middle / proxy.added.middle
		row(b, what+": added p99", fmt.Sprintf("≤ %.1f times the byte proxy's", relayGoal), verdict(times <= relayGoal, "%.2f times", times),
			fmt.Sprintf("%.2f – %.2f ms beside %.2f – %.2f ms", relay.added.least, relay.added.most, proxy.added.least, proxy.added.most))
		if relay.memory > 0 {
			row(b, what+": memory", fmt.Sprintf("≤ %d KB a call", memoryGoal>>10), verdict(relay.memory <= memoryGoal, "%.0f KB", relay.memory/1024),
				fmt.Sprintf("the byte proxy: %.0f KB", proxy.memory/1024))
		}
	}
	if r.book != nil {
		r.book.goals(b)
	}
	b.WriteByte('\n')
}

// verdict is a figure in bold where the goal was reached, and with a mark where it was not.
func verdict(reached bool, format string, value float64) string {
	if reached {
		return fmt.Sprintf("**"+format+"**", value)
	}
	return fmt.Sprintf(format+" (missed)", value)
}

func (v *voiceResult) print(b *bytes.Buffer) {
	b.WriteString("`POST /twilio/voice`, medians of the rounds; the processor time is the server's alone:\n\n")
	table(b, "connections", "server and callers", "requests/s", "of the bare handler's", "p50", "p99", "processor, a request")
	for _, r := range v.rows {
		row(b, fmt.Sprint(r.connections), r.subject, fmt.Sprintf("%.0f", r.perSecond), fmt.Sprintf("%.0f %% (%.0f – %.0f)", 100*r.ratio.middle, 100*r.ratio.least, 100*r.ratio.most),
			duration(r.p50), duration(r.p99), duration(r.cpu))
	}
	b.WriteByte('\n')
	for _, t := range v.tiers {
		var by []string
		for _, tier := range slices.Sorted(maps.Keys(t.by)) {
			by = append(by, fmt.Sprintf("%d by %s", t.by[tier], tier))
		}
		fmt.Fprintf(b, "- %s: of %d calls asked about, %s.\n", t.subject, t.of, strings.Join(by, ", "))
	}
	for _, r := range v.rows {
		if r.unexpected > 0 {
			fmt.Fprintf(b, "- %s at %d connections: %d answers had another greeting than expected.\n", r.subject, r.connections, r.unexpected)
		}
	}
	fmt.Fprintf(b, "- The sidecars wrote %d events to the ledger and dropped %d (`ringside_events_dropped_total`).\n\n", v.written, v.dropped)
}

func printRelay(b *bytes.Buffer, rows []relayRow) {
	fmt.Fprintf(b, "Relay, %d frames a second each way, one way through, medians of the rounds:\n\n", framesPerSecond)
	table(b, "calls", "between the ends", "p50", "p99", "p99 added", "p99 beside the byte proxy's", "processor, a frame", "memory a call")
	for _, r := range rows {
		memory, added, ratio := "", "", ""
		if r.way != wayDirect {
			added, ratio = fmt.Sprintf("%.2f ms", r.added.middle), fmt.Sprintf("%.2f times (%.2f – %.2f)", r.ratio.middle, r.ratio.least, r.ratio.most)
			memory = fmt.Sprintf("%.0f KB", r.memory/1024)
		}
		row(b, fmt.Sprint(r.calls), r.way, duration(r.p50), duration(r.p99), added, ratio, duration(r.cpu), memory)
	}
	b.WriteByte('\n')
	for _, r := range rows {
		const kept = .98
		if r.pace < kept {
			fmt.Fprintf(b, "- %d calls, %s: only %.0f %% of the frames could be sent in time; its latencies are those of an overloaded machine.\n", r.calls, r.way, 100*r.pace)
		}
	}
}

func table(b *bytes.Buffer, columns ...string) {
	row(b, columns...)
	row(b, slices.Repeat([]string{"---"}, len(columns))...)
}

func row(b *bytes.Buffer, cells ...string) { fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | ")) }

// duration writes a duration with a precision that it can have; "" for none.
func duration(d time.Duration) string {
	switch {
	case d == 0:
		return ""
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	}
	return fmt.Sprintf("%.2f ms", milliseconds(d))
}
