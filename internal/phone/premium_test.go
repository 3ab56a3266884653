package phone_test

import (
	"testing"

	"ringside/internal/phone"
)

func TestPremium(t *testing.T) {
	t.Parallel()
	for n, want := range map[phone.Number]bool{"+19005550123": true, "+449098790000": true, "+448712345678": true, "+14155551200": false, "+18005550123": false, "+442075551200": false, "+999123456789": false, "": false} {
		if got := n.Premium(); got != want {
			t.Errorf("%s costs extra: %v", string(n), got)
		}
	}
}
