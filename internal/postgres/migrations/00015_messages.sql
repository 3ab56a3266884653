-- Messages: what they say and bring along, and who does not want any.

-- +goose Up
ALTER TABLE interactions
    -- What a message says; '' of a call.
    ADD COLUMN text text NOT NULL DEFAULT '' CHECK (char_length(text) <= 10000),
    -- What came with it: [{"url": "…", "type": "image/jpeg"}, …]; NULL: nothing.
    ADD COLUMN media jsonb CHECK (jsonb_typeof(media) = 'array');

-- Whoever has asked not to be sent messages, by number: it holds whoever the number's contact is, and
-- when that is archived, added again or erased. Both times only move forward, so that the order in
-- which messages are written cannot matter; opted out is who said so last.
CREATE TABLE opt_outs (
    org_id        uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    phone         text NOT NULL CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
    opted_out_at  timestamptz,
    opted_in_at   timestamptz,
    PRIMARY KEY (org_id, phone)
);

-- When somebody has opted out, or NULL for whoever has not, or has come back since.
-- +goose StatementBegin
CREATE FUNCTION ringside_opted_out(org uuid, number text) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT opted_out_at FROM opt_outs WHERE org_id = org AND phone = number AND (opted_in_at IS NULL OR opted_in_at < opted_out_at)
$$;
-- +goose StatementEnd

-- What an erased person wrote, or was written, goes as well.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION ringside_interaction_erased() RETURNS trigger LANGUAGE plpgsql AS $$
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
    NEW.summary := ''; NEW.summary_at := NULL; NEW.details := '{}'; NEW.text := ''; NEW.media := NULL;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
