-- Voice agents that people set up in the dashboard, and how long what was said is kept.

-- +goose Up
ALTER TABLE voice_agents
    -- What the agent is told of a caller who is known. The greeting may say a name that it is not told.
    ADD COLUMN tell text[] NOT NULL DEFAULT '{name,email,tags,notes,campaign,history}'
        CHECK (tell <@ '{name,email,tags,notes,campaign,history}'::text[]),
    -- Who changes an agent says which state they saw, so that two people do not overwrite each other.
    ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();
-- +goose StatementBegin
CREATE FUNCTION ringside_agent_edited() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := greatest(clock_timestamp(), OLD.updated_at + interval '1 microsecond');
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER agent_edited BEFORE UPDATE ON voice_agents FOR EACH ROW EXECUTE FUNCTION ringside_agent_edited();

ALTER TABLE orgs
    -- After how many days what was said goes, and after how many the call or message as a whole; NULL: never.
    ADD COLUMN transcript_days integer CHECK (transcript_days BETWEEN 1 AND 3650),
    ADD COLUMN interaction_days integer CHECK (interaction_days BETWEEN 1 AND 3650);

-- When it was kept: a transcript has to be found by its age.
ALTER TABLE transcripts ADD COLUMN created_at timestamptz NOT NULL DEFAULT now();
UPDATE transcripts t SET created_at = coalesce(i.ended_at, i.started_at) FROM interactions i WHERE i.org_id = t.org_id AND i.sid = t.sid;
CREATE INDEX transcripts_age ON transcripts (org_id, created_at);
