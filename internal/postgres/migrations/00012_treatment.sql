-- How a contact wants, or has, to be treated: calls from somebody blocked are rejected, and whoever
-- asked for it is not greeted by name. Only a person changes either.

-- +goose Up
ALTER TABLE contacts
    ADD COLUMN blocked_at timestamptz,
    ADD COLUMN greet_by_name boolean NOT NULL DEFAULT true;
