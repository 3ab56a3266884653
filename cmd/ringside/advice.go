package main

import "context"

// advise warns of settings that are fine on a machine of one's own, and open doors elsewhere.
func (s *sidecar) advise(ctx context.Context) {
	var orgs int
	if err := s.db.QueryRow(ctx, `SELECT count(*) FROM orgs`).Scan(&orgs); err != nil {
		return // only advice
	}
	if orgs > 1 && s.config.RuntimePrivate && s.config.RuntimeHosts == "" {
		s.log.Warn("every organisation's agents may be anywhere inside this network: unless you trust all who set them up, set RINGSIDE_RUNTIME_PRIVATE=false or RINGSIDE_RUNTIME_HOSTS", "organisations", orgs)
	}
}
