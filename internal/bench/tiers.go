package main

import (
	"context"
	"fmt"

	"ringside/recognize"
)

// tierCount is which tiers a sample of a subject's calls was recognised by.
type tierCount struct {
	subject string
	of      int
	by      map[string]int
}

// sample asks a sidecar how some of a turn's last calls were recognised.
func (b *voiceBench) sample(ctx context.Context, subject int, requests *supply) error {
	if subject == 0 { // the bare handler recognises nobody
		return nil
	}
	count, sidecar := &b.tiers[subject], b.subjects[subject].server
	const remembered = 1000 // by the process, at the very least
	last := requests.taken() - b.connectionsAtMost()
	for i := range min(b.plan.samples, last) {
		n := last - 1 - i*min(last, remembered)/b.plan.samples
		trace, err := b.traceOf(ctx, sidecar, requests.sids[n])
		if err != nil {
			return err
		}
		count.of++
		count.by[answeredBy(trace.Steps)]++
	}
	return nil
}

// answeredBy names the tier that ended a look-up, and what kept Redis from doing so if it was asked.
func answeredBy(steps []recognize.Step) string {
	if len(steps) == 0 {
		return "nobody"
	}
	last := steps[len(steps)-1]
	for _, step := range steps[:len(steps)-1] {
		if step.Tier == recognize.TierRedis {
			return fmt.Sprintf("%s (%s: %s)", last.Tier, step.Tier, step.Outcome)
		}
	}
	return string(last.Tier)
}

// connectionsAtMost is how many of a turn's last requests may not have been answered.
func (b *voiceBench) connectionsAtMost() int {
	most := 0
	for _, load := range b.plan.voice {
		most = max(most, load.connections)
	}
	return most
}
