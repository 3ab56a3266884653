package campaign_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ringside/internal/campaign"
	"ringside/internal/phone"
)

const (
	newYork  = phone.Number("+12125550133")
	angeles  = phone.Number("+14155550134")
	london   = phone.Number("+442079460123")
	tollFree = phone.Number("+18005550199") // of North America as a whole, Guam included
	unzoned  = phone.Number("+88312345678901")
)

var office = campaign.Hours{Opens: 9 * 60, Closes: 20 * 60, Days: []int{1, 2, 3, 4, 5}}

func TestHoursAreTheCallees(t *testing.T) {
	t.Parallel()
	night := office
	night.Opens, night.Closes = 0, 30
	short := office
	short.Closes = 17 * 60
	zoned := office
	zoned.Zone = "America/Chicago"
	for _, tt := range []struct {
		what  string
		hours campaign.Hours
		n     phone.Number
		now   string
		want  string // "" is never
	}{
		{"in the middle of the day", office, newYork, "2026-11-23T15:00:00Z", "2026-11-23T15:00:00Z"},
		{"early in the west", office, angeles, "2026-11-23T15:00:00Z", "2026-11-23T17:00:00Z"},
		{"as it opens", office, london, "2026-11-23T09:00:00Z", "2026-11-23T09:00:00Z"},
		{"as it closes", office, london, "2026-11-23T20:00:00Z", "2026-11-24T09:00:00Z"},
		{"on Friday night", office, london, "2026-11-27T20:30:00Z", "2026-11-30T09:00:00Z"},
		{"on Saturday", office, newYork, "2026-11-28T15:00:00Z", "2026-11-30T14:00:00Z"},
		{"Sunday there is Monday here", office, angeles, "2026-11-30T02:00:00Z", "2026-11-30T17:00:00Z"},
		{"the night that clocks go forward", office, newYork, "2026-03-08T06:30:00Z", "2026-03-09T13:00:00Z"},
		{"an hour that does not exist", campaign.Hours{Opens: 2*60 + 15, Closes: 3*60 + 30, Days: []int{7}}, newYork, "2026-03-08T05:00:00Z", "2026-03-08T07:15:00Z"},
		{"the first minutes of the day", night, london, "2026-11-23T00:45:00Z", "2026-11-24T00:00:00Z"},
		{"no hour in common", short, tollFree, "2026-11-23T15:00:00Z", ""},
		{"but for the campaign's zone", zoned, tollFree, "2026-11-23T14:30:00Z", "2026-11-23T15:00:00Z"},
		{"a number of one zone is in it", zoned, angeles, "2026-11-23T15:30:00Z", "2026-11-23T17:00:00Z"},
		{"no zone is known", office, unzoned, "2026-11-23T08:00:00Z", "2026-11-23T09:00:00Z"},
	} {
		now, err := time.Parse(time.RFC3339, tt.now)
		if err != nil {
			t.Fatal(err)
		}
		at, ok := tt.hours.Next(tt.n, now)
		got := ""
		if ok {
			got = at.UTC().Format(time.RFC3339)
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.what, got, tt.want)
		}
	}
	if closes := office.Closing(angeles, time.Date(2026, 11, 23, 18, 0, 0, 0, time.UTC)); !closes.Equal(time.Date(2026, 11, 24, 4, 0, 0, 0, time.UTC)) {
		t.Errorf("closes at %s", closes.UTC())
	}
}

// Whatever the hours, nobody is called outside of them, and nobody waits who may be called.
func TestNextHourProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]phone.Number{newYork, angeles, london, tollFree}).Draw(t, "number")
		h := campaign.Hours{Days: rapid.SliceOfNDistinct(rapid.IntRange(1, 7), 1, 7, rapid.ID).Draw(t, "days")}
		h.Opens = campaign.Clock(rapid.IntRange(0, 1438).Draw(t, "opens"))
		h.Closes = campaign.Clock(rapid.IntRange(int(h.Opens)+1, 1440).Draw(t, "closes"))
		now := time.Unix(rapid.Int64Range(1_700_000_000, 1_900_000_000).Draw(t, "now"), 0)
		open := func(at time.Time) bool {
			for _, name := range n.TimeZones() {
				zone, err := time.LoadLocation(name)
				if err != nil {
					t.Fatal(err)
				}
				local := at.In(zone)
				wall := campaign.Clock(local.Hour()*60 + local.Minute())
				if wall < h.Opens || wall >= h.Closes || !slices.Contains(h.Days, (int(local.Weekday())+6)%7+1) {
					return false
				}
			}
			return true
		}
		at, ok := h.Next(n, now)
		switch {
		case open(now) && (!ok || !at.Equal(now)):
			t.Fatalf("it is time, and they are called at %s (%v)", at, ok)
		case ok && (at.Before(now) || !open(at)):
			t.Fatalf("called at %s, which is not within the hours", at)
		case ok && !at.Equal(now) && open(at.Add(-time.Second)):
			t.Fatalf("waited until %s, though they may be called before", at)
		case ok && !h.Closing(n, at).After(at):
			t.Fatalf("closes at %s, before the call", h.Closing(n, at))
		}
	})
}

func TestClocks(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"09:00": "09:00", " 9:05 ": "09:05", "24:00": "24:00", "0:00": "00:00"} {
		if c, ok := campaign.ParseClock(text); !ok || c.String() != want {
			t.Errorf("%q is %s, %v", text, c, ok)
		}
	}
	for _, text := range []string{"", "9", "9:5", "25:00", "24:01", "09:60", "-1:00", "9:00pm", "9.00", "٩:٠٠"} {
		if c, ok := campaign.ParseClock(text); ok {
			t.Errorf("%q is %s", text, c)
		}
	}
}
