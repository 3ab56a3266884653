package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"ringside/recognize"
)

// What is wrong while faults are measured, and what may come of it.
const (
	postgresDelay = 2 * time.Second
	faultSlack    = 10 * time.Millisecond // beyond the recognition budget
)

// faultResult is how long callers waited for their answer while Redis was silent and Postgres slow.
type faultResult struct {
	budget             time.Duration
	answers            int
	p50, p99, longest  time.Duration
	greetedByTheirName int
}

// measureFaults lets contacts call whom the sidecar has never seen, while every question to Redis is
// swallowed and every answer of Postgres comes two seconds late.
func (s *stage) measureFaults(ctx context.Context) (result *faultResult, err error) {
	s.say("Faults: Redis silent, Postgres %s slower", postgresDelay)
	redis, err := openLink("tcp", s.redis.addr)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, redis.close()) }()
	slowly, address, err := s.linkToPostgres()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, slowly.close()) }()
	sidecar, err := s.sidecar("ringside in trouble", "REDIS_URL=redis://"+redis.addr(), "DATABASE_URL="+address)
	if err != nil {
		return nil, err
	}
	defer func() {
		redis.silent.Store(false)
		slowly.delay.Store(0)
		err = errors.Join(err, sidecar.stop())
	}()
	redis.silent.Store(true)
	slowly.delay.Store(int64(postgresDelay))
	requests := newSupply(s.faultCalls(), &s.sids, func(i int) string { return known(s.plan.contacts - 1 - i) })
	o, err := load{addr: sidecar.address.host(), connections: s.plan.faultConnections, warmUp: s.plan.warmUp, lasts: s.plan.faultTurn,
		expect: []byte(heardByUnknown)}.run(ctx, requests)
	if err != nil {
		return nil, err
	}
	return &faultResult{budget: recognize.DefaultBudget, answers: o.answers, greetedByTheirName: o.unexpected,
		p50: quantile(o.latencies, .5), p99: quantile(o.latencies, .99), longest: quantile(o.latencies, 1)}, nil
}

// faultCalls is how many may call at most: some more than can if each waits for the whole budget.
func (s *stage) faultCalls() int {
	each := (s.plan.warmUp + s.plan.faultTurn) / recognize.DefaultBudget
	return min(s.plan.contacts, 2*s.plan.faultConnections*int(each+1))
}

// linkToPostgres opens a link to the stage's database, and returns the URL of the database behind it.
func (s *stage) linkToPostgres() (*faultyLink, string, error) {
	config := s.pool.Config().ConnConfig
	network, socket := "unix", fmt.Sprintf("%s/.s.PGSQL.%d", config.Host, config.Port)
	link, err := openLink(network, socket)
	if err != nil {
		return nil, "", err
	}
	host, port, err := net.SplitHostPort(link.addr())
	if err != nil {
		return nil, "", errors.Join(err, link.close())
	}
	address := url.URL{Scheme: "postgres", User: url.User(config.User), Path: "/" + config.Database,
		RawQuery: url.Values{"host": {host}, "port": {port}, "sslmode": {"disable"}}.Encode()}
	return link, address.String(), nil
}
