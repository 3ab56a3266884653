-- The address book as people use it: searched, sorted, filtered, and filled from files.

-- +goose Up

-- Substrings are found by their groups of three characters; an organisation's among them alone.
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS btree_gin;

-- A text as it is searched and sorted: without case, accents and width. What Unicode does not take
-- apart into letter and accent is named by hand.
-- +goose StatementBegin
CREATE FUNCTION ringside_fold(text text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    SELECT replace(translate(lower(regexp_replace(normalize(text, NFKD), '[\u0300-\u036F]', '', 'g')), 'øłđıð', 'oldid'), 'ß', 'ss')
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION ringside_fold_all(texts text[]) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    SELECT coalesce(array_agg(ringside_fold(t)), '{}') FROM unnest(texts) t
$$;
-- +goose StatementEnd

-- The LIKE pattern of whatever has text in it, folded.
-- +goose StatementBegin
CREATE FUNCTION ringside_containing(text text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    SELECT '%' || regexp_replace(ringside_fold(text), '([\\%_])', '\\\1', 'g') || '%'
$$;
-- +goose StatementEnd

ALTER TABLE contacts
    -- What made the row; a program that names none added it on a person's behalf.
    ADD COLUMN source text NOT NULL DEFAULT 'person' CHECK (ringside_source_rank(source) > 0),
    -- Name, e-mail and phone on a line each, folded.
    ADD COLUMN search text GENERATED ALWAYS AS
        (ringside_fold(name) || E'\n' || coalesce(ringside_fold(email), '') || E'\n' || phone) STORED;
UPDATE contacts SET source = CASE WHEN 'person' IN (name_source, email_source, tags_source, notes_source) THEN 'person' ELSE name_source END;

CREATE INDEX contacts_search ON contacts USING gin (org_id, search gin_trgm_ops);
CREATE INDEX contacts_tags ON contacts USING gin (org_id, ringside_fold_all(tags));
-- The ways a list is sorted, each with the id to tell equals apart. Names sort by code point, which
-- is the same wherever the database runs.
--
-- They begin with the organisation as a text so that only lists, which ask for it so, can use them. Of
-- two indexes that begin with org_id, Postgres takes either while a table has no statistics, and one
-- of these would read the whole organisation to find one phone.
CREATE INDEX contacts_by_name ON contacts ((org_id::text), (ringside_fold(name) COLLATE "C"), id) WHERE archived_at IS NULL;
CREATE INDEX contacts_by_contacted ON contacts ((org_id::text), (coalesce(last_contacted_at, '-infinity')), id) WHERE archived_at IS NULL;
CREATE INDEX contacts_by_created ON contacts ((org_id::text), created_at, id) WHERE archived_at IS NULL;
CREATE INDEX contacts_archived ON contacts ((org_id::text), (ringside_fold(name) COLLATE "C"), id) WHERE archived_at IS NOT NULL;
DROP INDEX contacts_last_digits;
CREATE INDEX contacts_last_digits ON contacts (right(phone, 7), (org_id::text)) WHERE archived_at IS NULL;
