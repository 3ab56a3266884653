package contacts

import (
	"context"
	"slices"

	"ringside/internal/org"
)

// eraseCopies removes what is kept of a person outside the address book: rows of files that were
// imported and what reports show of them, and answers of the API that are kept for a day. Of rows that
// could not be read, those go that have an e-mail address or the digits of a number anywhere: rather
// one too many than one too few. It returns how many rows of files it removed.
func (b *Book) eraseCopies(ctx context.Context, id org.ID, p person) (rows int, err error) {
	mentions := slices.Clone(p.emails) // what is in a text that tells of them
	for _, n := range p.numbers {
		mentions = append(mentions, string(n[max(1, len(n)-8):])) // however a number's beginning is written
	}
	err = b.pool.QueryRow(ctx, `
		WITH gone AS (
			DELETE FROM contact_import_rows r USING contact_imports i
			WHERE i.org_id = $1::text::uuid AND r.import_id = i.id AND (r.phone = ANY ($2) OR lower(r.email) = ANY ($3)
				OR r.verdict = 'invalid' AND `+mentionedSQL("array_to_string(r.cells, ' ')")+`
				OR (r.import_id, r.line) IN (SELECT import_id, import_line FROM contacts WHERE id = ANY ($5::text[]::uuid[])))
			RETURNING r.import_id, r.line
		), told AS (
			UPDATE contact_imports i SET report = i.report - 'first' || jsonb_build_object('problems', (
				SELECT coalesce(jsonb_agg(p ORDER BY n), '[]') FROM jsonb_array_elements(i.report->'problems') WITH ORDINALITY AS t (p, n)
				WHERE (p->>'line')::int NOT IN (SELECT line FROM gone WHERE import_id = i.id) AND NOT `+mentionedSQL("p::text")+`))
			WHERE i.org_id = $1::text::uuid AND i.report ? 'problems' AND (i.id IN (SELECT import_id FROM gone) OR `+mentionedSQL("i.report::text")+`)
		)
		SELECT count(*) FROM gone`, id, p.numbers, p.emails, mentions, p.ids).Scan(&rows)
	if err != nil {
		return 0, err
	}
	// What is kept of files that were not imported yet is not searched: it goes whole.
	if _, err = b.pool.Exec(ctx, `DELETE FROM import_files WHERE org_id = $1::text::uuid`, id); err != nil {
		return 0, err
	}
	_, err = b.pool.Exec(ctx, `
		DELETE FROM api_idempotency WHERE org_id = $1::text::uuid
			AND EXISTS (SELECT FROM unnest($2::text[]) m WHERE strpos(lower(convert_from(body, 'UTF8')), m) > 0)`, id, append(mentions, p.ids...))
	return rows, err
}

// mentionedSQL is whether one of $4 is in a text, or in its digits.
func mentionedSQL(text string) string {
	return `EXISTS (SELECT FROM unnest($4::text[]) m
		WHERE strpos(lower(` + text + `), m) > 0 OR strpos(regexp_replace(` + text + `, '[^0-9]', '', 'g'), m) > 0)`
}
