package main

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// quantile returns the smallest of the values that a share q of them does not exceed; 0 of none. It
// sorts the values.
func quantile[T cmp.Ordered](values []T, q float64) T {
	var none T
	if len(values) == 0 {
		return none
	}
	slices.Sort(values)
	i := int(math.Ceil(q*float64(len(values)))) - 1
	return values[min(max(i, 0), len(values)-1)]
}

// median returns the middle of the values, or the mean of the two in the middle; 0 of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// spread is a figure over several rounds.
type spread struct{ least, middle, most float64 }

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	return spread{slices.Min(values), median(values), slices.Max(values)}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
