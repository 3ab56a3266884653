package api

// Limiters returns how many keys' limiters are held.
func (a *API) Limiters() int {
	a.limits.mu.Lock()
	defer a.limits.mu.Unlock()
	return len(a.limits.byKey)
}

// Fingerprint tells requests apart.
var Fingerprint = fingerprint
