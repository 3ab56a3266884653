package pgtest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Furnish makes an organisation with a row in every table that belongs to one, for tests of who sees what.
// Whatever has an id of its own has the organisation's, and every text that says something holds the word
// "marked" with n behind it. n, from 1 to 9, tells organisations of one database apart.
func Furnish(tb testing.TB, pool *pgxpool.Pool, org string, n int) {
	tb.Helper()
	if _, err := pool.Exec(tb.Context(), fmt.Sprintf(furnishing, org, strings.Repeat(fmt.Sprint(n), 32), fmt.Sprintf("000%d", n), n)); err != nil {
		tb.Fatalf("furnish an organisation: %v", err)
	}
}

const furnishing = `WITH o AS (INSERT INTO orgs (id, name, country) VALUES ('%[1]s', 'Marked%[4]d org', 'US')),
a AS (INSERT INTO voice_agents (id, org_id, name, greeting, runtime_url) VALUES ('%[1]s', '%[1]s', 'Marked%[4]d agent', 'Hello', 'ws://a/')),
t AS (INSERT INTO twilio_accounts (account_sid, org_id, auth_token) VALUES ('AC%[2]s', '%[1]s', 'token')),
c AS (INSERT INTO contacts (id, org_id, name, phone) VALUES ('%[1]s', '%[1]s', 'Marked%[4]d Alex', '+1415555%[3]s'), (gen_random_uuid(), '%[1]s', 'Marked%[4]d Jo', '+1415556%[3]s'))
SELECT 1;
INSERT INTO phone_numbers (id, org_id, phone, agent_id, account_sid) VALUES ('%[1]s', '%[1]s', '+1212555%[3]s', '%[1]s', 'AC%[2]s');
INSERT INTO api_keys (id, org_id, name, hash) VALUES ('%[1]s', '%[1]s', 'Marked%[4]d key', sha256('%[1]s'));
INSERT INTO api_idempotency (org_id, key, fingerprint) VALUES ('%[1]s', 'k', sha256(''));
INSERT INTO campaigns (id, org_id, name) VALUES ('%[1]s', '%[1]s', 'Marked%[4]d spring');
INSERT INTO campaign_people (id, org_id, campaign_id, phone, name) VALUES ('%[1]s', '%[1]s', '%[1]s', '+1646555%[3]s', 'Marked%[4]d person');
INSERT INTO interactions (id, org_id, sid, kind, direction, from_address, to_address, status, state_rank, started_at, summary, recognition)
	VALUES ('%[1]s', '%[1]s', '%[1]s', 'call', 'inbound', '', '', 'completed', 1, now(), 'Marked%[4]d summary', '{"rule": "Marked%[4]d"}');
INSERT INTO interaction_events (org_id, sid, event, at) VALUES ('%[1]s', '%[1]s', 'e', now());
INSERT INTO transcripts (org_id, sid, session_id, lines) VALUES ('%[1]s', '%[1]s', 's', '[{"at": "2026-01-01T00:00:00Z", "who": "caller", "text": "Marked%[4]d words"}]');
INSERT INTO captures (org_id, sid, digest, result) VALUES ('%[1]s', '%[1]s', 'd', '{}');
INSERT INTO contact_imports (id, org_id, file_name) VALUES ('%[1]s', '%[1]s', 'Marked%[4]d file');
INSERT INTO contact_import_rows (import_id, line, verdict, name, phone) VALUES ('%[1]s', 1, 'new', 'Marked%[4]d row', '+1');
INSERT INTO contact_merges (id, org_id, kept_id, merged_id, before, after) SELECT '%[1]s', '%[1]s', '%[1]s', id, '{}', '{}' FROM contacts WHERE org_id = '%[1]s' AND id <> '%[1]s';
INSERT INTO moved_interactions (merge_id, interaction_id) VALUES ('%[1]s', '%[1]s');
INSERT INTO erased_people (org_id, person, erased_at) VALUES ('%[1]s', sha256(''), now());
INSERT INTO erasures (id, org_id, contact_id, receipt) VALUES ('%[1]s', '%[1]s', '%[1]s', '{"contact_id": "Marked%[4]d"}');
INSERT INTO members (id, org_id, email, name, role) VALUES ('%[1]s', '%[1]s', 'o@%[2]s.example', 'Marked%[4]d owner', 'owner');
INSERT INTO member_links (hash, member_id, kind, expires_at) VALUES (sha256('%[1]s'), '%[1]s', 'password', now());
INSERT INTO sessions (id, hash, member_id, expires_at, user_agent) VALUES ('%[1]s', sha256('%[1]s'), '%[1]s', now() + interval '1 day', 'Marked%[4]d browser');
INSERT INTO audit_log (org_id, actor_kind, action) VALUES ('%[1]s', 'operator', 'marked%[4]d');
INSERT INTO import_files (id, org_id, name) VALUES ('%[1]s', '%[1]s', 'Marked%[4]d upload');
INSERT INTO import_file_parts (file_id, n, content) VALUES ('%[1]s', 1, '');
INSERT INTO opt_outs (org_id, phone) VALUES ('%[1]s', '+1415555%[3]s');
INSERT INTO outgoing (id, org_id, kind, text, from_number, to_number) VALUES ('%[1]s', '%[1]s', 'message', 'Marked%[4]d text', '+1415555%[3]s', '+1415555%[3]s');
INSERT INTO outgoing_pace (org_id, from_number, next_at) VALUES ('%[1]s', '+1', now());
INSERT INTO runtime_events (org_id, type) VALUES ('%[1]s', 'x');
INSERT INTO runtime_streams (org_id) VALUES ('%[1]s');
INSERT INTO runtime_consumers (org_id, name, acked, holder) VALUES ('%[1]s', 'c', 0, gen_random_uuid());
`
