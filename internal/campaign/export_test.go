package campaign

// Hurry makes each turn look at as few people as can be.
func (c *Caller) Hurry() { c.hurries = true }

// LookAt is how many people a turn looks at, at least.
const LookAt = lookAt
