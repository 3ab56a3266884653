package contacts

// AutoFillSQL is the part of a statement that lets calls and messages fill the address book, a
// whole batch at once. It is a fragment of a WITH list: it reads the name arrivals(org_id, phone,
// at), one row an organisation and phone, and defines people(id, org_id, phone).
//
// A number that nobody has becomes a contact without a real name: the number itself, or the name
// under which a campaign called it. A number that somebody has only moves last_contacted_at
// forward: nothing good is replaced (rule 3). The organisation's own numbers are left out (rule
// 5). The plan's limit is not asked (rule 4). Rows come sorted, so that two writers lock them in
// the same order.
const AutoFillSQL = `people AS (
	INSERT INTO contacts (org_id, source, phone, name, name_source, name_at, email_source, email_at, tags_source, tags_at,
		notes_source, notes_at, last_contacted_at)
	SELECT a.org_id, 'auto', a.phone, coalesce(c.name, a.phone), 'auto', a.at, 'auto', a.at, 'auto', a.at, 'auto', a.at, a.at
	FROM arrivals a
	LEFT JOIN LATERAL (
		SELECT p.name FROM campaign_people p
		WHERE p.org_id = a.org_id AND p.phone = a.phone AND p.called_at IS NOT NULL AND ringside_real_name(p.name)
		ORDER BY p.called_at DESC LIMIT 1
	) c ON true
	WHERE NOT EXISTS (SELECT FROM phone_numbers own WHERE own.org_id = a.org_id AND own.phone = a.phone)
	ORDER BY a.org_id, a.phone
	ON CONFLICT (org_id, phone) WHERE archived_at IS NULL
	DO UPDATE SET last_contacted_at = greatest(contacts.last_contacted_at, excluded.last_contacted_at)
	RETURNING id, org_id, phone
)`
