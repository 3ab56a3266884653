package cache

import (
	"log/slog"
	"time"
)

// OpenPatientRedis is OpenRedis for tests that are not about how little Redis is waited for.
func OpenPatientRedis(url string, log *slog.Logger) (*Redis, error) {
	return OpenRedisPatiently(url, log, 300*time.Millisecond)
}
