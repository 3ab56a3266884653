-- The API: answers kept for requests that are sent again, and keys that are being replaced.

-- +goose Up
CREATE TABLE api_idempotency (
    org_id       uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    -- The Idempotency-Key as the client sent it.
    key          text NOT NULL CHECK (key ~ '^[!-~]{1,255}$'),
    -- SHA-256 of method, path, query and body.
    fingerprint  bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    -- Whoever carries the request out; who comes after their lease has another one.
    attempt      uuid NOT NULL DEFAULT gen_random_uuid(),
    leased_until timestamptz NOT NULL DEFAULT now() + interval '1 minute',
    -- The answer; NULL: none yet.
    status       smallint CHECK (status BETWEEN 200 AND 499),
    content_type text,
    body         bytea CHECK (octet_length(body) <= 1048576),
    expires_at   timestamptz NOT NULL DEFAULT now() + interval '24 hours',
    PRIMARY KEY (org_id, key)
);
CREATE INDEX api_idempotency_expired ON api_idempotency (expires_at);

-- A key that was rotated works until then; NULL: without end.
ALTER TABLE api_keys ADD COLUMN expires_at timestamptz;
