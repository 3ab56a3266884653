package cache_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/contacts"
	"ringside/internal/phone"
	"ringside/recognize"
)

// subject is a number whose one aspect changes, and how it is read from a record.
type subject struct {
	number phone.Number
	chronicle
	read  func(*recognize.Record) string
	write func(ctx context.Context, w *writer, random *rand.Rand, version string) (value string, commit func() error)
}

// writer is who changes people of the world, over some line to Postgres.
type writer struct {
	*world
	line *pgxpool.Pool
	// skew is how far off the clock is that the times come from which are written.
	skew time.Duration
}

// book is the address book as one of the sidecars writes it.
func (w *writer) book(random *rand.Rand) *contacts.Book {
	return contacts.NewBook(w.line, w.sidecars[random.IntN(len(w.sidecars))].Callers)
}

// sql is a statement of another program, with $1 the organisation.
func (w *writer) sql(ctx context.Context, sql string, args ...any) func() error {
	return func() error {
		_, err := w.line.Exec(ctx, sql, append([]any{string(w.org.ID)}, args...)...)
		return err
	}
}

// newContact is a number whose contact comes, is renamed, and goes.
func newContact(n phone.Number) *subject {
	return &subject{number: n, read: nameOf, write: func(ctx context.Context, w *writer, random *rand.Rand, version string) (string, func() error) {
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
			return version, w.sql(ctx, `
				INSERT INTO contacts (org_id, phone, name, created_at, updated_at, last_contacted_at)
				SELECT $1::text::uuid, $2, $3, at, at, at FROM (SELECT now() + make_interval(secs => $4)) clock (at)`, n, version, w.skew.Seconds())
		case random.IntN(3) > 0 && ours:
			return version, func() error {
				_, err := w.book(random).Change(ctx, w.org, id, contacts.Change{Name: &version})
				return err
			}
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
	}, write: func(ctx context.Context, w *writer, random *rand.Rand, version string) (string, func() error) {
		switch random.IntN(4) {
		case 0:
			return "", w.sql(ctx, `DELETE FROM campaign_people WHERE org_id = $1::text::uuid AND phone = $2`, n)
		case 1:
			return version, w.sql(ctx, `
				INSERT INTO campaign_people (org_id, campaign_id, phone, notes, called_at)
				SELECT org_id, id, $2, $3, now() + make_interval(secs => $4) FROM campaigns WHERE org_id = $1::text::uuid AND name = 'Spring'
				ON CONFLICT (campaign_id, phone) DO UPDATE SET notes = excluded.notes`, n, version, w.skew.Seconds())
		default:
			return version, func() error {
				_, err := w.book(random).AddCampaignPerson(ctx, w.org, contacts.CampaignPerson{
					Campaign: "Spring", Phone: string(n), Name: "Kim", Notes: version, CalledAt: time.Now().Add(w.skew)})
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
	}, write: func(ctx context.Context, w *writer, random *rand.Rand, version string) (string, func() error) {
		if random.IntN(2) == 0 {
			return version, w.sql(ctx, `
				INSERT INTO interactions (org_id, sid, kind, direction, from_address, to_address, party, status, state_rank, started_at, ended_at, summary)
				SELECT $1::text::uuid, $2 || $3, 'call', 'inbound', $2, '+12125550199', $2, 'completed', 9, at, at, $3
				FROM (SELECT clock_timestamp() + make_interval(secs => $4)) clock (at)`, n, version, w.skew.Seconds())
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
	crowd[0].write = func(ctx context.Context, w *writer, _ *rand.Rand, version string) (string, func() error) {
		commit := w.sql(ctx, `UPDATE contacts SET name = $2 WHERE org_id = $1::text::uuid AND tags = '{crowd}'`, version)
		for _, s := range crowd[1:] {
			inner := commit
			commit = func() error { return s.chronicle.write(version, inner) }
		}
		return version, commit
	}
	return crowd
}
