package main

import (
	"context"
	"fmt"
	"runtime"
)

// versions is what a table of figures was measured with.
type versions struct {
	golang, system, postgres, redis string
	processors                      int
}

func (s *stage) readVersions(ctx context.Context) (versions, error) {
	v := versions{golang: runtime.Version(), system: runtime.GOOS + "/" + runtime.GOARCH, processors: runtime.GOMAXPROCS(0)}
	if err := s.pool.QueryRow(ctx, `SELECT split_part(current_setting('server_version'), ' ', 1)`).Scan(&v.postgres); err != nil {
		return v, fmt.Errorf("ask Postgres for its version: %w", err)
	}
	var err error
	v.redis, err = s.redis.version()
	return v, err
}
