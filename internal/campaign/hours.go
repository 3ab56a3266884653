package campaign

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // hours are the callee's wherever the program runs

	"ringside/internal/phone"
)

// Clock is a time of day in minutes since midnight; 1440 is the end of the day. As text it is 09:00.
type Clock int

// MarshalText writes the time of day.
func (c Clock) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

func (c Clock) String() string { return fmt.Sprintf("%02d:%02d", int(c)/60, int(c)%60) }

var clockText = regexp.MustCompile(`^([0-9]{1,2}):([0-9]{2})$`)

// ParseClock reads a time of day: 09:00, 9:00 or 24:00.
func ParseClock(text string) (c Clock, ok bool) {
	m := clockText.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return 0, false
	}
	hour, _ := strconv.Atoi(m[1]) // digits
	minute, _ := strconv.Atoi(m[2])
	c = Clock(hour*60 + minute)
	return c, minute < 60 && c <= 24*60
}

// Weekdays are the days of the week by their names, from Monday on.
var Weekdays = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// Hours are when people may be called, where they are.
type Hours struct {
	Opens, Closes Clock
	Days          []int // 1 is Monday
	// Zone is for numbers that may be in several zones; "" calls those when it is time in all of them.
	Zone string
}

// noHour is how far ahead an hour is looked for.
const noHour = 15 * 24 * time.Hour

// Next returns when the number may be called next: now, if it is time there. ok is false if it never is, because its
// zones have no hour in common.
func (h Hours) Next(n phone.Number, now time.Time) (at time.Time, ok bool) {
	at = now
	zones := h.zones(n)
	for waits := true; waits; {
		waits = false
		for _, zone := range zones {
			if opens := h.opensIn(zone, at); opens.After(at) {
				at, waits = opens, true
			}
		}
		if at.Sub(now) > noHour {
			return time.Time{}, false
		}
	}
	return at, true
}

// Closing returns the end of the hours in which the number may be called at that time.
func (h Hours) Closing(n phone.Number, at time.Time) (closes time.Time) {
	for _, zone := range h.zones(n) {
		end := onDay(at.In(zone), 0, h.Closes)
		if closes.IsZero() || end.Before(closes) {
			closes = end
		}
	}
	return closes
}

// zones returns where a number may be.
func (h Hours) zones(n phone.Number) []*time.Location {
	names := n.TimeZones()
	if len(names) != 1 && h.Zone != "" {
		names = []string{h.Zone}
	}
	var zones []*time.Location
	for _, name := range names {
		if zone := zoneOf(name); zone != nil {
			zones = append(zones, zone)
		}
	}
	if len(zones) == 0 {
		return []*time.Location{time.UTC} // a country without a number plan's zones; the campaign's zone says better
	}
	return zones
}

// loaded are the zones that were used, by their names: to read one takes longer than all else about an hour.
var loaded sync.Map

// zoneOf returns the zone of a name that a number plan or a checked plan has, or nil.
func zoneOf(name string) *time.Location {
	if zone, ok := loaded.Load(name); ok {
		return zone.(*time.Location)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil
	}
	loaded.Store(name, zone)
	return zone
}

// opensIn returns at, if that is within the hours of a zone, else when they begin next. Hours are those of the
// clock on the wall, also on days when it is put forward or back.
func (h Hours) opensIn(zone *time.Location, at time.Time) time.Time {
	local := at.In(zone)
	for day := range 8 {
		opens := onDay(local, day, h.Opens)
		if !slices.Contains(h.Days, (int(opens.Weekday())+6)%7+1) {
			continue
		}
		switch {
		case at.Before(opens):
			return opens
		case at.Before(onDay(local, day, h.Closes)):
			return at
		}
	}
	return at.Add(noHour) // a week without such a day is refused where hours are set
}

// onDay returns when it is c, so many days after another time. Where the clock is put forward over c, that is when the
// clock passes it.
func onDay(local time.Time, days int, c Clock) time.Time {
	at := time.Date(local.Year(), local.Month(), local.Day()+days, 0, int(c), 0, 0, local.Location())
	if wall := at.Hour()*60 + at.Minute(); int(c) < 24*60 && wall != int(c) {
		at = at.Add(time.Duration((int(c)-wall+24*60)%(24*60)) * time.Minute)
	}
	return at
}
