package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/cache"
	"ringside/internal/org"
	"ringside/internal/postgres"
	"ringside/internal/seal"
	"ringside/internal/twilio"
	"ringside/internal/twilio/rest"
	"ringside/voice"
)

type doctorCommand struct{ jsonFlag }

// Help is what --help says beyond the sentence.
func (*doctorCommand) Help() string {
	return "Looks at the settings, Postgres, Redis, the sidecar and its public address, the clocks, each voice agent's program, the Twilio accounts and the webhooks of each number, and says what to do. Changes nothing. Ends with status 1 if something is wrong."
}

// finding is what was found of one thing.
type finding struct {
	Check string `json:"check"`
	State string `json:"state"` // good, warn or bad
	Text  string `json:"text"`  // what was found, and what to do
}

const (
	good = "good"
	warn = "warn"
	bad  = "bad"
)

// Limits of the doctor's patience, and of clocks: a call's events are ordered by Twilio's time and ours.
const (
	doctorPatience = 10 * time.Second
	clockWarn      = 2 * time.Second
	clockBad       = time.Minute
)

// doctor looks at one thing after another, with what the earlier ones have opened.
type doctor struct {
	*app
	pool     *pgxpool.Pool    // nil: Postgres cannot be used
	server   *postgres.Server // the private one, nil unless it is
	keys     *seal.Ring       // nil: no key is set
	lines    *org.Switchboard
	api      *rest.Client
	findings []finding
}

func (c *doctorCommand) Run(a *app) error {
	ctx, stop := untilSignal(a.ctx)
	defer stop()
	d := &doctor{app: a}
	for _, look := range []func(context.Context){d.settings, d.postgres, d.redis, d.sidecar, d.publicURL, d.agents, d.twilio} {
		patience, cancel := context.WithTimeout(ctx, doctorPatience)
		look(patience)
		cancel()
	}
	d.close()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return c.report(a, d.findings)
}

// report prints the findings; what is wrong ends the command with an error.
func (c *doctorCommand) report(a *app, findings []finding) error {
	wrong := 0
	for _, f := range findings {
		if f.State == bad {
			wrong++
		}
	}
	if c.JSON {
		if err := printJSON(a, map[string]any{"ok": wrong == 0, "findings": findings}); err != nil {
			return err
		}
	} else {
		words := map[string]string{good: "ok     ", warn: "look at", bad: "wrong  "}
		for _, f := range findings {
			fmt.Fprintf(a.out, "%s  %s: %s\n", words[f.State], f.Check, f.Text)
		}
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d things are wrong", wrong, len(findings))
	}
	return nil
}

func (d *doctor) found(check, state, text string, args ...any) {
	d.findings = append(d.findings, finding{check, state, fmt.Sprintf(text, args...)})
}

func (d *doctor) close() {
	if d.pool != nil {
		d.pool.Close()
	}
	if d.api != nil {
		d.api.Close()
	}
	if d.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := d.server.Stop(ctx); err != nil {
			d.log.Warn("the private Postgres did not stop", "error", err)
		}
	}
}

func (d *doctor) settings(context.Context) {
	if d.config.SecretKey == "" {
		d.found("Settings", warn, "RINGSIDE_SECRET_KEY is not set: the key is a file in RINGSIDE_DATA_DIR. Set it where several sidecars work together, and keep a copy.")
		return
	}
	d.found("Settings", good, "they can be read; `ringside config print` shows them.")
}

