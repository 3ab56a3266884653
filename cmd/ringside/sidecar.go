package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/cache"
	"ringside/configs"
	"ringside/contacts"
	"ringside/internal/agent"
	"ringside/internal/agent/events"
	"ringside/internal/api"
	"ringside/internal/audit"
	"ringside/internal/campaign"
	"ringside/internal/dashboard"
	"ringside/internal/ledger"
	"ringside/internal/member"
	"ringside/internal/metrics"
	"ringside/internal/numbers"
	"ringside/internal/org"
	"ringside/internal/outbox"
	"ringside/internal/outgoing"
	"ringside/internal/postgres"
	"ringside/internal/seal"
	"ringside/internal/twilio"
	"ringside/internal/webhook"
	"ringside/recognize"
	"ringside/sms"
	"ringside/voice"
)

// doorConnections is how many look-ups of sessions and keys there are at once.
const doorConnections = 4

// channelRoutes is announced when organisations, agents, accounts or numbers change.
const channelRoutes = "ringside_routes"

// sidecar is the running program: everything wired together.
type sidecar struct {
	config configs.Config
	log    *slog.Logger

	public, ops       net.Listener
	publicSrv, opsSrv *http.Server

	db       *database
	keys     *seal.Ring
	redis    *cache.Redis // nil without REDIS_URL
	lines    *org.Switchboard
	book     *contacts.Book
	recorder *ledger.Recorder
	voice    *voice.Service
	sms      *sms.Service
	events   *events.Service
	outbox   *outbox.Outbox
	listener *postgres.Listener
	metrics  *metrics.Metrics
	members  *member.Store
	audit    *audit.Log
	pages    *dashboard.Dashboard
	numbers  *numbers.Checker
	// closeSpool closes the spool, after the recorder; nil without one.
	closeSpool func() error
	calling    *campaign.Caller
	demo       *demoPage // nil anywhere but in the demo

	// door is for finding out who people and API keys are, which anybody may have looked up: not on callers' connections.
	door *pgxpool.Pool
	// tenantPool is for what people and API keys ask for; nil where the database cannot keep organisations apart.
	tenantPool *pgxpool.Pool

	// stopSending ends the sending of calls and messages, before what tells of it cannot be written any more.
	stopSending func(patience context.Context)

	draining   atomic.Bool
	background sync.WaitGroup
	running    context.Context    // ends with the background
	stop       context.CancelFunc // of the background
	quiesced   sync.Once
	quiesceErr error
}

// openRedis opens the shared cache. Tests on a busy machine have more patience with a healthy one.
var openRedis = cache.OpenRedis

// bind takes the sockets. It comes before all other work, so that a port that is taken is known at
// once and nothing has to be undone.
func bind(config configs.Config, log *slog.Logger, listen func(address string) (net.Listener, error)) (*sidecar, error) {
	s := &sidecar{config: config, log: log, metrics: metrics.New()}
	var err error
	if s.public, err = listen(config.Listen); err != nil {
		return nil, fmt.Errorf("RINGSIDE_LISTEN: %w", err)
	}
	if s.ops, err = listen(config.OpsListen); err != nil {
		return nil, errors.Join(fmt.Errorf("RINGSIDE_OPS_LISTEN: %w", err), s.public.Close())
	}
	return s, nil
}

// listen takes exactly this address.
func listen(address string) (net.Listener, error) { return net.Listen("tcp", address) }

