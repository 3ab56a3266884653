-- How many active contacts an organisation has, without counting them each time.

-- +goose Up

-- What every change has added or taken away of the contacts with a source; the sum is the number of
-- active contacts, in every snapshot. Whoever changes contacts adds a row and waits for nobody; rows are put together now and
-- then. No foreign key: contacts that go with their organisation leave a row behind them.
CREATE TABLE contact_counts (
    org_id uuid NOT NULL,
    source text NOT NULL,
    active bigint NOT NULL
);
CREATE INDEX contact_counts_org ON contact_counts (org_id);
INSERT INTO contact_counts SELECT org_id, source, count(*) FROM contacts WHERE archived_at IS NULL GROUP BY org_id, source;

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION ringside_contacts_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO contact_counts SELECT org_id, source, count(*) FROM new_rows WHERE archived_at IS NULL GROUP BY org_id, source;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO contact_counts SELECT org_id, source, -count(*) FROM old_rows WHERE archived_at IS NULL GROUP BY org_id, source;
    ELSE
        INSERT INTO contact_counts SELECT org_id, source, sum(n)
        FROM (SELECT org_id, source, -1 AS n FROM old_rows WHERE archived_at IS NULL UNION ALL SELECT org_id, source, 1 FROM new_rows WHERE archived_at IS NULL) t
        GROUP BY org_id, source HAVING sum(n) <> 0;
    END IF;
    IF current_setting('ringside.fenced', true) = 'on' THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'INSERT' THEN
        PERFORM ringside_announce(org_id, array_agg(DISTINCT number)) FROM new_rows, unnest(phone || other_phones) number GROUP BY org_id;
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM ringside_announce(org_id, array_agg(DISTINCT number)) FROM old_rows, unnest(phone || other_phones) number GROUP BY org_id;
    ELSE
        PERFORM ringside_announce(org_id, array_agg(DISTINCT number))
        FROM (SELECT org_id, phone, other_phones FROM old_rows UNION ALL SELECT org_id, phone, other_phones FROM new_rows) t,
            unnest(phone || other_phones) number GROUP BY org_id;
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION ringside_contacts_truncated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM contact_counts;
    PERFORM pg_notify('ringside_callers', '*');
    RETURN NULL;
END
$$;
-- +goose StatementEnd
DROP TRIGGER contacts_truncated ON contacts;
CREATE TRIGGER contacts_truncated AFTER TRUNCATE ON contacts FOR EACH STATEMENT EXECUTE FUNCTION ringside_contacts_truncated();

-- Whom a source has made, where it is not most of the book: files make most, and by the order's own
-- index a page of them is found soon.
CREATE INDEX contacts_by_source ON contacts ((org_id::text), source, (ringside_fold(name) COLLATE "C"), id) WHERE archived_at IS NULL AND source <> 'import';
