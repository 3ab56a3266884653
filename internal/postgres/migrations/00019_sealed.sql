-- Secrets of the program itself, sealed under RINGSIDE_SECRET_KEY, as twilio_accounts.auth_token and
-- voice_agents.runtime_secret are from here on. A plain value in one of those two still works, and is
-- sealed when a sidecar starts.

-- +goose Up
CREATE TABLE sealed_values (
    name       text PRIMARY KEY CHECK (name <> ''),
    value      text NOT NULL CHECK (value <> ''),
    updated_at timestamptz NOT NULL DEFAULT now()
);
