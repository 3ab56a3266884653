-- One person who is in the book twice becomes one contact, and a person can be forgotten.

-- +goose Up

-- The texts on a line each. (array_to_string is not immutable, which a generated column asks for.)
-- +goose StatementBegin
CREATE FUNCTION ringside_lines(texts text[]) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    SELECT coalesce(string_agg(t, E'\n'), '') FROM unnest(texts) t
$$;
-- +goose StatementEnd

ALTER TABLE contacts
    -- Further numbers of this person, those of contacts that were merged into this one. A contact that
    -- has a number as its phone goes before one that has it here.
    ADD COLUMN other_phones text[] NOT NULL DEFAULT '{}'
        CHECK (cardinality(other_phones) <= 100 AND (other_phones = '{}' OR (array_to_string(other_phones, ' ', '?') || ' ') ~ '^(\+[1-9][0-9]{6,14} )+$')),
    -- The contact into which this one was merged: it stays archived.
    ADD COLUMN merged_into uuid REFERENCES contacts ON DELETE CASCADE,
    -- The line of the file that the contact came from, for finding the row again.
    ADD COLUMN import_line integer,
    ADD CONSTRAINT contacts_merged_archived CHECK (merged_into IS NULL OR archived_at IS NOT NULL),
    DROP COLUMN search;
ALTER TABLE contacts
    -- Name, e-mail and phones on a line each, folded.
    ADD COLUMN search text GENERATED ALWAYS AS
        (ringside_fold(name) || E'\n' || coalesce(ringside_fold(email), '') || E'\n' || phone
            || CASE WHEN other_phones = '{}' THEN '' ELSE E'\n' || ringside_lines(other_phones) END) STORED;
CREATE INDEX contacts_search ON contacts USING gin (org_id, search gin_trgm_ops);
-- Who has a number besides their phone is asked with organisation and number in one, so that no other
-- index can be taken for it, such as one that would read the whole organisation. Few contacts have any:
-- asking costs next to nothing.
-- +goose StatementBegin
CREATE FUNCTION ringside_other_numbers(org_id uuid, other_phones text[]) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    SELECT array_agg(org_id || number) FROM unnest(other_phones) number
$$;
-- +goose StatementEnd
CREATE INDEX contacts_other_phones ON contacts USING gin (ringside_other_numbers(org_id, other_phones)) WITH (fastupdate = off)
    WHERE other_phones <> '{}' AND archived_at IS NULL;
CREATE INDEX contacts_merged ON contacts (merged_into) WHERE merged_into IS NOT NULL;

-- Where the phone came from once it was changed; NULL: from where the contact did, when it was made.
ALTER TABLE contacts
    ADD COLUMN phone_source text CHECK (phone_source IS NULL OR ringside_source_rank(phone_source) > 0),
    ADD COLUMN phone_at     timestamptz;
-- +goose StatementBegin
CREATE FUNCTION ringside_phone_edited() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.phone_source := 'person'; NEW.phone_at := now();
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER phone_edited BEFORE UPDATE OF phone ON contacts
    FOR EACH ROW WHEN (NEW.phone <> OLD.phone AND (NEW.phone_source, NEW.phone_at) IS NOT DISTINCT FROM (OLD.phone_source, OLD.phone_at))
    EXECUTE FUNCTION ringside_phone_edited();

CREATE TABLE contact_merges (
    id        uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id    uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    kept_id   uuid NOT NULL REFERENCES contacts ON DELETE CASCADE,
    merged_id uuid NOT NULL REFERENCES contacts ON DELETE CASCADE,
    -- The kept contact's columns before and after, for undoing what nobody has changed since.
    before    jsonb NOT NULL,
    after     jsonb NOT NULL,
    merged_at timestamptz NOT NULL DEFAULT now(),
    undone_at timestamptz
);
CREATE INDEX contact_merges_kept ON contact_merges (kept_id);
CREATE INDEX contact_merges_merged ON contact_merges (merged_id);

-- The calls and messages that went along with a merged contact.
CREATE TABLE moved_interactions (
    merge_id       uuid NOT NULL REFERENCES contact_merges ON DELETE CASCADE,
    interaction_id uuid NOT NULL REFERENCES interactions ON DELETE CASCADE,
    PRIMARY KEY (merge_id, interaction_id)
);
CREATE INDEX moved_interactions_interaction ON moved_interactions (interaction_id);

-- Who was erased, without saying who: HMAC-SHA256 of organisation and number, under the program's
-- secret. What reaches the ledger of them from before does not make them a contact again.
CREATE TABLE erased_people (
    org_id    uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    person    bytea NOT NULL CHECK (octet_length(person) = 32),
    erased_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, person)
);

