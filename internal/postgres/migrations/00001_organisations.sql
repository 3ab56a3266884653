-- Organisations and what belongs to them by hand: voice agents, Twilio accounts, phone numbers, keys.

-- +goose Up
CREATE TABLE orgs (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name          text NOT NULL CHECK (btrim(name) <> '' AND char_length(name) <= 200),
    -- ISO 3166-1 alpha-2: how a national phone number is read.
    country       text NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
    -- NULL is unlimited.
    contact_limit integer CHECK (contact_limit >= 0),
    created_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE voice_agents (
    id               uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id           uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    name             text NOT NULL CHECK (btrim(name) <> '' AND char_length(name) <= 200),
    greeting         text NOT NULL CHECK (char_length(greeting) <= 2000),
    -- Said to callers who are not greeted by name; '' uses greeting with the name left out.
    unknown_greeting text NOT NULL DEFAULT '' CHECK (char_length(unknown_greeting) <= 2000),
    language         text NOT NULL DEFAULT 'en-US',
    transport        text NOT NULL DEFAULT 'conversationrelay' CHECK (transport IN ('conversationrelay', 'stream')),
    runtime_url      text NOT NULL CHECK (runtime_url ~ '^wss?://'),
    -- Sent to the runtime as "Authorization: Bearer …"; '' sends none.
    runtime_secret   text NOT NULL DEFAULT '',
    -- The lowest STIR/SHAKEN attestation at which a caller is recognised; NULL asks for none.
    min_attestation  text CHECK (min_attestation IN ('A', 'B', 'C')),
    -- Dialled when the runtime cannot be reached or hands over; NULL: a spoken apology instead.
    fallback_number  text CHECK (fallback_number ~ '^\+[1-9][0-9]{6,14}$'),
    -- Said before hanging up when the runtime cannot be reached; '' uses the built-in sentence.
    apology          text NOT NULL DEFAULT '' CHECK (char_length(apology) <= 1000),
    keep_transcript  boolean NOT NULL DEFAULT true,
    -- ConversationRelay attributes by their TwiML names.
    relay_settings   jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(relay_settings) = 'object'),
    created_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (org_id, id)
);

CREATE TABLE twilio_accounts (
    account_sid text PRIMARY KEY CHECK (account_sid ~ '^AC[0-9a-fA-F]{32}$'),
    org_id      uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    auth_token  text NOT NULL CHECK (auth_token <> ''),
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (org_id, account_sid)
);

CREATE TABLE phone_numbers (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id      uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    phone       text NOT NULL UNIQUE CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
    agent_id    uuid NOT NULL,
    account_sid text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    -- The agent and the account are the number's own organisation's (design, rule 19).
    FOREIGN KEY (org_id, agent_id) REFERENCES voice_agents (org_id, id),
    FOREIGN KEY (org_id, account_sid) REFERENCES twilio_accounts (org_id, account_sid)
);

CREATE TABLE api_keys (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id     uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    name       text NOT NULL CHECK (btrim(name) <> '' AND char_length(name) <= 200),
    -- SHA-256 of the key; the key itself is shown once and never kept.
    hash       bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    scopes     text[] NOT NULL DEFAULT '{read,write,tools}',
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