func (d *doctor) postgres(ctx context.Context) {
	url := string(d.config.DatabaseURL)
	if url == "" {
		var err error
		if url, err = d.private(ctx); url == "" {
			if err != nil {
				d.found("Postgres", bad, "the private one does not start: %s.", oneLine(err))
			}
			return
		}
	}
	pool, err := postgres.Open(ctx, url)
	if err != nil {
		d.found("Postgres", bad, "it cannot be used: %s. Check DATABASE_URL, and that Postgres runs and lets this machine in.", oneLine(err))
		return
	}
	var version string
	var now time.Time
	began := time.Now()
	if err := pool.QueryRow(ctx, `SELECT current_setting('server_version'), clock_timestamp()`).Scan(&version, &now); err != nil {
		pool.Close()
		d.found("Postgres", bad, "it does not answer: %s.", oneLine(err))
		return
	}
	took := time.Since(began)
	d.pool = pool
	current, err := postgres.Current(ctx, pool)
	switch {
	case err != nil:
		d.found("Postgres", bad, "%s.", strings.TrimSuffix(oneLine(err), "."))
		d.pool.Close()
		d.pool = nil
	case !current:
		d.found("Postgres", bad, "version %s answers, but its schema is not this program's: run `ringside migrate`, or start a sidecar.", version)
		d.pool.Close()
		d.pool = nil
	case took > 50*time.Millisecond:
		d.found("Postgres", warn, "version %s answers in %s, and callers who are in no cache wait for it: run the sidecar nearer to it.", version, took.Round(time.Millisecond))
	default:
		d.found("Postgres", good, "version %s answers in %s; its schema is current.", version, took.Round(100*time.Microsecond))
	}
	d.clock("Clock against Postgres", now, 0)
	if d.pool != nil {
		d.secrets(ctx)
		d.apart(ctx)
	}
}

// apart looks whether the database keeps organisations apart.
func (d *doctor) apart(ctx context.Context) {
	const check = "Organisations"
	switch err := postgres.Guarded(ctx, d.pool); {
	case err != nil:
		d.found(check, warn, "%s. Then start a sidecar again.", strings.TrimSuffix(oneLine(err), "."))
	default:
		d.found(check, good, "the database keeps them apart (row-level security).")
	}
}

// secrets looks whether the key that is set opens what is sealed in the database. None is made for it.
func (d *doctor) secrets(ctx context.Context) {
	const check = "Secrets"
	if d.config.HasSigningKey() {
		secret, err := d.config.SigningKey()
		if err == nil {
			d.keys, err = seal.NewRing(secret, d.config.PreviousKeys()...)
		}
		if err != nil {
			d.found(check, bad, "the key cannot be used: %s.", oneLine(err))
			return
		}
	}
	d.lines = org.NewSwitchboard(d.pool).WithKeys(d.keys)
	sealed, err := org.HasSealed(ctx, d.pool)
	if err == nil && sealed && d.keys == nil {
		d.found(check, bad, "they are sealed, and no key is set here: set RINGSIDE_SECRET_KEY to the sidecar's.")
		return
	}
	if err == nil {
		err = d.lines.Load(ctx)
	}
	if err != nil {
		d.found(check, bad, "they cannot be read: %s.", strings.TrimSuffix(oneLine(err), "."))
		return
	}
	d.found(check, good, "the key opens them.")
}

// private starts the private Postgres, or joins the one that runs, unless there is none yet.
func (d *doctor) private(ctx context.Context) (url string, err error) {
	if !postgres.HasPrivate(d.config.DataDir) {
		d.found("Postgres", warn, "DATABASE_URL is not set, and there is no private Postgres in RINGSIDE_DATA_DIR (%s) yet: `ringside serve` makes one. Run this again then.", d.config.DataDir)
		return "", nil
	}
	if d.server, err = postgres.StartPrivate(ctx, d.config.DataDir, d.log); err != nil {
		return "", err
	}
	d.found("Data", warn, "DATABASE_URL is not set: a private Postgres keeps everything in RINGSIDE_DATA_DIR, on this machine alone. Back it up, or use a Postgres of your own.")
	return d.server.URL(""), nil
}

// clock compares a clock with ours; of one that tells whole seconds it may be coarse.
func (d *doctor) clock(check string, theirs time.Time, coarse time.Duration) {
	apart := max(time.Until(theirs).Abs()-coarse, 0)
	switch {
	case apart > clockBad:
		d.found(check, bad, "this machine's clock is %s away. Let NTP set it: calls are put in order by the time.", apart.Round(time.Second))
	case apart > clockWarn:
		d.found(check, warn, "this machine's clock is %s away. Let NTP set it.", apart.Round(100*time.Millisecond))
	default:
		d.found(check, good, "they agree.")
	}
}