-- Receipts: what an erasure has removed.
CREATE TABLE erasures (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id     uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    contact_id uuid NOT NULL,
    receipt    jsonb NOT NULL,
    erased_at  timestamptz NOT NULL DEFAULT now()
);

-- Set where the other party was erased: the row stays, for counting, and nothing personal comes back.
-- Also of calls that go on, for moving and erasing all that is somebody's.
ALTER TABLE interactions ADD COLUMN erased_at timestamptz;
DROP INDEX interactions_contact;
DROP INDEX interactions_party;
CREATE INDEX interactions_contact ON interactions (contact_id, ended_at DESC) WHERE contact_id IS NOT NULL;
CREATE INDEX interactions_party ON interactions (org_id, party, ended_at DESC) WHERE contact_id IS NULL AND party IS NOT NULL;
CREATE INDEX interactions_erased ON interactions (org_id, sid) WHERE erased_at IS NOT NULL;

-- Whoever sets erased_at, and whoever writes after that: the row says nothing of who it was, what was
-- said goes, and the sidecars are told to forget what they decided ("<org> <sid>").
-- +goose StatementBegin
CREATE FUNCTION ringside_interaction_erased() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.erased_at IS NOT NULL THEN
        NEW.erased_at := OLD.erased_at;
    ELSE
        DELETE FROM transcripts WHERE org_id = NEW.org_id AND sid = NEW.sid;
        DELETE FROM captures WHERE org_id = NEW.org_id AND sid = NEW.sid;
        IF NEW.started_at > now() - interval '1 day' THEN
            PERFORM pg_notify('ringside_erased', NEW.org_id || ' ' || NEW.sid);
        END IF;
    END IF;
    IF NEW.direction = 'inbound' THEN NEW.from_address := ''; ELSE NEW.to_address := ''; END IF;
    NEW.party := NULL; NEW.contact_id := NULL; NEW.recognition := NULL;
    NEW.summary := ''; NEW.summary_at := NULL; NEW.details := '{}';
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER interaction_begins_erased BEFORE INSERT ON interactions
    FOR EACH ROW WHEN (NEW.erased_at IS NOT NULL) EXECUTE FUNCTION ringside_interaction_erased();
CREATE TRIGGER interaction_erased BEFORE UPDATE ON interactions
    FOR EACH ROW WHEN (OLD.erased_at IS NOT NULL OR NEW.erased_at IS NOT NULL) EXECUTE FUNCTION ringside_interaction_erased();

-- Somebody with several numbers has the same history under each.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION ringside_history_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('ringside.fenced', true) = 'on' THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'INSERT' THEN
        PERFORM ringside_announce(org_id, array_agg(DISTINCT number)) FROM new_rows, ringside_numbers(party, contact_id) number
        WHERE ended_at IS NOT NULL GROUP BY org_id;
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM ringside_announce(org_id, array_agg(DISTINCT number)) FROM old_rows, ringside_numbers(party, contact_id) number
        WHERE ended_at IS NOT NULL GROUP BY org_id;
    ELSE
        PERFORM ringside_announce(org_id, array_agg(DISTINCT number))
        FROM (SELECT org_id, party, contact_id, ended_at FROM old_rows UNION ALL SELECT org_id, party, contact_id, ended_at FROM new_rows) t,
            ringside_numbers(party, contact_id) number
        WHERE ended_at IS NOT NULL GROUP BY org_id;
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

-- The numbers whose history a call or message is part of.
-- +goose StatementBegin
CREATE FUNCTION ringside_numbers(party text, contact uuid) RETURNS SETOF text LANGUAGE sql STABLE AS $$
    SELECT party WHERE party IS NOT NULL
    UNION SELECT unnest(phone || other_phones) FROM contacts WHERE id = contact
$$;
-- +goose StatementEnd

-- People of the address book are announced by all their numbers.
-- +goose StatementBegin
CREATE FUNCTION ringside_contacts_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
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
DROP TRIGGER contacts_inserted ON contacts;
DROP TRIGGER contacts_updated ON contacts;
DROP TRIGGER contacts_deleted ON contacts;
CREATE TRIGGER contacts_inserted AFTER INSERT ON contacts REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ringside_contacts_changed();
CREATE TRIGGER contacts_updated AFTER UPDATE ON contacts REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ringside_contacts_changed();
CREATE TRIGGER contacts_deleted AFTER DELETE ON contacts REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ringside_contacts_changed();
