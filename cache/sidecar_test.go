package cache_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"ringside/cache"
	"ringside/cache/redistest"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/postgres"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/wirefault"
	"ringside/recognize"
)

// patience bounds what must happen; it never has to pass for a test to succeed.
const patience = 10 * time.Second

// await waits until what is said is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %s: not yet so: %s", patience, what)
		}
	}
}

// tenant is an organisation in a database of the test's own, and what other programs do there.
type tenant struct {
	t    *testing.T
	pool *pgxpool.Pool
	org  org.Org
}

func newTenant(t *testing.T) *tenant {
	t.Helper()
	return addTenant(t, pgtest.New(t))
}

func addTenant(t *testing.T, pool *pgxpool.Pool) *tenant {
	t.Helper()
	o, err := org.NewStore(pool).CreateOrg(t.Context(), org.Org{Name: "Acme", Country: "US"})
	if err != nil {
		t.Fatal(err)
	}
	return &tenant{t: t, pool: pool, org: o}
}

// execute runs a statement, with $1 the organisation.
func (n *tenant) execute(sql string, args ...any) {
	n.t.Helper()
	if _, err := n.pool.Exec(n.t.Context(), sql, append([]any{string(n.org.ID)}, args...)...); err != nil {
		n.t.Fatalf("%s: %v", sql, err)
	}
}

func (n *tenant) add(number phone.Number, name string) {
	n.t.Helper()
	n.execute(`INSERT INTO contacts (org_id, phone, name) VALUES ($1::text::uuid, $2, $3)`, number, name)
}

func (n *tenant) rename(number phone.Number, name string) {
	n.t.Helper()
	n.execute(`UPDATE contacts SET name = $3 WHERE org_id = $1::text::uuid AND phone = $2 AND archived_at IS NULL`, number, name)
}

// number returns the i-th of ten thousand numbers.
func number(i int) phone.Number { return phone.Number(fmt.Sprintf("+1415555%04d", i)) }

// reader is Postgres as a cache asks it: counted, held up on demand, or away.
type reader struct {
	next  recognize.Directory
	reads atomic.Int64
	away  atomic.Bool
	hold  atomic.Pointer[holdUp]
}

// holdUp is one read that has its result and does not return.
type holdUp struct {
	read    chan struct{} // closed when the result is there
	release chan struct{} // closed by the test
}

var errAway = errors.New("postgres is away")

func (r *reader) Find(ctx context.Context, id org.ID, n phone.Number) (recognize.Finding, error) {
	r.reads.Add(1)
	if r.away.Load() {
		return recognize.Finding{}, errAway
	}
	finding, err := r.next.Find(ctx, id, n)
	if h := r.hold.Swap(nil); h != nil {
		close(h.read)
		<-h.release
	}
	return finding, err
}

// holdNext holds up the next read. Its release happens at the latest when the test ends.
func (r *reader) holdNext(t *testing.T) (h *holdUp, release func()) {
	h = &holdUp{read: make(chan struct{}), release: make(chan struct{})}
	release = sync.OnceFunc(func() { close(h.release) })
	t.Cleanup(release)
	r.hold.Store(h)
	return h, release
}

// sidecar is the cache as one process of the program wires it.
type sidecar struct {
	*cache.Callers
	calls    *cache.Calls
	reader   *reader
	listener *postgres.Listener
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// openRedis opens the shared cache, or returns nil for an empty URL.
func openRedis(t *testing.T, url string) *cache.Redis {
	t.Helper()
	if url == "" {
		return nil
	}
	open := cache.OpenPatientRedis
	if strings.HasPrefix(t.Name(), "TestRule18") { // it is about the program's own patience
		open = cache.OpenRedis
	}
	memory, err := open(url, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := memory.Close(); err != nil {
			t.Errorf("close the cache: %v", err)
		}
	})
	return memory
}

// startSidecar starts one that listens to the tenant's database, and waits until it is current.
func startSidecar(t *testing.T, n *tenant, redisURL string) *sidecar {
	t.Helper()
	return startListening(t, n, openRedis(t, redisURL), n.pool)
}

// startSidecarOnLine is startSidecar with a listener whose connection goes through a proxy.
func startSidecarOnLine(t *testing.T, n *tenant, memory *cache.Redis) (*sidecar, *wirefault.Proxy) {
	t.Helper()
	pool, line := n.poolOnLine(t, func(*pgxpool.Config) {})
	return startListening(t, n, memory, pool), line
}

