package contacts

// importInto is where an import writes: the address book, or a campaign. Its statements take the
// organisation as $1 and the import as $2.
type importInto struct {
	table string
	// staged are the rows that may be added, with what is known of their phones.
	staged string
	// step writes the next rows after line $3, $4 at most, as far as there is room ($5; NULL is no
	// limit). What is there already is left as it is.
	step string
	// untouched are the ids of those whom the import has added and nobody has changed or been in
	// contact with since; added are all of them, for people to read.
	untouched, added string
	limited          bool // by the plan
}

var intoBook = newImportInto(importInto{
	table: "contacts",
	untouched: `SELECT id FROM contacts WHERE org_id = $1::text::uuid AND import_id = $2::text::uuid
		AND updated_at = created_at AND last_contacted_at IS NULL`,
	added:   `SELECT id::text, name, phone FROM contacts WHERE org_id = $1::text::uuid AND import_id = $2::text::uuid ORDER BY name, id`,
	limited: true,
},
	// Active and archived contacts have an index each, and LIMIT keeps to it.
	`SELECT true AS it WHERE `+HolderSQL("$1::text::uuid", "s.phone")+` IS NOT NULL`,
	`SELECT true AS it FROM contacts c WHERE c.org_id = $1::text::uuid AND c.phone = s.phone AND c.archived_at IS NOT NULL LIMIT 1`,
	`INSERT INTO contacts (org_id, import_id, import_line, source, name, phone, email, tags, notes, name_source, email_source, tags_source, notes_source)
	SELECT $1::text::uuid, $2::text::uuid, line, 'import', name, phone, email, tags, coalesce(notes, ''), 'import', 'import', 'import', 'import'
	FROM fresh WHERE $5::int IS NULL OR nth <= $5
	ON CONFLICT (org_id, phone) WHERE archived_at IS NULL DO NOTHING RETURNING id`)

var intoCampaign = newImportInto(importInto{
	table:     "campaign_people",
	untouched: `SELECT id FROM campaign_people WHERE org_id = $1::text::uuid AND import_id = $2::text::uuid AND called_at IS NULL AND changed_at IS NULL AND call_state <> 'calling'`,
	added:     `SELECT id::text, name, phone FROM campaign_people WHERE org_id = $1::text::uuid AND import_id = $2::text::uuid ORDER BY name, id`,
},
	`SELECT true AS it FROM campaign_people p WHERE p.org_id = $1::text::uuid AND p.campaign_id = (SELECT campaign_id FROM contact_imports WHERE id = $2::text::uuid) AND p.phone = s.phone LIMIT 1`,
	`SELECT true AS it WHERE false`, // nobody is taken out of a campaign
	`INSERT INTO campaign_people (org_id, campaign_id, import_id, name, phone, notes, variables)
	SELECT $1::text::uuid, (SELECT campaign_id FROM contact_imports WHERE id = $2::text::uuid), $2::text::uuid, name, phone, coalesce(notes, ''), coalesce(variables, '{}')
	FROM fresh WHERE $5::int IS NULL OR nth <= $5
	ON CONFLICT (campaign_id, phone) DO NOTHING RETURNING id`)

// into returns where the import of a report writes.
func (r *ImportReport) into() *importInto {
	if r.CampaignID != "" {
		return &intoCampaign
	}
	return &intoBook
}

// newImportInto completes into by who has the phone of row s, who had it and is archived, and what adds
// the rows named fresh.
func newImportInto(into importInto, active, archived, insert string) importInto {
	const asked = `SELECT s.*, active.it IS NOT NULL AS active, archived.it IS NOT NULL AS archived FROM `
	who := ` s LEFT JOIN LATERAL (` + active + `) active ON true LEFT JOIN LATERAL (` + archived + `) archived ON true`
	into.staged = asked + `contact_import_rows` + who + ` WHERE s.import_id = $2::text::uuid AND s.verdict = 'new'`
	into.step = `
WITH step AS MATERIALIZED (
	SELECT * FROM contact_import_rows WHERE import_id = $2::text::uuid AND line > $3 ORDER BY line LIMIT $4
), asked AS MATERIALIZED (
	` + asked + `step` + who + ` WHERE s.verdict IN ('new', 'left_out')
), fresh AS MATERIALIZED (
	SELECT *, row_number() OVER (ORDER BY line) AS nth FROM asked WHERE NOT active AND NOT archived
), made AS (
	` + insert + `
), left_out AS (
	UPDATE contact_import_rows SET verdict = 'left_out'
	WHERE import_id = $2::text::uuid AND line = ANY (ARRAY(SELECT line FROM fresh WHERE nth > $5)) RETURNING line
), counted AS (
	SELECT (SELECT max(line) FROM step) AS line, (SELECT count(*) FROM asked) AS asked, (SELECT count(*) FROM made) AS made,
		(SELECT count(*) FROM asked WHERE archived AND NOT active) AS archived, (SELECT count(*) FROM left_out) AS left_out
), noted AS (
	UPDATE contact_imports i SET leased_until = now() + interval '1 minute', applied_line = c.line, report = i.report || jsonb_build_object(
		'created', (i.report->>'created')::int + c.made,
		'known', (i.report->>'known')::int + c.asked - c.made - c.left_out,
		'archived', (i.report->>'archived')::int + c.archived,
		'left_out', (i.report->>'left_out')::int + c.left_out)
	FROM counted c WHERE i.id = $2::text::uuid AND c.line IS NOT NULL
)
SELECT line, asked, made, archived, left_out FROM counted`
	return into
}
