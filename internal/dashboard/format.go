package dashboard

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"ringside/internal/phone"
)

// functions are what templates can say beside what html/template has.
var functions = template.FuncMap{
	"phone":    readable,
	"named":    readable, // whoever has no name yet is called by their number
	"count":    count,
	"duration": duration,
	"micros":   micros,
	"plural":   plural,
	"join":     strings.Join,
	"percent":  percent,
	"quoted":   quote,
	"deref":    func(n *int) int { return *n },
	"seconds":  seconds,
}

// moment is a point in time for the template "moment", which is a <time> that our script puts into
// the viewer's zone where the server did not know it.
type moment struct {
	ISO, Text string
	Full      string // with seconds and zone
}

// Moment prepares a time; the zero time and nil are "never".
func (f *frame) Moment(at any) moment {
	var t time.Time
	switch at := at.(type) {
	case time.Time:
		t = at
	case *time.Time:
		if at != nil {
			t = *at
		}
	}
	if t.IsZero() {
		return moment{Text: "never"}
	}
	zone := f.Zone
	if zone == nil {
		zone = time.UTC
	}
	t = t.In(zone)
	return moment{ISO: t.Format(time.RFC3339), Text: t.Format("2 Jan 2006, 15:04"), Full: t.Format("Monday, 2 January 2006, 15:04:05 MST")}
}

// readable is a number as people write it; what is not a number stays as it came.
func readable(number any) string {
	text := fmt.Sprint(number)
	if phone.Classify(text).Class == phone.ClassWithheld && text != "" {
		return "number withheld"
	}
	for prefix, channel := range map[string]string{"": "", "whatsapp:": " on WhatsApp", "rcs:": " on RCS"} {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			if n, ok := phone.Strict(rest); ok {
				return n.Readable() + channel
			}
		}
	}
	return text
}

// count writes a number with commas: 1,000,000.
func count(n any) string {
	digits := fmt.Sprint(n)
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// plural is a count with its word: plural 1 "call" "calls" is "1 call".
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}

// duration writes seconds as people say them: "3 min 4 s". nil is "".
func duration(seconds any) string {
	var s int
	switch v := seconds.(type) {
	case *int:
		if v == nil {
			return ""
		}
		s = *v
	case int:
		s = v
	}
	switch {
	case s < 60:
		return strconv.Itoa(s) + " s"
	case s < 3600:
		return fmt.Sprintf("%d min %d s", s/60, s%60)
	}
	return fmt.Sprintf("%d h %d min", s/3600, s/60%60)
}

// micros writes a short time: "0.4 ms", "12 ms", "1.2 s".
func micros(us int64) string {
	switch ms := float64(us) / 1000; {
	case ms < 10:
		return strconv.FormatFloat(ms, 'f', 1, 64) + " ms"
	case ms < 1000:
		return strconv.FormatFloat(ms, 'f', 0, 64) + " ms"
	default:
		return strconv.FormatFloat(ms/1000, 'f', 1, 64) + " s"
	}
}

// percent writes a share of a whole: "94 %". Of nothing it is "–".
func percent(part, whole int) string {
	if whole == 0 {
		return "–"
	}
	return strconv.Itoa(int(float64(part)/float64(whole)*100+0.5)) + " %"
}

// seconds writes how long after a beginning something happened: "1.2 s".
func seconds(after time.Duration) string {
	return strconv.FormatFloat(after.Seconds(), 'f', 1, 64) + " s"
}