// localURL is where a listener is reached from this machine.
func localURL(l net.Listener) string {
	host, port, _ := net.SplitHostPort(l.Addr().String()) // a listener's address always splits
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// publicURL is the address that Twilio signs for.
func (s *sidecar) publicURL() (twilio.PublicURL, error) {
	if s.config.PublicURL != "" {
		return twilio.ParsePublicURL(s.config.PublicURL)
	}
	return twilio.ParsePublicURL(localURL(s.public))
}

// start opens database and cache, wires everything and serves. After an error the caller closes
// what was started.
func (s *sidecar) start(ctx context.Context) error {
	publicURL, err := s.publicURL()
	if err != nil {
		return err
	}
	if s.db, err = openDatabase(ctx, s.config, s.log); err != nil {
		return err
	}
	key, err := s.db.unlock(ctx, s.config)
	if err != nil {
		return err
	}
	s.keys = key.keys
	if s.config.RedisURL != "" {
		if s.redis, err = openRedis(string(s.config.RedisURL), s.log); err != nil {
			return err
		}
	}
	s.running, s.stop = context.WithCancel(context.Background())
	s.lines = org.NewSwitchboard(s.db.Pool).WithKeys(key.keys)
	if err := s.lines.Load(ctx); err != nil {
		return err
	}
	s.advise(ctx)
	s.listener = postgres.NewListener(s.db.Pool, s.log, cache.Channel, channelRoutes, ledger.ChannelErased, outbox.Channel)
	callers := cache.NewCallers(recognize.NewDatabase(s.db.Pool), s.redis, s.listener.Current)
	callers.Timed = func(step recognize.Step) { s.metrics.Looked(string(step.Tier), step.Micros) }
	calls := cache.NewCalls(s.redis)
	s.book = contacts.NewBook(s.db.Pool, callers)
	keeping := []ledger.RecorderOption{ledger.WithRefresher(callers)}
	if s.demo == nil { // two demos may share a data folder, and what they have is removed in the end
		log, err := s.openSpool()
		if err != nil {
			return err
		}
		keeping = append(keeping, ledger.WithSpool(log, s.config.WriteBudget))
	}
	s.recorder = ledger.NewRecorder(s.db.Pool, callers, key.erasureKey, s.log, keeping...)
	tools := &agent.Tools{Book: s.book, Recorder: s.recorder, Marks: calls, Log: s.log}
	placed, reader, store := outgoing.NewStore(s.db.Pool), ledger.NewReader(s.db.Pool), org.NewStore(s.db.Pool).WithKeys(key.keys)
	gate := webhook.NewGate(webhook.Config{PublicURL: publicURL, Lines: s.lines, Metrics: s.metrics, Log: s.log})
	recognizer := recognize.NewRecognizer(callers, s.config.RecognitionBudget)
	s.voice = voice.New(voice.Config{
		Gate: gate, Secret: key.secret, Calls: calls, Recorder: s.recorder,
		Recognizer:  recognizer,
		Outgoing:    placedCalls{placed, s},
		Ledger:      reader,
		Runtimes:    s.config.Runtimes(),
		Tools:       tools,
		WriteBudget: s.config.WriteBudget + spoolPatience,
	})
	s.outbox = outbox.New(s.db.Pool)
	own, err := s.openTenants(ctx, callers, tools)
	if err != nil {
		return err
	}
	if s.door, err = postgres.Beside(ctx, s.db.Pool, doorConnections); err != nil {
		return err
	}
	keys := org.NewStore(s.door).WithKeys(key.keys)
	s.events = events.New(events.Config{Keys: keys, Orgs: own.orgs, Outbox: outbox.New(own.pool), Ledger: own.ledger, Tools: own.tools, Metrics: s.metrics, Log: s.log})
	s.sms = sms.New(sms.Config{Gate: gate, Recognizer: recognizer, Memory: calls, Recorder: s.recorder, Ledger: reader, Runtimes: s.events, Outgoing: placed,
		WriteBudget: s.config.WriteBudget + spoolPatience, ReplyBudget: s.config.ReplyBudget})
	desk, err := s.dispatch(placed, store, reader, publicURL)
	if err != nil {
		return err
	}
	tools.Messages = replies{s.sms, desk, store, calls}
	own.send(desk, tools.Messages)
	s.members, s.audit = member.NewStore(s.door), audit.NewLog(s.db.Pool)
	s.listen(callers, calls)
	s.pages = &dashboard.Dashboard{PublicURL: publicURL, Orgs: own.orgs, Members: s.members, Team: own.team, Audit: own.audit,
		Book: own.book, Campaigns: own.campaigns, Numbers: s.numbers, Ledger: own.ledger, Log: s.log, ErasureKey: key.erasureKey, ImportLimits: importLimits(s.config), Proxies: s.config.Proxies(), Health: s.health, Probe: s.probe}
	if s.config.OIDCIssuer != "" {
		s.pages.OIDC = &dashboard.OIDC{Issuer: s.config.OIDCIssuer, ClientID: s.config.OIDCClientID, ClientSecret: string(s.config.OIDCClientSecret)}
	}
	s.pages.Desk = own.desk
	if s.demo != nil {
		s.pages.Demo, s.demo.pages = s.demo, s.pages
	}
	s.serve(&api.API{Simulated: s.config.TwilioAPIURL != "", Keys: keys, Audit: own.audit, Decisions: calls, Orgs: own.orgs, Book: own.book, Ledger: own.ledger, Tools: own.tools, Desk: own.desk, Campaigns: own.campaigns,
		Answers: own.answers, ErasureKey: key.erasureKey, ImportLimits: importLimits(s.config), Log: s.log,
		Rate: api.Rate{PerSecond: s.config.APIRate, Burst: s.config.APIBurst}})
	return nil
}

// listen follows what other programs change in Postgres.
func (s *sidecar) listen(callers *cache.Callers, calls *cache.Calls) {
	ctx := s.running
	reload := func(running context.Context) {
		ctx, cancel := context.WithTimeout(running, 5*time.Second)
		defer cancel()
		if err := s.lines.Load(ctx); err != nil && running.Err() == nil {
			s.log.Warn("phone numbers and accounts could not be read again; the last state stays", "error", err)
		}
	}
	s.listener.Connected = func(ctx context.Context) {
		callers.Connected(ctx)
		reload(ctx)
		s.forgetErased(ctx, calls)
	}
	s.listener.Notified = func(ctx context.Context, channel, payload string) {
		switch channel {
		case channelRoutes:
			reload(ctx)
		case outbox.Channel:
			s.events.Notified(payload)
		case ledger.ChannelErased:
			if id, sids, found := strings.Cut(payload, " "); found {
				calls.Forget(ctx, org.ID(id), strings.Fields(sids)...)
			}
		default:
			callers.Notified(ctx, payload)
		}
	}
	s.background.Go(func() { s.listener.Run(ctx) })
	s.background.Go(func() { callers.KeepFresh(ctx) })
	s.background.Go(func() { s.upkeep(ctx) })
	s.background.Go(func() { s.carryOn(ctx) })
}

// serve starts both HTTP servers.
func (s *sidecar) serve(v1 *api.API) {
	mux := http.NewServeMux()
	s.voice.Register(mux)
	s.sms.Register(mux)
	v1.Register(mux)
	s.events.Register(mux)
	s.pages.Register(mux)
	s.gauges()
	opsMux := http.NewServeMux()
	opsMux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	opsMux.HandleFunc("GET /readyz", s.ready)
	opsMux.Handle("GET /metrics", s.metrics.Handler())
	errorLog := slog.NewLogLogger(s.log.Handler(), slog.LevelDebug) // broken handshakes and the like
	s.publicSrv = &http.Server{Handler: s.pages.OrMissing(mux), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10, ErrorLog: errorLog}
	s.opsSrv = &http.Server{Handler: opsMux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, ErrorLog: errorLog}
	for server, listener := range map[*http.Server]net.Listener{s.publicSrv: s.public, s.opsSrv: s.ops} {
		s.background.Go(func() {
			if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				s.log.Error("a server ended", "address", listener.Addr(), "error", err)
			}
		})
	}
}

