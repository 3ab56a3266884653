package main

import (
	"context"
	"errors"
	"fmt"
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
