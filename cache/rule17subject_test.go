package cache_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"ringside/contacts"
	"ringside/internal/phone"
	"ringside/recognize"
)

// subject is a number whose one aspect changes, and how it is read from a record.
type subject struct {
	number phone.Number
	chronicle
	read  func(*recognize.Record) string
	write func(ctx context.Context, w *world, random *rand.Rand, version string) (value string, commit func() error)
}

// newContact is a number whose contact comes, is renamed, and goes.
func newContact(n phone.Number) *subject {
	return &subject{number: n, read: nameOf, write: func(ctx context.Context, w *world, random *rand.Rand, version string) (string, func() error) {
		var id string
		_ = w.pool.QueryRow(ctx, `SELECT id::text FROM contacts WHERE org_id = $1::text::uuid AND phone = $2 AND archived_at IS NULL`, string(w.org.ID), n).Scan(&id)
		ours := random.IntN(2) == 0
		switch {
		case id == "" && ours:
			return version, func() error {
				_, err := w.book(random).Add(ctx, w.org, contacts.Draft{Name: version, Phone: string(n)})
				return err
			}
		case id == "":
			return version, w.sql(ctx, `INSERT INTO contacts (org_id, phone, name) VALUES ($1::text::uuid, $2, $3)`, n, version)
		case random.IntN(3) > 0:
			return version, w.sql(ctx, `UPDATE contacts SET name = $3 WHERE org_id = $1::text::uuid AND phone = $2 AND archived_at IS NULL`, n, version)
		case ours:
			return "", func() error { return w.book(random).Archive(ctx, w.org.ID, id) }
		case random.IntN(2) == 0:
			return "", w.sql(ctx, `UPDATE contacts SET archived_at = now() WHERE org_id = $1::text::uuid AND phone = $2`, n)
		default:
			return "", w.sql(ctx, `DELETE FROM contacts WHERE org_id = $1::text::uuid AND phone = $2`, n)
		}
	}}
}

// newCampaignPerson is a number whom campaigns call.
func newCampaignPerson(n phone.Number) *subject {
	return &subject{number: n, read: func(r *recognize.Record) string {
		if r.Campaign == nil {
			return ""
		}
		return r.Campaign.Notes
	}, write: func(ctx context.Context, w *world, random *rand.Rand, version string) (string, func() error) {
		switch random.IntN(4) {
		case 0:
			return "", w.sql(ctx, `DELETE FROM campaign_people WHERE org_id = $1::text::uuid AND phone = $2`, n)
		case 1:
			return version, w.sql(ctx, `
				INSERT INTO campaign_people (org_id, campaign_id, phone, notes, called_at)
				SELECT org_id, id, $2, $3, now() FROM campaigns WHERE org_id = $1::text::uuid AND name = 'Spring'
				ON CONFLICT (campaign_id, phone) DO UPDATE SET notes = excluded.notes`, n, version)
		default:
			return version, func() error {
				_, err := w.book(random).AddCampaignPerson(ctx, w.org, contacts.CampaignPerson{
					Campaign: "Spring", Phone: string(n), Name: "Kim", Notes: version, CalledAt: time.Now()})
				return err
			}
		}
	}}
}

// newStranger is a number of nobody's, with calls.
func newStranger(n phone.Number) *subject {
	return &subject{number: n, read: func(r *recognize.Record) string {
		if len(r.History) == 0 {
			return ""
		}
		return r.History[0].Summary
	}, write: func(ctx context.Context, w *world, random *rand.Rand, version string) (string, func() error) {
		if random.IntN(2) == 0 {
			return version, w.sql(ctx, `
				INSERT INTO interactions (org_id, sid, kind, direction, from_address, to_address, party, status, state_rank, started_at, ended_at, summary)
				VALUES ($1::text::uuid, $2 || $3, 'call', 'inbound', $2, '+12125550199', $2, 'completed', 9, clock_timestamp(), clock_timestamp(), $3)`, n, version)
		}
		var sid string
		_ = w.pool.QueryRow(ctx, `SELECT sid FROM interactions WHERE org_id = $1::text::uuid AND party = $2 ORDER BY ended_at DESC LIMIT 1`, string(w.org.ID), n).Scan(&sid)
		if sid == "" {
			return "", func() error { return nil }
		}
		return version, w.sql(ctx, `UPDATE interactions SET summary = $3 WHERE org_id = $1::text::uuid AND sid = $2`, sid, version)
	}}
}

// newCrowd adds very many who are all changed at once, and returns some of them. Writing the first
// writes them all.
func newCrowd(n *tenant, watched int) []*subject {
	n.t.Helper()
	n.execute(`INSERT INTO contacts (org_id, phone, name, tags) SELECT $1::text::uuid, '+1212555' || 1000 + i, 'v0', '{crowd}' FROM generate_series(0, 119) i`)
	var crowd []*subject
	for i := range watched {
		s := &subject{number: phone.Number(fmt.Sprintf("+1212555%d", 1000+40*i)), read: nameOf}
		s.values = []committed{{value: "v0", at: time.Now()}}
		crowd = append(crowd, s)
	}
	crowd[0].write = func(ctx context.Context, w *world, _ *rand.Rand, version string) (string, func() error) {
		commit := w.sql(ctx, `UPDATE contacts SET name = $2 WHERE org_id = $1::text::uuid AND tags = '{crowd}'`, version)
		for _, s := range crowd[1:] {
			inner := commit
			commit = func() error { return s.chronicle.write(version, inner) }
		}
		return version, commit
	}
	return crowd
}