// gauges registers the figures that are kept elsewhere.
func (s *sidecar) gauges() {
	stat := func(read func(ledger.Stats) int64) func() float64 {
		return func() float64 { return float64(read(s.recorder.Stats())) }
	}
	s.metrics.Gauge("ringside_events_waiting", "Events that wait for Postgres.", stat(func(st ledger.Stats) int64 { return st.Waiting }))
	s.metrics.Counter("ringside_events_written_total", "Events written to the ledger.", stat(func(st ledger.Stats) int64 { return st.Written }))
	s.metrics.Counter("ringside_events_dropped_total", "Events that nobody waited for and that found no room, or that Postgres refused.", stat(func(st ledger.Stats) int64 { return st.Dropped }))
	s.metrics.Counter("ringside_events_refused_total", "Events that were not acknowledged for want of room.", stat(func(st ledger.Stats) int64 { return st.Refused }))
	s.spoolGauges()
	s.metrics.Gauge("ringside_cache_current", "1 while every recent change in Postgres is known to have been heard of.", func() float64 {
		if s.listener.Current() {
			return 1
		}
		return 0
	})
	s.metrics.Gauge("ringside_organisations_guarded", "1 while the database itself keeps organisations apart (row-level security).", func() float64 {
		if s.tenantPool != nil {
			return 1
		}
		return 0
	})
}
