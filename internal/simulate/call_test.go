package simulate

import (
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Durations that no test wants to wait for: seconds, and minutes begun.
func TestFormsTellDurations(t *testing.T) {
	t.Parallel()
	call := Call{SID: "CA00000000000000000000000000000001", AccountSID: "AC00000000000000000000000000000001",
		From: "+14155550123", To: "+12125550199",
		FromCity: "SAN FRANCISCO", FromState: "CA", FromZip: "94103", FromCountry: "US", ToState: "NY", ToCountry: "US"}
	talked := 94*time.Second + 300*time.Millisecond
	end := SessionEnd{SessionID: "VX00000000000000000000000000000001", Status: SessionCompleted, Duration: talked}
	ended := SessionEnd{SessionID: end.SessionID, Status: SessionEnded, Duration: 42 * time.Second,
		HandoffData: `{"reasonCode":"live-agent-handoff","reason":"asked for a person"}`}
	for name, form := range map[string]url.Values{
		"status_inbound_completed.form": call.statusForm(statusCompleted, 0, time.Date(2026, 11, 22, 16, 4, 5, 0, time.FixedZone("CET", 3600)), &talked),
		"cr_action_completed.form":      call.relayActionForm(statusCompleted, end),
		"cr_action_ended.form":          call.relayActionForm(statusInProgress, ended),
	} {
		body, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := url.ParseQuery(string(body))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, form); diff != "" {
			t.Errorf("%s (-Twilio +simulated):\n%s", name, diff)
		}
	}
	for talked, minutes := range map[time.Duration]string{0: "0", time.Second: "1", time.Minute: "1", 61 * time.Second: "2"} {
		if got := call.statusForm(statusCompleted, 0, time.Now(), &talked).Get("Duration"); got != minutes {
			t.Errorf("Duration of %v = %s minutes, want %s", talked, got, minutes)
		}
	}
}
