package webhook

import (
	"strconv"
	"testing"
)

func TestRepeatsAreTheLatestTokens(t *testing.T) {
	t.Parallel()
	r := newRepeats()
	for range 2 {
		if r.again("") {
			t.Error("requests without a token repeat each other")
		}
	}
	for n := range 2*repeatsKept + 3 {
		token := strconv.Itoa(n)
		if r.again(token) {
			t.Fatalf("%s is new", token)
		}
		if !r.again(token) {
			t.Fatalf("%s was seen", token)
		}
	}
	if oldest := strconv.Itoa(repeatsKept + 3); !r.again(oldest) {
		t.Errorf("%s is among the latest", oldest)
	}
	if forgotten := strconv.Itoa(repeatsKept + 2); r.again(forgotten) {
		t.Errorf("%s is not among the latest", forgotten)
	}
	if len(r.seen) != repeatsKept || len(r.latest) != repeatsKept {
		t.Errorf("%d and %d are remembered", len(r.seen), len(r.latest))
	}
}
