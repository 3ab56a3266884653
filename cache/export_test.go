package cache

import (
	"log/slog"
	"time"
)

// OpenPatientRedis is OpenRedis for tests that are not about how little Redis is waited for.
func OpenPatientRedis(url string, log *slog.Logger) (*Redis, error) {
	const longer = 300 * time.Millisecond
	r, err := newRemote(url, log, patience{look: longer, claim: longer, write: longer})
	if err != nil {
		return nil, err
	}
	return &Redis{remote: r}, nil
}
