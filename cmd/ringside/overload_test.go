package main

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"ringside/internal/postgres/pgtest"
	"ringside/internal/simulate"
	"ringside/internal/twilio"
)

// figure returns what the sidecar's metrics say, over all labels; 0 if they have nothing by that name.
func (s *serving) figure(name string) (sum float64) {
	s.t.Helper()
	_, text := get(s.t, s.Ops+"/metrics")
	for _, line := range regexp.MustCompile(`(?m)^`+name+`(?:\{[^}]*\})? (\S+)$`).FindAllStringSubmatch(text, -1) {
		value, err := strconv.ParseFloat(line[1], 64)
		must(s.t, err)
		sum += value
	}
	return sum
}

// More than can be written, with a Postgres that takes everything and answers nothing: what cannot be
// kept is refused at once, memory has a bound, callers are answered as ever, and it ends by itself.
func TestOverload(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	shop := openShop(t, url)
	proxy, through := faulty(t, url)
	const budget = 200 * time.Millisecond
	side := serve(t, "DATABASE_URL="+through, defaultBudget, "RINGSIDE_WRITE_BUDGET="+budget.String())
	side.awaitCurrent()
	answered(t, shop.call(side.Listen, jamie, askAgent...))
	shop.rings(side.Listen, simulate.NewSID("CA"), alex) // who is cached then: the end of a call changes the history
	goroutines := side.figure("go_goroutines")

	proxy.BlackHole(true)
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	t.Cleanup(transport.CloseIdleConnections)
	account := shop.twilio(side.Listen)
	account.HTTP = &http.Client{Transport: transport}
	// As long as a message may be, so that the bounds are reached soon: 40 kB each as they are held.
	body := strings.Repeat("\U0001F600", 10_000)
	const most = 1000
	var sent, refused atomic.Int64
	var slowest atomic.Int64
	var kept sync.Map
	var senders sync.WaitGroup
	for range 60 {
		senders.Go(func() {
			for sent.Add(1) <= most {
				sid := simulate.NewSID("SM")
				response, err := account.Post(t.Context(), "/twilio/sms", simulate.MessageForm(simulate.Text{SID: sid, AccountSID: shop.account, From: jamie, To: shopNumber, Body: body}))
				switch {
				case err != nil:
					t.Error(err)
				case response.Status/100 == 2:
					kept.Store(sid, true)
				case response.Status == http.StatusServiceUnavailable:
					refused.Add(1)
				default:
					t.Errorf("a message was answered %d", response.Status)
				}
				if err == nil {
					slowest.Store(max(slowest.Load(), int64(response.Latency)))
				}
			}
		})
	}
	for range 50 { // calls that do not end: the end of one fences what is cached of its caller
		if twiml := shop.rings(side.Listen, simulate.NewSID("CA"), alex); !strings.Contains(string(twiml), greetsAlex) {
			t.Errorf("a caller heard %s", twiml)
		}
	}
	outcome := shop.call(side.Listen, stranger, askAgent...)
	promptly(t, outcome, 150*time.Millisecond)
	answered(t, outcome)
	senders.Wait()
	if took := time.Duration(slowest.Load()); took > budget+10*time.Second { // sixty at once, on a machine that is busy
		t.Errorf("a message was answered after %s", took)
	}
	acknowledged := 0
	kept.Range(func(any, any) bool { acknowledged++; return true })
	if acknowledged+int(refused.Load()) != most {
		t.Errorf("of %d messages %d were acknowledged and %d refused", most, acknowledged, refused.Load())
	}
	// The next collection comes at twice of what is held; the bound of what waits is 64 MB.
	if held := side.figure("go_memstats_next_gc_bytes") / 2; held == 0 || held > 140<<20 {
		t.Errorf("%.0f MB of memory are held", held/(1<<20))
	}

	proxy.BlackHole(false)
	until(t, "everything is written and everything is well", func() bool {
		_, report := side.ready()
		return report.Status == "ready" && report.Waiting == 0 && report.Spooled == 0
	})
	kept.Range(func(sid, _ any) bool {
		var there bool
		must(t, shop.db.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM interactions WHERE sid = $1)`, sid).Scan(&there))
		if !there {
			t.Errorf("%s was acknowledged and is lost", sid)
		}
		return true
	})
	response, err := account.Post(t.Context(), "/twilio/sms", simulate.MessageForm(simulate.Text{SID: simulate.NewSID("SM"), AccountSID: shop.account, From: jamie, To: shopNumber, Body: "Hello"}))
	must(t, err)
	if response.Status != http.StatusOK {
		t.Errorf("afterwards a message is answered %d", response.Status)
	}
	transport.CloseIdleConnections()
	until(t, "nothing of it is left running", func() bool { return side.figure("go_goroutines") <= goroutines+15 })
	side.stop()
}

// Whoever has seen a signed handshake can send it again, and then say nothing: the sockets are closed
// soon, and callers are answered meanwhile.
func TestSocketsThatSayNothingAreClosed(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	shop := openShop(t, url)
	side := serve(t, "DATABASE_URL="+url)
	answered(t, shop.call(side.Listen, alex, askAgent...))
	until(t, "the call is over", func() bool { return side.figure("ringside_relay_sessions") == 0 })
	open, goroutines := side.figure("process_open_fds"), side.figure("go_goroutines")
	const most = 300
	var silent sync.WaitGroup
	for n := range most {
		at := "ws" + strings.TrimPrefix(side.PublicURL, "http") + []string{"/twilio/relay", "/twilio/stream"}[n%2]
		socket, _, err := websocket.DefaultDialer.DialContext(t.Context(), at, http.Header{twilio.SignatureHeader: {twilio.Sign(shop.token, at, nil)}})
		must(t, err)
		silent.Go(func() {
			defer socket.Close()
			must(t, socket.SetReadDeadline(time.Now().Add(eventually)))
			if _, _, err := socket.ReadMessage(); !websocket.IsCloseError(err, websocket.ClosePolicyViolation) {
				t.Errorf("a socket that said nothing ended with %v", err)
			}
		})
	}
	if now := side.figure("process_open_fds"); now < open+most/2 { // where the machine is busy, the first are closed already
		t.Errorf("%d sockets were opened, and there are %.0f descriptors after %.0f", most, now, open)
	}
	outcome := shop.call(side.Listen, alex, askAgent...)
	promptly(t, outcome, 0)
	answered(t, outcome)
	silent.Wait()
	until(t, "descriptors and goroutines are given back", func() bool {
		return side.figure("process_open_fds") <= open+most/5 && side.figure("go_goroutines") <= goroutines+most/5 // pools may have grown
	})
	side.stop()
}
