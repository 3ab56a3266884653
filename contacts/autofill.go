package contacts

// AutoFillSQL is the part of a statement that lets calls and messages fill the address book, a
// whole batch at once. It is a fragment of a WITH list: it reads the name arrivals(org_id, phone,
// at), one row an organisation and phone, and defines people(id, org_id, phone).
//
// A number that nobody has becomes a contact without a real name: the number itself, or the name
// under which a campaign called it. A number that somebody has, be it from a contact that was merged
// into theirs, only moves last_contacted_at forward: nothing good is replaced (rule 3). The
// organisation's own numbers are left out (rule 5). The plan's limit is not asked (rule 4). Rows come
// sorted, so that two writers lock them in the same order.
var AutoFillSQL = `reached AS (
	-- Under which phone the book has them.
	SELECT a.org_id, a.phone AS called_from, a.at, coalesce((SELECT phone FROM contacts WHERE id = ` + HolderSQL("a.org_id", "a.phone") + `), a.phone) AS phone
	FROM arrivals a
	WHERE NOT EXISTS (SELECT FROM phone_numbers own WHERE own.org_id = a.org_id AND own.phone = a.phone)
), filled AS (
	INSERT INTO contacts (org_id, source, phone, name, name_source, name_at, email_source, email_at, tags_source, tags_at,
		notes_source, notes_at, last_contacted_at)
	SELECT a.org_id, 'auto', a.phone, coalesce(c.name, a.phone), 'auto', a.at, 'auto', a.at, 'auto', a.at, 'auto', a.at, a.at
	FROM (SELECT org_id, phone, max(at) AS at FROM reached GROUP BY org_id, phone) a
	LEFT JOIN LATERAL (
		SELECT p.name FROM campaign_people p
		WHERE p.org_id = a.org_id AND p.phone = a.phone AND p.called_at IS NOT NULL AND ringside_real_name(p.name)
		ORDER BY p.called_at DESC LIMIT 1
	) c ON true
	ORDER BY a.org_id, a.phone
	ON CONFLICT (org_id, phone) WHERE archived_at IS NULL
	DO UPDATE SET last_contacted_at = greatest(contacts.last_contacted_at, excluded.last_contacted_at)
	RETURNING id, org_id, phone
), people AS (
	SELECT f.id, f.org_id, r.called_from AS phone FROM filled f JOIN reached r ON (r.org_id, r.phone) = (f.org_id, f.phone)
)`
