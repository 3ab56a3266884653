package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sys/unix"

	"ringside/cache/redistest"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/simulate"
	"ringside/internal/wirefault"
)

// stricken is a shop whose sidecar reaches all that it needs through proxies that can be made bad.
type stricken struct {
	*shop
	side                     *serving
	postgres, redis, runtime *wirefault.Proxy
	release                  func()
}

func openStricken(t *testing.T, settings ...string) *stricken {
	t.Helper()
	url := pgtest.URL(t)
	s := &stricken{shop: openShop(t, url)}
	host, path, _ := strings.Cut(strings.TrimPrefix(s.shop.runtime.URL(), "ws://"), "/")
	s.runtime = wirefault.New(t, "tcp", host)
	_, err := s.db.Exec(t.Context(), `UPDATE voice_agents SET runtime_url = $1`, "ws://"+s.runtime.Addr()+"/"+path)
	must(t, err)
	redisServer := redistest.Start(t)
	s.redis = wirefault.New(t, "tcp", redisServer.Addr())
	var postgresURL string
	s.postgres, postgresURL = faulty(t, url)
	settings = append(settings, "DATABASE_URL="+postgresURL, "REDIS_URL=redis://"+s.redis.Addr(), "RINGSIDE_RECOGNITION_BUDGET="+matrixBudget.String(), "RINGSIDE_SPOOL_MAX_BYTES=1048576")
	s.side = serve(t, settings...)
	s.side.awaitCurrent()
	// Alex has called, and is at hand from then on.
	outcome := s.call(s.side.Listen, alex, askAgent...)
	s.ended(outcome.CallSID)
	options, err := redis.ParseURL(redisServer.URL())
	must(t, err)
	client := redis.NewClient(options)
	defer client.Close()
	called := time.Now()
	until(t, "Alex is in the cache again", func() bool {
		if time.Since(called) > 10*time.Second { // on a busy machine Redis may have been too slow to take it
			s.rings(s.side.Listen, simulate.NewSID("CA"), alex)
			called = time.Now()
		}
		entry, err := client.Get(t.Context(), fmt.Sprintf("ringside:caller:%s:%s", s.org.ID, alex)).Result()
		return err == nil && strings.Contains(entry, "Alex Chen") && strings.Contains(entry, outcome.CallSID)
	})
	return s
}

// writes sends a message and returns its SID and the answer.
func (s *stricken) writes(from, body string) (string, *simulate.Response) {
	s.t.Helper()
	sid := simulate.NewSID("SM")
	response, err := s.twilio(s.side.Listen).Post(s.t.Context(), "/twilio/sms", simulate.MessageForm(simulate.Text{SID: sid, AccountSID: s.account, From: from, To: shopNumber, Body: body}))
	must(s.t, err)
	return sid, response
}

// breakDisk makes every write to a file fail from now on. It cannot be mended: nor can the log be trusted again before
// the program has read it anew.
func (s *stricken) breakDisk() {
	must(s.t, unix.Prlimit(s.side.cmd.Process.Pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 1, Max: 1}, nil))
}

// lockContacts keeps everybody from reading and writing the address book, until release.
func (s *stricken) lockContacts() {
	tx, err := s.db.Begin(s.t.Context())
	must(s.t, err)
	_, err = tx.Exec(s.t.Context(), `LOCK TABLE contacts IN ACCESS EXCLUSIVE MODE`)
	must(s.t, err)
	s.release = func() { must(s.t, tx.Rollback(s.t.Context())) }
}

// fillSpool writes messages until there is no room for more.
func (s *stricken) fillSpool() {
	var full atomic.Bool
	var senders sync.WaitGroup
	for range 8 {
		senders.Go(func() {
			for n := 0; n < 2000 && !full.Load(); n++ {
				_, response := s.writes(jamie, strings.Repeat("a", 1600))
				full.Store(full.Load() || response.Status == http.StatusServiceUnavailable)
			}
		})
	}
	senders.Wait()
	if !full.Load() {
		s.t.Error("the spool takes everything")
	}
	if _, report := s.side.ready(); report.Spool != "full" {
		s.t.Errorf("/readyz says of a full spool %+v", report)
	}
}

// usedUp is how long after a failure what is in the process is still believed, and more: entries beside Redis live for a
// second, and what Postgres has proven holds for 0.8 s.
const usedUp = 1500 * time.Millisecond

// matrixBudget is more than the program's own, for machines that are busy with tests.
const matrixBudget = time.Second

