package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"
)

// voiceResult is what was found of POST /twilio/voice.
type voiceResult struct {
	goals []voiceGoal
	rows  []voiceRow
	// tiers counts, for each subject, which tier a sample of its calls was recognised by.
	tiers            []tierCount
	written, dropped int // events of the ledger
}

type voiceGoal struct {
	subject string
	goal    float64
	reached spread
}

// voiceRow is one subject at one number of connections.
type voiceRow struct {
	connections int
	subject     string
	perSecond   float64 // the median of the rounds
	ratio       spread  // to the bare handler in the same round
	p50, p99    time.Duration
	cpu         time.Duration // of the server, a request; 0 where the system does not tell
	unexpected  int           // answers without the greeting that was expected
}

// voiceBench measures POST /twilio/voice. The first subject is the bare handler.
type voiceBench struct {
	*stage
	sidecars []*process
	subjects []*subject
	tiers    []tierCount
}

// measureVoice puts each load on each subject, round after round.
func (s *stage) measureVoice(ctx context.Context) (result *voiceResult, err error) {
	b := &voiceBench{stage: s}
	defer func() { err = errors.Join(err, b.stopServers()) }()
	if err := b.startServers(); err != nil {
		return nil, err
	}
	s.say("Voice: %d callers into Redis …", s.plan.shared)
	if err := b.fillRedis(ctx); err != nil {
		return nil, err
	}
	result = &voiceResult{}
	for _, load := range s.plan.voice {
		rows, err := b.measureAt(ctx, load)
		if err != nil {
			return nil, fmt.Errorf("%d connections: %w", load.connections, err)
		}
		result.rows = append(result.rows, rows...)
	}
	for i, subject := range b.subjects {
		for _, row := range result.rows {
			if subject.goal > 0 && row.subject == subject.name && row.connections == s.plan.goalConnections {
				result.goals = append(result.goals, voiceGoal{subject.name, subject.goal, row.ratio})
			}
		}
		if i > 0 {
			result.tiers = append(result.tiers, b.tiers[i])
		}
	}
	if err := b.settle(ctx); err != nil {
		return nil, err
	}
	for _, sidecar := range b.sidecars {
		figures, err := sidecar.readMetrics(ctx)
		if err != nil {
			return nil, err
		}
		result.written += int(figures[metricWritten])
		result.dropped += int(figures[metricDropped])
	}
	return result, nil
}

// measureAt puts one number of connections on every subject in turn.
func (b *voiceBench) measureAt(ctx context.Context, load voiceLoad) ([]voiceRow, error) {
	rows := make([]voiceRow, len(b.subjects))
	rates, ratios := make([][]float64, len(rows)), make([][]float64, len(rows))
	latencies, cpu := make([][]time.Duration, len(rows)), make([][]float64, len(rows))
	for round := range load.rounds + 1 {
		b.say("Voice: %d connections, round %d of %d", load.connections, round, load.rounds)
		if err := b.settle(ctx); err != nil {
			return nil, err
		}
		var bare float64
		for i, subject := range b.subjects {
			t, err := b.turn(ctx, i, load.connections, b.plan.turn)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", subject.name, err)
			}
			if i == 0 {
				bare = t.perSecond()
			}
			if round == 0 { // everything is warm after it
				continue
			}
			if err := b.sample(ctx, i, t.requests); err != nil {
				return nil, err
			}
			rates[i] = append(rates[i], t.perSecond())
			ratios[i] = append(ratios[i], t.perSecond()/bare)
			latencies[i] = append(latencies[i], t.latencies...)
			cpu[i] = append(cpu[i], t.cpu.Seconds())
			rows[i].unexpected += t.unexpected
		}
	}
	for i, subject := range b.subjects {
		rows[i].connections, rows[i].subject = load.connections, subject.name
		rows[i].perSecond, rows[i].ratio = median(rates[i]), spreadOf(ratios[i])
		rows[i].p50, rows[i].p99 = quantile(latencies[i], .5), quantile(latencies[i], .99)
		rows[i].cpu = time.Duration(median(cpu[i]) * float64(time.Second))
	}
	if b.plan.profiles == "" || load.connections != b.plan.goalConnections {
		return rows, nil
	}
	return rows, b.profileAll(ctx, load.connections)
}

// turnOutcome is what came of a subject's turn.
type turnOutcome struct {
	*outcome
	requests *supply
	cpu      time.Duration // a request
}

// turn puts a load on a subject, with calls that nobody has made before.
func (b *voiceBench) turn(ctx context.Context, i, connections int, lasts time.Duration) (*turnOutcome, error) {
	subject := b.subjects[i]
	const guess, spare = 5000, 1.5
	rate := max(subject.rate, guess)
	n, from := subject.callers.turn(connections + int(spare*rate*(b.plan.warmUp+lasts).Seconds()))
	requests := newSupply(n, &b.sids, from)
	requests.again = i == 0
	runtime.GC() // rather now than in the turn
	before, err := subject.server.readMetrics(ctx)
	if err != nil {
		return nil, err
	}
	o, err := load{addr: subject.server.address.host(), connections: connections, warmUp: b.plan.warmUp, lasts: lasts,
		expect: []byte(subject.expect)}.run(ctx, requests)
	if err != nil {
		return nil, err
	}
	after, err := subject.server.readMetrics(ctx)
	if err != nil {
		return nil, err
	}
	subject.callers.called(requests.taken())
	subject.rate = o.perSecond()
	cpu := (after[metricCPU] - before[metricCPU]) / float64(requests.used.Load())
	return &turnOutcome{outcome: o, requests: requests, cpu: time.Duration(cpu * float64(time.Second))}, nil
}

// settle waits until the sidecars have written what was recorded of the calls so far, so that the bare
// handler does not have to share the machine with that.
func (b *voiceBench) settle(ctx context.Context) error {
	_, err := await(ctx, b.plan.settle, func() (bool, error) {
		for _, sidecar := range b.sidecars {
			figures, err := sidecar.readMetrics(ctx)
			if err != nil || figures[metricWaiting] > 0 {
				return false, err
			}
		}
		return true, nil
	})
	return err
}

// profileAll takes a profile of each subject under load.
func (b *voiceBench) profileAll(ctx context.Context, connections int) error {
	for i, subject := range b.subjects {
		b.say("Voice: a profile of %s", subject.name)
		taken := make(chan error, 1)
		go func() { taken <- b.profile(ctx, subject.server, "voice "+subject.name) }()
		for done := false; !done; {
			_, err := b.turn(ctx, i, connections, b.plan.turn)
			select {
			case failed := <-taken:
				err, done = errors.Join(err, failed), true
			default:
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
