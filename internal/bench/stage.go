package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/internal/org"
	"ringside/internal/postgres"
	"ringside/internal/seal"
)

// What is set up on the stage.
const (
	publicURL    = "https://voice.example.com" // every server is asked as if it stood there
	accountSID   = "AC00000000000000000000000000000001"
	authToken    = "0123456789abcdef0123456789abcdef"
	secretKey    = "the key of all of these sidecars"
	calledNumber = "+12125550199"
	greeting     = "Hello {{NAME}}, how can I help?"

	// What tells a greeting by name from another in an answer: every contact is called Casey.
	heardByKnown   = "Hello Casey"
	heardByUnknown = "Hello, how can I help?"
)

// stage is everything that measurements stand on: a Postgres with an address book, a Redis, the
// built program, and a runtime for its calls.
type stage struct {
	plan     plan
	say      func(format string, args ...any)
	dir      string // a folder for everything, removed at the end
	program  string // ringside, built
	postgres *postgres.Server
	pool     *pgxpool.Pool
	redis    *redisServer
	runtime  *agentRuntime
	apiKey   string
	versions versions
	sids     sids
}

// setStage starts what everything needs. The stage must be closed.
func setStage(ctx context.Context, p plan, say func(string, ...any)) (s *stage, err error) {
	s = &stage{plan: p, say: say}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
			s = nil
		}
	}()
	if s.dir, err = os.MkdirTemp("", "ringside-bench-"); err != nil {
		return s, fmt.Errorf("make a folder: %w", err)
	}
	// Postgres does not run as root, and has to get into the folder where root measures.
	if err = os.Chmod(s.dir, 0o755); err != nil {
		return s, fmt.Errorf("open the folder: %w", err)
	}
	if s.program = p.program; s.program == "" {
		say("Building ringside …")
		if s.program, err = buildProgram(ctx, s.dir, p.profiles != ""); err != nil {
			return s, err
		}
	}
	say("Starting Postgres and Redis …")
	if s.redis, err = startRedis(s.dir); err != nil {
		return s, err
	}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	if s.postgres, err = postgres.StartPrivate(ctx, filepath.Join(s.dir, "data"), quiet); err != nil {
		return s, fmt.Errorf("start Postgres: %w", err)
	}
	if s.pool, err = postgres.Open(ctx, s.postgres.URL("")); err != nil {
		return s, err
	}
	if _, err = postgres.Migrate(ctx, s.pool); err != nil {
		return s, err
	}
	if s.runtime, err = startRuntime(); err != nil {
		return s, err
	}
	if s.versions, err = s.readVersions(ctx); err != nil {
		return s, err
	}
	say("Filling the address book with %d contacts …", p.contacts)
	return s, s.furnish(ctx)
}

// close undoes setStage, in reverse.
func (s *stage) close() error {
	var errs []error
	if s.runtime != nil {
		errs = append(errs, s.runtime.close())
	}
	if s.pool != nil {
		s.pool.Close()
	}
	if s.postgres != nil {
		ctx, cancel := context.WithTimeout(context.Background(), stopPatience)
		defer cancel()
		errs = append(errs, s.postgres.Stop(ctx))
	}
	if s.redis != nil {
		errs = append(errs, s.redis.stop())
	}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

// furnish makes the organisation that is called, and fills its address book. Every contact has an
// e-mail address, a tag, a note and one earlier call.
func (s *stage) furnish(ctx context.Context) error {
	store := org.NewStore(s.pool).WithKeys(seal.Plain)
	made, err := store.CreateOrg(ctx, org.Org{Name: "Bench", Country: "US"})
	if err != nil {
		return fmt.Errorf("make the organisation: %w", err)
	}
	agent, err := store.CreateAgent(ctx, org.Agent{OrgID: made.ID, Name: "Reception", Greeting: greeting, Language: "en-US",
		Transport: "conversationrelay", RuntimeURL: s.runtime.url(), KeepTranscript: true})
	if err != nil {
		return fmt.Errorf("make the voice agent: %w", err)
	}
	if _, err := store.AddNumber(ctx, org.Number{OrgID: made.ID, AgentID: agent.ID, Phone: calledNumber, AccountSID: accountSID}, authToken); err != nil {
		return fmt.Errorf("connect the number: %w", err)
	}
	if _, s.apiKey, err = store.CreateKey(ctx, made.ID, "bench"); err != nil {
		return fmt.Errorf("make the API key: %w", err)
	}
	for _, step := range []struct {
		sql  string
		args []any
	}{
		{`INSERT INTO contacts (org_id, phone, name, email, tags, notes)
			SELECT $1::text::uuid, $2::text || n, 'Casey ' || n || ' Morgan', 'casey' || n || '@example.com',
				'{vip}', 'Prefers morning calls. Asked about the pricing of the larger plan.'
			FROM generate_series($3::int, $3::int + $4::int - 1) n`, []any{made.ID, knownPrefix, firstNumber, s.plan.contacts}},
		{`INSERT INTO interactions (org_id, sid, kind, direction, from_address, to_address, party, contact_id, agent_id, status, state_rank,
				started_at, ended_at, duration_s, summary)
			SELECT c.org_id, 'CA' || md5(c.phone), 'call', 'inbound', c.phone, $2, c.phone, c.id, $3::text::uuid, 'completed', 14,
				now() - interval '3 days', now() - interval '3 days' + interval '184 s', 184, 'Asked about pricing'
			FROM contacts c WHERE c.org_id = $1::text::uuid`, []any{made.ID, calledNumber, agent.ID}},
		{`VACUUM ANALYZE contacts`, nil}, {`VACUUM ANALYZE interactions`, nil}, {`CHECKPOINT`, nil},
	} {
		if _, err := s.pool.Exec(ctx, step.sql, step.args...); err != nil {
			return fmt.Errorf("fill the address book: %w", err)
		}
	}
	return nil
}

// sidecar starts a sidecar on the stage's database, with settings that come on top.
func (s *stage) sidecar(name string, settings ...string) (*process, error) {
	return startServer(s.dir, name, environment(append([]string{
		"DATABASE_URL=" + s.postgres.URL(""),
		"RINGSIDE_LISTEN=127.0.0.1:0", "RINGSIDE_OPS_LISTEN=127.0.0.1:0",
		"RINGSIDE_PUBLIC_URL=" + publicURL, "RINGSIDE_DATA_DIR=" + filepath.Join(s.dir, "sidecars", name), "RINGSIDE_SECRET_KEY=" + secretKey,
		"RINGSIDE_API_RATE=0", "RINGSIDE_LOG_LEVEL=warn", "RINGSIDE_DRAIN_TIMEOUT=5s", socketVariable + "=" + s.profileSocket(name),
	}, settings...)...), s.program, "serve", "--json")
}

// await asks again and again until what is asked is so, or for too long.
func await(ctx context.Context, patience time.Duration, so func() (bool, error)) (bool, error) {
	deadline := time.Now().Add(patience)
	for {
		yes, err := so()
		if yes || err != nil || time.Now().After(deadline) {
			return yes, err
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
