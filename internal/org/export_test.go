package org

import (
	"context"
	"time"
)

// MissPatience bounds how long a miss waits for Postgres.
const MissPatience = missPatience

// Forget makes the last load long ago, so that the next miss may look again.
func (s *Switchboard) Forget() {
	s.takeTurn(context.Background())
	defer s.passTurn()
	s.lastLoad = time.Time{}
}
