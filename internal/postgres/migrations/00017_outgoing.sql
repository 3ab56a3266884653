-- What is to be sent through Twilio's REST API: calls that are placed, messages that are sent. Each is
-- a row before Twilio is asked, so that it is sent once, whoever is killed meanwhile.

-- +goose Up
CREATE TABLE outgoing (
    id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id         uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    kind           text NOT NULL CHECK (kind IN ('call', 'message')),
    from_number    text NOT NULL CHECK (from_number ~ '^\+[1-9][0-9]{6,14}$'),
    to_number      text NOT NULL CHECK (to_number ~ '^\+[1-9][0-9]{6,14}$'),
    -- Who talks in a call.
    agent_id       uuid REFERENCES voice_agents ON DELETE SET NULL,
    -- What a message says; what the agent is told of why a call is placed.
    text           text NOT NULL DEFAULT '' CHECK (char_length(text) <= 1600),
    context        text NOT NULL DEFAULT '' CHECK (char_length(context) <= 2000),
    -- The inbound message that it answers.
    in_reply_to    text,
    -- What the sender calls it: the same again is the same.
    dedupe         text CHECK (char_length(dedupe) BETWEEN 1 AND 300),
    -- waiting: Twilio was not asked, or has refused without acting. sending: it is being asked. unclear: it
    -- was asked and nobody knows whether it has acted. sent: it has the call or message, under sid. failed: it
    -- never will.
    state          text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sending', 'unclear', 'sent', 'failed')),
    sid            text CHECK (char_length(sid) <= 64),
    problem_code   text NOT NULL DEFAULT '',
    problem        text NOT NULL DEFAULT '',
    attempts       smallint NOT NULL DEFAULT 0,
    -- When it is due, and until when whoever works on it may take.
    due_at         timestamptz NOT NULL DEFAULT now(),
    leased_until   timestamptz,
    -- When Twilio was last asked to send it: an unclear one is looked for some time from then on.
    asked_at       timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now(),
    settled_at     timestamptz,
    CHECK ((state = 'sent') = (sid IS NOT NULL))
);
CREATE UNIQUE INDEX outgoing_dedupe ON outgoing (org_id, kind, dedupe) WHERE dedupe IS NOT NULL;
CREATE INDEX outgoing_due ON outgoing (due_at) WHERE state IN ('waiting', 'sending', 'unclear');
CREATE INDEX outgoing_settled ON outgoing (settled_at) WHERE state IN ('sent', 'failed');
CREATE INDEX outgoing_party ON outgoing (org_id, to_number, created_at DESC);
CREATE INDEX outgoing_sid ON outgoing (org_id, sid) WHERE sid IS NOT NULL;

-- When the next call may begin from a number: Twilio starts so many a second, and a caller's number that
-- calls too fast is taken for a robot's.
CREATE TABLE outgoing_pace (
    org_id      uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    from_number text NOT NULL,
    next_at     timestamptz NOT NULL,
    PRIMARY KEY (org_id, from_number)
);
