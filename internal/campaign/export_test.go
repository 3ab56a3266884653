package campaign

import "time"

// Hurry makes each turn look at as few people as can be.
func (c *Caller) Hurry() { c.hurries = true }

// LookAt is how many people a turn looks at, at least.
const LookAt = lookAt

// HearNow makes the next look look for summaries that came late.
func (c *Caller) HearNow() { c.heard = time.Time{} }