// told is what the agent knows of Alex when they speak.
type told int

const (
	toldAll           told = iota
	toldProvisionally      // everything, and that it may be out of date
	toldNothing            // nothing, and that it may be wrong
	noAgent                // there is no agent
)

// matrix are the failures, and what comes of each: what Alex hears, what the agent is told, how a message is answered, and
// whether what was acknowledged is in Postgres before everything is well again, or only then.
var matrix = []struct {
	fails   string
	strike  func(*stricken)
	relieve func(*stricken) // nil: nothing to relieve
	heard   string
	agent   told
	message int
	late    bool
}{
	{"Redis is refused", func(s *stricken) { s.redis.Refuse(true) }, func(s *stricken) { s.redis.Refuse(false) }, greetsAlex, toldAll, 200, false},
	{"Redis is silent", func(s *stricken) { s.redis.BlackHole(true) }, func(s *stricken) { s.redis.BlackHole(false) }, greetsAlex, toldAll, 200, false},
	{"Redis takes 5 s", func(s *stricken) { s.redis.SetDelay(5 * time.Second) }, func(s *stricken) { s.redis.SetDelay(0) }, greetsAlex, toldAll, 200, false},
	{"Redis has 1 kB a second", func(s *stricken) { s.redis.SetRate(1000) }, func(s *stricken) { s.redis.SetRate(0) }, greetsAlex, toldAll, 200, false},
	{"Redis is reset", func(s *stricken) { s.redis.Reset() }, nil, greetsAlex, toldAll, 200, false},
	{"Postgres is refused", func(s *stricken) { s.postgres.Refuse(true) }, func(s *stricken) { s.postgres.Refuse(false) }, greetsAlex, toldProvisionally, 200, true},
	{"Postgres is silent", func(s *stricken) { s.postgres.BlackHole(true) }, func(s *stricken) { s.postgres.BlackHole(false) }, greetsAlex, toldProvisionally, 200, true},
	{"Postgres takes 5 s", func(s *stricken) { s.postgres.SetDelay(5 * time.Second) }, func(s *stricken) { s.postgres.SetDelay(0) }, greetsAlex, toldProvisionally, 200, true},
	{"Postgres has 100 bytes a second", func(s *stricken) { s.postgres.SetRate(100) }, func(s *stricken) { s.postgres.SetRate(0) }, greetsAlex, toldProvisionally, 200, true},
	{"contacts are locked", (*stricken).lockContacts, func(s *stricken) { s.release() }, greetsAlex, toldAll, 200, true},
	{"Postgres is reset", func(s *stricken) { s.postgres.Reset() }, nil, greetsAlex, toldAll, 200, false},
	{"both are refused", func(s *stricken) { s.postgres.Refuse(true); s.redis.Refuse(true) }, func(s *stricken) { s.postgres.Refuse(false); s.redis.Refuse(false) }, greetsUnknown, toldNothing, 200, true},
	{"both are silent", func(s *stricken) { s.postgres.BlackHole(true); s.redis.BlackHole(true) }, func(s *stricken) { s.postgres.BlackHole(false); s.redis.BlackHole(false) }, greetsUnknown, toldNothing, 200, true},
	{"the disk is broken", (*stricken).breakDisk, nil, greetsAlex, toldAll, 200, false},
	{"Postgres is refused and the disk is broken", func(s *stricken) { s.breakDisk(); s.postgres.Refuse(true) }, func(s *stricken) { s.postgres.Refuse(false) }, greetsAlex, toldProvisionally, 503, true},
	{"Postgres is refused and the disk is full", func(s *stricken) { s.postgres.Refuse(true); s.fillSpool() }, func(s *stricken) { s.postgres.Refuse(false) }, greetsAlex, toldProvisionally, 503, true},
	{"the agent is refused", func(s *stricken) { s.runtime.Refuse(true) }, nil, greetsAlex, noAgent, 200, false},
	{"the agent is silent", func(s *stricken) { s.runtime.BlackHole(true) }, nil, greetsAlex, noAgent, 200, false},
	{"the agent has 10 kB a second", func(s *stricken) { s.runtime.SetRate(10_000) }, nil, greetsAlex, toldAll, 200, false},
	{"the agent takes 1 s", func(s *stricken) { s.runtime.SetDelay(time.Second) }, nil, greetsAlex, toldAll, 200, false},
}

