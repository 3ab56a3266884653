package api

import (
	"maps"
	"slices"
)

// Limiters returns how many keys' limiters are held.
func (a *API) Limiters() int {
	a.limits.mu.Lock()
	defer a.limits.mu.Unlock()
	return len(a.limits.byKey)
}

// Fingerprint tells requests apart.
var Fingerprint = fingerprint

// Changing returns the names of the operations that change something people answer for.
func Changing() (names []string) {
	for _, op := range new(API).operations() {
		if op.method != "GET" && op.scope == "write" {
			names = append(names, op.name)
		}
	}
	return names
}

// Audited returns the names of the operations that are written to the audit log, sorted.
func Audited() []string { return slices.Sorted(maps.Keys(audited)) }
