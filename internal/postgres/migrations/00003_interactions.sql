-- The ledger: one row a call or message, the events it was made from, and what was said.

-- +goose Up
CREATE TABLE interactions (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id          uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    -- Twilio's CallSid or MessageSid. Unique within the organisation, so that no other account
    -- can reach this row by naming its Sid.
    sid             text NOT NULL CHECK (sid <> '' AND char_length(sid) <= 64),
    kind            text NOT NULL CHECK (kind IN ('call', 'message')),
    direction       text NOT NULL CHECK (direction IN ('inbound', 'outbound')),
    from_address    text NOT NULL,
    to_address      text NOT NULL,
    -- The other party's number, if it is a person's number.
    party           text CHECK (party ~ '^\+[1-9][0-9]{6,14}$'),
    contact_id      uuid REFERENCES contacts ON DELETE SET NULL,
    agent_id        uuid REFERENCES voice_agents ON DELETE SET NULL,
    -- Twilio's word for the state; state_rank orders the words and only rises (rule 15).
    status          text NOT NULL,
    state_rank      smallint NOT NULL,
    started_at      timestamptz NOT NULL,
    ended_at        timestamptz,
    duration_s      integer CHECK (duration_s >= 0),
    -- false: the caller's number failed verification or lies below the agent's threshold, so
    -- this call is no part of the contact's history.
    trusted         boolean NOT NULL DEFAULT true,
    -- true: the caller said they are not the contact (ringside.not_me).
    disowned        boolean NOT NULL DEFAULT false,
    -- Why the call ended otherwise than by hanging up: runtime_unreachable, handoff, …
    reason          text NOT NULL DEFAULT '',
    summary         text NOT NULL DEFAULT '',
    summary_at      timestamptz,
    -- The trace of the recognition, as GET /v1/recognitions/{CallSid} shows it.
    recognition     jsonb,
    -- What each event brought that no column holds (notes, attestation, error codes), by the
    -- name of the event, so that their order cannot matter.
    details         jsonb NOT NULL DEFAULT '{}',
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (org_id, sid)
);
CREATE INDEX interactions_contact ON interactions (contact_id, ended_at DESC) WHERE ended_at IS NOT NULL;
CREATE INDEX interactions_party ON interactions (org_id, party, ended_at DESC) WHERE ended_at IS NOT NULL AND contact_id IS NULL;
CREATE INDEX interactions_recent ON interactions (org_id, started_at DESC);

-- What has been applied. An event is applied once: the primary key is the guarantee (rule 15).
CREATE TABLE interaction_events (
    org_id     uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    sid        text NOT NULL,
    event      text NOT NULL CHECK (char_length(event) <= 200),
    at         timestamptz NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (org_id, sid, event)
);

-- What was said, one row a relay session (a call that reconnects has several).
CREATE TABLE transcripts (
    org_id     uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    sid        text NOT NULL,
    session_id text NOT NULL,
    -- [{"at": "…", "who": "caller"|"agent", "text": "…"}, …]
    lines      jsonb NOT NULL,
    PRIMARY KEY (org_id, sid, session_id)
);

-- The result of each capture, so that the same call asking again gets the first answer.
CREATE TABLE captures (
    org_id     uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    sid        text NOT NULL,
    -- SHA-256 of what was captured, as hex.
    digest     text NOT NULL,
    result     jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (org_id, sid, digest)
);