// TestMatrix lets each thing fail that Ringside needs, and looks at what callers, people who write, and agents notice
// of it, and at what is kept. It is the matrix of docs/reliability.md.
func TestMatrix(t *testing.T) {
	t.Parallel()
	room := make(chan struct{}, 5)
	for _, row := range matrix {
		t.Run(row.fails, func(t *testing.T) {
			t.Parallel()
			room <- struct{}{} // a few at once, each with a Redis and a sidecar of its own
			defer func() { <-room }()
			var settings []string
			if !strings.HasPrefix(row.fails, "Redis") && !strings.HasPrefix(row.fails, "both") {
				settings = []string{redisPatience + "=500ms"}
			}
			s := openStricken(t, settings...)
			row.strike(s)
			time.Sleep(usedUp)
			if !row.late {
				s.side.awaitCurrent()
			}
			call := s.call(s.side.Listen, alex, askAgent...)
			sid, answer := s.writes(jamie, "Are you there?")

			t.Run("voice", func(t *testing.T) {
				if call.Greeting != row.heard {
					t.Errorf("Alex heard %q", call.Greeting)
				}
				promptly(t, call, matrixBudget)
			})
			t.Run("sms", func(t *testing.T) {
				if answer.Status != row.message {
					t.Errorf("a message was answered %d, not %d", answer.Status, row.message)
				}
				if most := matrixBudget + 1500*time.Millisecond; answer.Latency > most && row.message == 200 {
					t.Errorf("a message was answered after %s", answer.Latency)
				}
			})
			t.Run("agent", func(t *testing.T) { s.toldAgent(t, call, row.agent) })
			t.Run("event", func(t *testing.T) {
				if row.late && s.kept(t, sid) {
					t.Error("what fails does not fail")
				}
				if !row.late {
					s.inLedger(t, call.CallSID, "call.completed")
					s.inLedger(t, sid, "sms.received")
				}
				if row.relieve != nil {
					row.relieve(s)
				}
				if row.message == http.StatusServiceUnavailable {
					s.refusedAndCounted(t, sid)
					return
				}
				s.inLedger(t, call.CallSID, "call.completed")
				s.inLedger(t, sid, "sms.received")
			})
			s.side.stop()
			// Each fault is explained once, not each time.
			if lines := strings.Count(s.side.stderr.String(), "\n"); lines > 20 {
				t.Errorf("it logged %d lines", lines)
			}
		})
	}
}

// toldAgent checks what the agent was told of Alex.
func (s *stricken) toldAgent(t *testing.T, call *simulate.Outcome, want told) {
	if want == noAgent {
		if len(call.Spoken) != 1 || call.Status != "completed" {
			t.Errorf("without an agent Alex heard %q, and the call ended as %s", call.Heard, call.Status)
		}
		return
	}
	answered(t, call)
	_, setup := s.session(2)
	known := want != toldNothing
	if c := setup.Caller; c.Known != known || (c.Email == "alex@acme.io") != known || c.Provisional != (want != toldAll) {
		t.Errorf("the agent was told %+v", c)
	}
}

// kept reports whether the ledger has a call or message.
func (s *stricken) kept(t *testing.T, sid string) (there bool) {
	must(t, s.db.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM interactions WHERE sid = $1 AND ended_at IS NOT NULL)`, sid).Scan(&there))
	return there
}

// inLedger waits until a call or message is in the ledger, and somebody's, and checks that programs are told of it once.
func (s *stricken) inLedger(t *testing.T, sid, event string) {
	t.Helper()
	until(t, sid+" is in the ledger", func() bool { return s.kept(t, sid) })
	var told int
	until(t, "programs are told of "+sid, func() bool {
		must(t, s.db.QueryRow(t.Context(), `SELECT count(*) FROM runtime_events WHERE sid = $1 AND type = $2`, sid, event).Scan(&told))
		return told > 0
	})
	if told != 1 {
		t.Errorf("programs are told of %s %d times", sid, told)
	}
}

// refusedAndCounted checks that what was not acknowledged is counted, and taken when it is sent again.
func (s *stricken) refusedAndCounted(t *testing.T, sid string) {
	t.Helper()
	if refused := s.side.figure("ringside_events_refused_total"); refused == 0 {
		t.Error("what was refused is not counted")
	}
	until(t, "messages are taken again", func() bool {
		_, answer := s.writes(jamie, fmt.Sprintf("Are you there again, after %s?", sid))
		return answer.Status == http.StatusOK
	})
}
