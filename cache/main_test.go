package cache_test

import (
	"testing"

	"go.uber.org/goleak"

	"ringside/internal/together"
)

func TestMain(m *testing.M) {
	together.AtLeast(4)
	goleak.VerifyTestMain(m)
}