// poolOnLine returns a pool on the tenant's database whose connections go through a proxy.
func (n *tenant) poolOnLine(t *testing.T, change func(*pgxpool.Config)) (*pgxpool.Pool, *wirefault.Proxy) {
	t.Helper()
	config := n.pool.Config()
	c := config.ConnConfig
	line := wirefault.New(t, "unix", fmt.Sprintf("%s/.s.PGSQL.%d", c.Host, c.Port))
	host, port, err := net.SplitHostPort(line.Addr())
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	c.Host, c.Port, c.Fallbacks = host, uint16(number), nil
	change(config)
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool, line
}

func startListening(t *testing.T, n *tenant, memory *cache.Redis, line *pgxpool.Pool) *sidecar {
	t.Helper()
	s := &sidecar{
		reader:   &reader{next: recognize.NewDatabase(n.pool)},
		listener: postgres.NewListener(line, quiet(), cache.Channel),
		calls:    cache.NewCalls(memory),
	}
	s.Callers = cache.NewCallers(s.reader, memory, s.listener.Current)
	s.listener.Connected = s.Connected
	s.listener.Notified = func(ctx context.Context, _, payload string) { s.Notified(ctx, payload) }
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { s.listener.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	await(t, "the listener is current", s.listener.Current)
	return s
}

// startSidecarWithoutListener starts one that takes everything for current and hears of nothing.
func startSidecarWithoutListener(t *testing.T, n *tenant, redisURL string) *sidecar {
	t.Helper()
	memory := openRedis(t, redisURL)
	s := &sidecar{reader: &reader{next: recognize.NewDatabase(n.pool)}, calls: cache.NewCalls(memory)}
	s.Callers = cache.NewCallers(s.reader, memory, func() bool { return true })
	return s
}

// find finds somebody of the tenant, who must be found. It may be called from any goroutine.
func (s *sidecar) find(t *testing.T, n *tenant, number phone.Number) recognize.Finding {
	t.Helper()
	finding, err := s.Find(t.Context(), n.org.ID, number)
	if err != nil {
		t.Errorf("find %s: %v", string(number), err)
	}
	return finding
}

// nameOf is the contact's name, or "".
func nameOf(r *recognize.Record) string {
	if r == nil || r.Contact == nil {
		return ""
	}
	return r.Contact.Name
}

// outcomes tells how something was found: "process miss, redis hit".
func outcomes(f recognize.Finding) string {
	var told []string
	for _, step := range f.Steps {
		told = append(told, string(step.Tier)+" "+step.Outcome)
	}
	return strings.Join(told, ", ")
}

// inspector is a client of the test's own on its Redis.
type inspector struct {
	t *testing.T
	*redis.Client
}

// startRedis starts a server whose epoch has been open for long, so that tests need not wait for
// the end of the quiet time that follows a fresh start.
func startRedis(t *testing.T) (*redistest.Server, *inspector) {
	t.Helper()
	server := redistest.Start(t)
	in := inspect(t, server)
	in.openEpoch()
	return server, in
}

func inspect(t *testing.T, server *redistest.Server) *inspector {
	t.Helper()
	options, err := redis.ParseURL(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { client.Close() })
	return &inspector{t, client}
}

const epochKey = "ringside:epoch"

func (in *inspector) openEpoch() {
	in.t.Helper()
	in.must(in.Set(in.t.Context(), epochKey, in.runID()+".made by a test.1", 0).Err())
}

func (in *inspector) runID() string {
	in.t.Helper()
	info, err := in.Info(in.t.Context(), "server").Result()
	in.must(err)
	_, after, _ := strings.Cut(info, "run_id:")
	id, _, _ := strings.Cut(after, "\r\n")
	return id
}

func (in *inspector) must(err error) {
	in.t.Helper()
	if err != nil {
		in.t.Fatalf("ask Redis: %v", err)
	}
}

func callerKey(n *tenant, number phone.Number) string {
	return "ringside:caller:" + string(n.org.ID) + ":" + string(number)
}

// entry returns what is under a caller's key, or "".
func (in *inspector) entry(n *tenant, number phone.Number) string {
	in.t.Helper()
	entry, err := in.Get(in.t.Context(), callerKey(n, number)).Result()
	if !errors.Is(err, redis.Nil) {
		in.must(err)
	}
	return entry
}

// scripts returns how many scripts the server has run: fills are scripts.
func (in *inspector) scripts() int {
	in.t.Helper()
	info, err := in.Info(in.t.Context(), "commandstats").Result()
	in.must(err)
	run := 0
	for line := range strings.Lines(info) {
		for _, command := range []string{"cmdstat_eval:calls=", "cmdstat_evalsha:calls="} {
			if count, ok := strings.CutPrefix(line, command); ok {
				var n int
				if _, err := fmt.Sscanf(count, "%d", &n); err != nil {
					in.t.Fatalf("read %q: %v", line, err)
				}
				run += n
			}
		}
	}
	return run
}
