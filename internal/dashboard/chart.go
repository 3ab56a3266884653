package dashboard

import (
	"fmt"
	"time"

	"ringside/internal/ledger"
)

// chart is a drawing of bars, in the units of its SVG. What a bar says stands in the table beside it, too.
type chart struct {
	Width, Height int
	Bars          []bar
	Lines         []gridLine
}

// bar is one day: callers who were recognised at the bottom, others above them with a pattern, so
// that the two are told apart without colour.
type bar struct {
	X, Width                int
	KnownY, KnownHeight     int
	UnknownY, UnknownHeight int
	Label                   string // below, "" where labels would collide
	Title                   string
	LabelX                  int
}

// gridLine is a height with its number.
type gridLine struct {
	Y     int
	Label string
}

const (
	chartWidth, chartHeight = 720, 200
	chartLeft, chartTop     = 36, 10
	chartBottom             = 24 // for labels
)

// drawDays draws the calls of each day.
func drawDays(days []ledger.Day) chart {
	c := chart{Width: chartWidth, Height: chartHeight}
	most := 0
	for _, d := range days {
		most = max(most, d.Calls)
	}
	top := niceAbove(most)
	room := chartHeight - chartTop - chartBottom
	height := func(n int) int { return n * room / top }
	for _, part := range []int{0, 1, 2} {
		n := top * part / 2
		c.Lines = append(c.Lines, gridLine{chartHeight - chartBottom - height(n), count(n)})
	}
	step := (chartWidth - chartLeft) / max(len(days), 1)
	every := max(1, (len(days)+9)/10) // labels that have room
	for i, d := range days {
		known, unknown := height(d.Known), height(d.Calls)-height(d.Known)
		x := chartLeft + i*step + step/8
		b := bar{X: x, Width: max(2, step*3/4), KnownY: chartHeight - chartBottom - known, KnownHeight: known,
			UnknownY: chartHeight - chartBottom - known - unknown, UnknownHeight: unknown, LabelX: x + step*3/8,
			Title: fmt.Sprintf("%s: %s, %d recognised", dayText(d.Date), plural(d.Calls, "call", "calls"), d.Known)}
		if (len(days)-1-i)%every == 0 {
			b.Label = d.Date.Format("2 Jan")
		}
		c.Bars = append(c.Bars, b)
	}
	return c
}

func dayText(t time.Time) string { return t.Format("Mon, 2 Jan 2006") }

// niceAbove returns a round, even number that is at least n.
func niceAbove(n int) int {
	for size := 1; ; size *= 10 {
		for _, nice := range []int{2, 4, 6, 10} {
			if nice*size >= n {
				return nice * size
			}
		}
	}
}