func (d *doctor) redis(ctx context.Context) {
	if d.config.RedisURL == "" {
		d.found("Redis", good, "is not used (REDIS_URL is not set). With several sidecars, set it: calls then get the same answer from each.")
		return
	}
	client, err := cache.OpenRedis(string(d.config.RedisURL), d.log)
	if err != nil {
		d.found("Redis", bad, "REDIS_URL cannot be used: %s.", oneLine(err))
		return
	}
	defer client.Close()
	began := time.Now()
	if err := client.Ping(ctx); err != nil {
		d.found("Redis", bad, "it does not answer: %s. Callers are looked up in Postgres until it does.", oneLine(err))
		return
	}
	if took := time.Since(began); took > 20*time.Millisecond {
		d.found("Redis", warn, "answers in %s; a look-up waits 8 ms for it. Run it near the sidecar.", took.Round(time.Millisecond))
		return
	}
	d.found("Redis", good, "answers.")
}

// sidecar asks the operations listener, which is for this machine.
func (d *doctor) sidecar(ctx context.Context) {
	response, err := d.get(ctx, http.MethodGet, "http://"+strings.Replace(d.config.OpsListen, "0.0.0.0", "127.0.0.1", 1)+"/readyz")
	if err != nil {
		d.found("Sidecar", warn, "none answers at RINGSIDE_OPS_LISTEN (%s). If one should run here, start it: `ringside serve`.", d.config.OpsListen)
		return
	}
	if strings.Contains(response.body, `"status":"ready"`) {
		d.found("Sidecar", good, "runs and is ready.")
		return
	}
	d.found("Sidecar", warn, "runs, and says of itself: %s", strings.TrimSpace(response.body))
}

// answer is an answer, with as much of its body as is worth looking at.
type answer struct {
	status int
	body   string
}

func (d *doctor) get(ctx context.Context, method, url string) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return answer{}, err
	}
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1000))
	return answer{response.StatusCode, string(body)}, err
}

// publicURL asks what Twilio would ask, without a signature: a sidecar refuses that, and nobody else does so.
func (d *doctor) publicURL(ctx context.Context) {
	const check = "Public address"
	if d.config.PublicURL == "" {
		d.found(check, warn, "RINGSIDE_PUBLIC_URL is not set: it is taken to be the listener's, which Twilio cannot reach. Set it to the https:// address at which Twilio reaches this sidecar.")
		return
	}
	public, err := twilio.ParsePublicURL(d.config.PublicURL)
	if err != nil {
		d.found(check, bad, "%s", oneLine(err))
		return
	}
	at := public.Webhook("/twilio/voice/status")
	response, err := d.get(ctx, http.MethodPost, at)
	switch {
	case err != nil:
		d.found(check, bad, "%s cannot be reached from here: %s. Check the name, the certificate and the proxy; it may still be reachable from outside.", at, oneLine(err))
	case response.status == http.StatusForbidden && strings.Contains(response.body, "X-Twilio-Signature") && !public.Secure():
		d.found(check, warn, "a sidecar answers at %s, but without TLS. Give Twilio an https:// address.", d.config.PublicURL)
	case response.status == http.StatusForbidden && strings.Contains(response.body, "X-Twilio-Signature"):
		d.found(check, good, "a sidecar answers at %s.", d.config.PublicURL)
	default:
		d.found(check, bad, "%s is answered with status %d, and not by a sidecar. Have the proxy pass it on, path and all.", at, response.status)
	}
}

// agents tries the program of each voice agent.
func (d *doctor) agents(ctx context.Context) {
	if d.pool == nil {
		return
	}
	store := org.NewStore(d.pool).WithKeys(d.keys)
	orgs, err := store.Orgs(ctx)
	if err != nil {
		d.found("Voice agents", bad, "they cannot be read: %s.", oneLine(err))
		return
	}
	seen := 0
	for _, o := range orgs {
		agents, err := store.Agents(ctx, o.ID)
		if err != nil {
			d.found("Voice agents", bad, "they cannot be read: %s.", oneLine(err))
			return
		}
		for i := range agents {
			seen++
			probe := voice.ProbeRuntime(ctx, d.config.Runtimes(), &agents[i])
			state := good
			if !probe.OK {
				state = bad
			}
			d.found(fmt.Sprintf("Voice agent %s of %s", agents[i].Name, o.Name), state, "%s", probe.Text)
		}
	}
	if seen == 0 {
		d.found("Voice agents", warn, "there are none: `ringside agent create` makes one.")
	}
}
