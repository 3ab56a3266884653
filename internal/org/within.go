package org

import "context"

type withinKey struct{}

// Within returns a context whose queries concern this organisation alone. On a pool for tenants (see package
// postgres) the database holds them to it; on others it changes nothing.
func Within(ctx context.Context, id ID) context.Context {
	return context.WithValue(ctx, withinKey{}, id)
}

// Of returns the organisation that a context's queries are held to, or "".
func Of(ctx context.Context) string {
	id, _ := ctx.Value(withinKey{}).(ID)
	return string(id)
}
