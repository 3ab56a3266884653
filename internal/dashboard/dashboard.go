package dashboard

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"ringside/contacts"
	"ringside/contacts/sheet"
	"ringside/internal/audit"
	"ringside/internal/ledger"
	"ringside/internal/member"
	"ringside/internal/org"
	"ringside/internal/problem"
	"ringside/internal/twilio"
)

// Dashboard serves the pages. Its fields are what the pages are made of; all but Demo are needed. All but
// Members may be given a pool for tenants: what a visitor does is done within their organisation.
type Dashboard struct {
	PublicURL twilio.PublicURL // where browsers and Twilio reach this; https makes cookies Secure
	Orgs      *org.Store
	Members   *member.Store // of whom it is not known yet whose they are: who signs in
	Team      *member.Store // the organisation's own, within it
	Audit     *audit.Log
	Book      *contacts.Book
	Ledger    *ledger.Reader
	Log       *slog.Logger
	// ErasureKey keeps erased people from coming back without saying who they were.
	ErasureKey contacts.ErasureKey
	// ImportLimits bound the files that are uploaded; the zero value has the usual ones.
	ImportLimits sheet.Limits
	// Proxies are believed in what they say of where a visitor comes from; none by default.
	Proxies []netip.Prefix
	// OIDC is an identity provider by which members may sign in; nil: by password alone.
	OIDC *OIDC
	// Health says how the things are that the program depends on; nil says nothing.
	Health func(context.Context) []Health
	// Probe tries the connection to an agent's program; nil cannot.
	Probe func(context.Context, *org.Agent) Probe
	// Desk sends messages and calls; nil where Twilio is only simulated.
	Desk Desk
	// Numbers asks Twilio how phone numbers are set; nil: nobody does.
	Numbers Numbers
	// Campaigns keeps how campaigns call.
	Campaigns Campaigns
	// Demo plays simulated calls; nil anywhere but in the demo.
	Demo Demo

	origins   *http.CrossOriginProtection
	assets    *assets
	stop      func() // ends what streams
	stopped   <-chan struct{}
	stage     stage
	live      live
	streams   streams
	overviews overviews
	imports   imports
	playing   sync.WaitGroup // simulated calls
	zones     sync.Map       // of names of time zones to *time.Location
}

// Register adds the pages to mux. It is called once.
func (d *Dashboard) Register(mux *http.ServeMux) {
	d.origins = http.NewCrossOriginProtection()
	// A proxy may change the Host that the browser asked for; the public URL is what it sees.
	if err := d.origins.AddTrustedOrigin(d.PublicURL.Origin()); err != nil {
		d.Log.Error("pages cannot tell requests of other sites from their own behind a proxy that changes Host", "error", err)
	}
	stopped := make(chan struct{})
	d.stopped, d.stop = stopped, sync.OnceFunc(func() { close(stopped) })
	d.assets = loadAssets()
	d.live.list = d.Ledger.List
	mux.Handle("GET "+assetsPath, d.assets)
	for _, r := range d.routes() {
		mux.Handle(r.method+" "+r.path, d.guard(r))
	}
}

// routes are all paths of the dashboard.
func (d *Dashboard) routes() []route {
	var all []route
	for _, some := range [][]route{
		d.signInRoutes(), d.oidcRoutes(), d.activityRoutes(), d.contactRoutes(), d.reachRoutes(), d.importRoutes(), d.campaignRoutes(), d.callingRoutes(), d.checkRoutes(), d.agentRoutes(), d.billingRoutes(),
		d.settingsRoutes(), d.keyRoutes(), d.numberRoutes(), d.privacyRoutes(), d.demoRoutes(),
	} {
		all = append(all, some...)
	}
	return all
}

// Close ends what would keep the server from shutting down: streams, simulated calls, and imports,
// which stop after a step.
func (d *Dashboard) Close() {
	d.stop()
	d.playing.Wait()
	d.imports.done.Wait()
}

// untilStopped returns a context for work that goes on without a request: it ends with the program.
func (d *Dashboard) untilStopped(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	go func() {
		select {
		case <-d.stopped:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// OrMissing serves what mux has no path for with a page that says so, to people's browsers. What
// programs ask for below /v1 and /twilio is left to mux.
func (d *Dashboard) OrMissing(mux *http.ServeMux) http.Handler {
	missing := d.guard(route{method: "GET", serve: func(*visit) error {
		return problem.NotFound("There is no page at this address.")
	}})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ours := !strings.HasPrefix(r.URL.Path, "/v1/") && !strings.HasPrefix(r.URL.Path, "/twilio/") && !strings.HasPrefix(r.URL.Path, assetsPath)
		if ours && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			if _, pattern := mux.Handler(r); pattern == "" {
				missing.ServeHTTP(w, r)
				return
			}
		}
		mux.ServeHTTP(w, r)
	})
}
