package ledger

import "time"

// DayBegins returns when a day begins in a zone: at midnight, or, where clocks are put forward at
// midnight, at the first moment after the gap. Months and days out of range are carried on, as
// [time.Date] does.
func DayBegins(year int, month time.Month, day int, zone *time.Location) time.Time {
	noon := time.Date(year, month, day, 12, 0, 0, 0, zone) // which no zone leaves out
	begin := time.Date(noon.Year(), noon.Month(), noon.Day(), 0, 0, 0, 0, zone)
	if begin.Day() != noon.Day() { // in the gap time.Date may choose the hour before it
		begin = begin.Add(time.Hour)
	}
	return begin
}
