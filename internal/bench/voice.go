package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"ringside/recognize"
)

// subject is a server under one kind of calls.
type subject struct {
	name    string
	goal    float64 // of the bare handler's requests a second at goalConnections; 0 sets none
	server  *process
	callers callers
	expect  string
	rate    float64 // requests a second in the last turn
}

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

type tierCount struct {
	subject string
	of      int
	by      map[string]int
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

// startServers starts the bare handler and two sidecars, one with Redis, and names the subjects.
func (b *voiceBench) startServers() error {
	bare, err := startRole(b.dir, roleBare)
	if err != nil {
		return err
	}
	b.subjects = []*subject{{name: "bare handler", server: bare, callers: regulars{known, b.plan.familiar}}}
	alone, err := b.sidecar("ringside alone")
	if err != nil {
		return err
	}
	b.sidecars = append(b.sidecars, alone)
	beside, err := b.sidecar("ringside with Redis", "REDIS_URL="+b.redis.url())
	if err != nil {
		return err
	}
	b.sidecars = append(b.sidecars, beside)
	cold, turns := b.plan.familiar+b.plan.shared, b.plan.turns()
	b.subjects = append(b.subjects,
		&subject{name: "known caller, in process", goal: .75, server: alone, callers: regulars{known, b.plan.familiar}, expect: heardByKnown},
		&subject{name: "unknown caller, in process", server: alone, callers: regulars{unknown, b.plan.familiar}, expect: heardByUnknown},
		&subject{name: "known caller, in Redis", goal: .5, server: beside, callers: &rota{first: b.plan.familiar, count: b.plan.shared}, expect: heardByKnown},
		&subject{name: "known caller, cold", goal: .37, server: alone, callers: &strangers{cold, b.plan.contacts, turns}, expect: heardByKnown},
		&subject{name: "known caller, cold, with Redis", server: beside, callers: &strangers{cold, b.plan.contacts, turns}, expect: heardByKnown})
	for _, subject := range b.subjects {
		b.tiers = append(b.tiers, tierCount{subject: subject.name, by: map[string]int{}})
	}
	return nil
}

// turns is how many turns each subject has: a round that does not count comes first at each number of
// connections, and a profile may come last.
func (p plan) turns() int {
	n := 0
	for _, load := range p.voice {
		n += load.rounds + 1
	}
	if p.profiles != "" {
		n += int(p.profiled / p.turn)
	}
	return n
}

func (b *voiceBench) stopServers() error {
	var errs []error
	for _, sidecar := range b.sidecars {
		errs = append(errs, sidecar.stop())
	}
	if len(b.subjects) > 0 {
		errs = append(errs, b.subjects[0].server.stop())
	}
	return errors.Join(errs...)
}

// fillRedis lets everybody call once who is to be found in Redis.
func (b *voiceBench) fillRedis(ctx context.Context) error {
	for _, subject := range b.subjects {
		rota, ok := subject.callers.(*rota)
		if !ok {
			continue
		}
		if err := b.awaitRedis(ctx, subject.server, known(rota.first)); err != nil {
			return err
		}
		n, from := rota.turn(rota.count)
		if err := everybody(ctx, subject.server, newSupply(n, &b.sids, from)); err != nil {
			return fmt.Errorf("fill Redis: %w", err)
		}
	}
	return nil
}

// awaitRedis waits until a caller is found in Redis: into one that has just started, nothing is stored
// for some seconds.
func (b *voiceBench) awaitRedis(ctx context.Context, sidecar *process, from string) error {
	found, err := await(ctx, startPatience, func() (bool, error) {
		call := newSupply(1, &b.sids, func(int) string { return from })
		if err := everybody(ctx, sidecar, call); err != nil {
			return false, err
		}
		trace, err := b.traceOf(ctx, sidecar, call.sids[0])
		return err == nil && answeredBy(trace.Steps) == string(recognize.TierRedis), err
	})
	if err == nil && !found {
		err = errors.New("no caller is found in Redis")
	}
	return err
}

// everybody sends all requests once.
func everybody(ctx context.Context, server *process, requests *supply) error {
	_, err := load{addr: server.address.host(), connections: min(16, len(requests.requests)), lasts: time.Hour}.run(ctx, requests)
	return err
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
	cpu time.Duration // a request
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
	t := &turnOutcome{outcome: o, cpu: time.Duration((after[metricCPU] - before[metricCPU]) / float64(requests.used.Load()) * float64(time.Second))}
	if i == 0 {
		return t, nil
	}
	return t, b.sample(ctx, subject, &b.tiers[i], requests)
}

// sample asks how some of a turn's last calls were recognised.
func (b *voiceBench) sample(ctx context.Context, subject *subject, count *tierCount, requests *supply) error {
	const remembered = 1000 // by the process, at the very least
	last := requests.taken() - b.connectionsAtMost()
	for i := range b.plan.samples {
		n := last - 1 - i*remembered/b.plan.samples
		if n < 0 {
			return nil
		}
		trace, err := b.traceOf(ctx, subject.server, requests.sids[n])
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
