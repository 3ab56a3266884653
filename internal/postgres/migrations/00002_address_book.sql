-- The address book: contacts, and people whom campaigns have called.

-- +goose Up

-- Whether a name may be said to a caller: not blank, not a placeholder, not a number.
-- contacts.RealName is the same rule in Go; a test holds the two together.
-- +goose StatementBegin
CREATE FUNCTION ringside_real_name(name text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(
        name ~ '[^\u0001-\u0040\u005B-\u0060\u007B-\u00A0]'
        AND position('{{' IN name) = 0
        AND position('<<' IN name) = 0
        AND lower(btrim(regexp_replace(name, '[\u0001-\u0020\u007F-\u00A0]+', ' ', 'g')) COLLATE "C") <> ALL (ARRAY[
            'unknown', 'unknown caller', 'unknown name', 'unknown contact', 'anonymous', 'anonymous caller',
            'caller', 'new caller', 'new contact', 'contact', 'customer', 'guest', 'visitor', 'no name', 'noname',
            'n/a', 'na', 'none', 'null', 'nil', 'undefined', 'not provided', 'not given', 'private', 'private caller',
            'private number', 'restricted', 'unavailable', 'withheld', 'blocked', 'wireless caller', 'test', 'tbd']),
        false)
$$;
-- +goose StatementEnd

-- Who wins when two sources know a field: a person's edit beats what an agent captured, which
-- beats an import, which beats what a call left by itself (design, rule 3).
-- +goose StatementBegin
CREATE FUNCTION ringside_source_rank(source text) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE source WHEN 'person' THEN 4 WHEN 'capture' THEN 3 WHEN 'import' THEN 2 WHEN 'auto' THEN 1 ELSE 0 END
$$;
-- +goose StatementEnd

-- Whether a value observed then beats the one held: the better source, or the later word of an
-- equal one.
-- +goose StatementBegin
CREATE FUNCTION ringside_wins(source text, at timestamptz, held_source text, held_at timestamptz) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (ringside_source_rank(source), at) >= (ringside_source_rank(held_source), held_at)
$$;
-- +goose StatementEnd

CREATE TABLE contacts (
    id                uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id            uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    name              text NOT NULL CHECK (btrim(name) <> '' AND char_length(name) <= 200),
    phone             text NOT NULL CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
    email             text CHECK (char_length(email) <= 254 AND email ~ '^[^@[:space:]]+@[^@[:space:]]+$'),
    tags              text[] NOT NULL DEFAULT '{}' CHECK (cardinality(tags) <= 100),
    notes             text NOT NULL DEFAULT '' CHECK (char_length(notes) <= 20000),
    -- Where each field came from and when it was observed. A program that knows nothing of
    -- these columns counts as a person (see the trigger below).
    name_source       text NOT NULL DEFAULT 'person' CHECK (ringside_source_rank(name_source) > 0),
    name_at           timestamptz NOT NULL DEFAULT now(),
    email_source      text NOT NULL DEFAULT 'person' CHECK (ringside_source_rank(email_source) > 0),
    email_at          timestamptz NOT NULL DEFAULT now(),
    tags_source       text NOT NULL DEFAULT 'person' CHECK (ringside_source_rank(tags_source) > 0),
    tags_at           timestamptz NOT NULL DEFAULT now(),
    notes_source      text NOT NULL DEFAULT 'person' CHECK (ringside_source_rank(notes_source) > 0),
    notes_at          timestamptz NOT NULL DEFAULT now(),
    last_contacted_at timestamptz,
    archived_at       timestamptz,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now()
);

-- Rule 1: one active contact per organisation and phone; an archived one is in nobody's way.
CREATE UNIQUE INDEX contacts_active_phone ON contacts (org_id, phone) WHERE archived_at IS NULL;
-- Near misses for `ringside explain`; recognition itself never matches by last digits (rule 7).
CREATE INDEX contacts_last_digits ON contacts (org_id, right(phone, 7)) WHERE archived_at IS NULL;

-- A field that changes without its source being named was changed by a program that does not
-- know of sources, on a person's behalf.
-- +goose StatementBegin
CREATE FUNCTION ringside_contact_edited() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.name IS DISTINCT FROM OLD.name AND (NEW.name_source, NEW.name_at) = (OLD.name_source, OLD.name_at) THEN
        NEW.name_source := 'person'; NEW.name_at := now();
    END IF;
    IF NEW.email IS DISTINCT FROM OLD.email AND (NEW.email_source, NEW.email_at) = (OLD.email_source, OLD.email_at) THEN
        NEW.email_source := 'person'; NEW.email_at := now();
    END IF;
    IF NEW.tags IS DISTINCT FROM OLD.tags AND (NEW.tags_source, NEW.tags_at) = (OLD.tags_source, OLD.tags_at) THEN
        NEW.tags_source := 'person'; NEW.tags_at := now();
    END IF;
    IF NEW.notes IS DISTINCT FROM OLD.notes AND (NEW.notes_source, NEW.notes_at) = (OLD.notes_source, OLD.notes_at) THEN
        NEW.notes_source := 'person'; NEW.notes_at := now();
    END IF;
    NEW.updated_at := now();
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER contact_edited BEFORE UPDATE OF name, phone, email, tags, notes, archived_at ON contacts
    FOR EACH ROW EXECUTE FUNCTION ringside_contact_edited();

-- last_contacted_at only moves forward, whoever writes (rule 3).
-- +goose StatementBegin
CREATE FUNCTION ringside_contacted_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.last_contacted_at := OLD.last_contacted_at;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER contacted_forward BEFORE UPDATE OF last_contacted_at ON contacts
    FOR EACH ROW WHEN (OLD.last_contacted_at > NEW.last_contacted_at
                       OR OLD.last_contacted_at IS NOT NULL AND NEW.last_contacted_at IS NULL)
    EXECUTE FUNCTION ringside_contacted_forward();

CREATE TABLE campaigns (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id     uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    name       text NOT NULL CHECK (btrim(name) <> '' AND char_length(name) <= 200),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (org_id, name),
    UNIQUE (org_id, id)
);

CREATE TABLE campaign_people (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id      uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    campaign_id uuid NOT NULL,
    phone       text NOT NULL CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
    name        text NOT NULL DEFAULT '' CHECK (char_length(name) <= 200),
    notes       text NOT NULL DEFAULT '' CHECK (char_length(notes) <= 20000),
    result      text NOT NULL DEFAULT '' CHECK (char_length(result) <= 2000),
    -- NULL: not called yet, and so not recognised by this campaign (rule 8).
    called_at   timestamptz,
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (campaign_id, phone),
    FOREIGN KEY (org_id, campaign_id) REFERENCES campaigns (org_id, id) ON DELETE CASCADE
);
CREATE INDEX campaign_people_called ON campaign_people (org_id, phone, called_at DESC) WHERE called_at IS NOT NULL;
