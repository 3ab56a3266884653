-- Campaigns call their people: how, and how far each of them is.

-- +goose Up
ALTER TABLE campaigns
    -- draft: never started. stopped: by somebody. finished: everybody has a result.
    ADD COLUMN state text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'running', 'paused', 'stopped', 'finished')),
    -- Who talks, from which number; NULL is not chosen yet, and one that leads to the agent.
    ADD COLUMN agent_id uuid REFERENCES voice_agents ON DELETE SET NULL,
    ADD COLUMN from_number text CHECK (from_number ~ '^\+[1-9][0-9]{6,14}$'),
    -- What people hear first ('': the agent's greeting), and what the agent is told of why they are called.
    ADD COLUMN greeting text NOT NULL DEFAULT '' CHECK (char_length(greeting) <= 2000),
    ADD COLUMN context text NOT NULL DEFAULT '' CHECK (char_length(context) <= 2000),
    ADD COLUMN per_minute integer NOT NULL DEFAULT 20 CHECK (per_minute BETWEEN 1 AND 6000),
    ADD COLUMN at_once integer NOT NULL DEFAULT 5 CHECK (at_once BETWEEN 1 AND 1000),
    -- Minutes of the day, and days of the week (1 is Monday), where the callee is. time_zone is for numbers
    -- that may be in several zones; '' calls those only when it is time in all of them.
    ADD COLUMN opens smallint NOT NULL DEFAULT 540,
    ADD COLUMN closes smallint NOT NULL DEFAULT 1200,
    ADD COLUMN days smallint[] NOT NULL DEFAULT '{1,2,3,4,5}' CHECK (cardinality(days) BETWEEN 1 AND 7 AND days <@ '{1,2,3,4,5,6,7}'),
    ADD COLUMN time_zone text NOT NULL DEFAULT '' CHECK (char_length(time_zone) <= 60),
    -- How often those who are busy or do not answer are called again, and how long after.
    ADD COLUMN retries smallint NOT NULL DEFAULT 2 CHECK (retries BETWEEN 0 AND 10),
    ADD COLUMN retry_minutes integer NOT NULL DEFAULT 60 CHECK (retry_minutes BETWEEN 1 AND 10080),
    ADD COLUMN hang_up_on_machines boolean NOT NULL DEFAULT false,
    -- The next call begins no sooner.
    ADD COLUMN next_at timestamptz NOT NULL DEFAULT 'epoch',
    ADD CHECK (opens >= 0 AND opens < closes AND closes <= 1440);
CREATE INDEX campaigns_running ON campaigns (next_at) WHERE state = 'running';

ALTER TABLE campaign_people
    -- What is known of them besides, for greetings: {"ORDER": "4711"}.
    ADD COLUMN variables jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(variables) = 'object'),
    -- waiting: for a first call, or for another after call_due_at. calling: outgoing_id is under way. done: there
    -- is an outcome. Somebody with called_at and no attempt was called by other means.
    ADD COLUMN call_state text NOT NULL DEFAULT 'waiting' CHECK (call_state IN ('waiting', 'calling', 'done')),
    ADD COLUMN call_attempts smallint NOT NULL DEFAULT 0,
    ADD COLUMN call_due_at timestamptz NOT NULL DEFAULT 'epoch',
    ADD COLUMN outgoing_id uuid,
    ADD COLUMN outcome text NOT NULL DEFAULT '' CHECK (char_length(outcome) <= 40);
CREATE INDEX campaign_people_to_call ON campaign_people (campaign_id, call_due_at, id) WHERE call_state = 'waiting' AND (called_at IS NULL OR call_attempts > 0);
CREATE INDEX campaign_people_calling ON campaign_people (campaign_id) WHERE call_state = 'calling';

ALTER TABLE outgoing
    -- Whose call it is, of a campaign; what they hear first, and what it may say of them.
    ADD COLUMN campaign_id uuid,
    ADD COLUMN person_id uuid,
    ADD COLUMN greeting text NOT NULL DEFAULT '' CHECK (char_length(greeting) <= 2000),
    ADD COLUMN variables jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN detect_machines boolean NOT NULL DEFAULT false,
    -- What waits is not sent any more after that; NULL: always.
    ADD COLUMN send_before timestamptz;
CREATE INDEX outgoing_of_campaigns ON outgoing (campaign_id) WHERE campaign_id IS NOT NULL AND state = 'waiting';

-- What a file says besides of a person whom it adds to a campaign.
ALTER TABLE contact_import_rows ADD COLUMN variables jsonb;
