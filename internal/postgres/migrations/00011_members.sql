-- People who sign in to the dashboard, and the log of who changed what.

-- +goose Up
CREATE TABLE members (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id        uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    email         text NOT NULL CHECK (char_length(email) <= 254 AND email ~ '^[^@[:space:]]+@[^@[:space:]]+$'),
    name          text NOT NULL DEFAULT '' CHECK (char_length(name) <= 200),
    role          text NOT NULL CHECK (role IN ('owner', 'member', 'viewer')),
    -- A PHC string of argon2id; '': no password was set yet.
    password_hash text NOT NULL DEFAULT '',
    created_at    timestamptz NOT NULL DEFAULT now(),
    last_seen_at  timestamptz
);
-- An address is one person's, of one organisation.
CREATE UNIQUE INDEX members_email ON members (lower(email));
CREATE INDEX members_org ON members (org_id);

-- One-time links: an invitation or a new password, and the demo's, which works until it expires.
CREATE TABLE member_links (
    -- SHA-256 of the token; the token itself is shown once and never kept.
    hash       bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    member_id  uuid NOT NULL REFERENCES members ON DELETE CASCADE,
    kind       text NOT NULL CHECK (kind IN ('password', 'demo')),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX member_links_member ON member_links (member_id);

CREATE TABLE sessions (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    hash         bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    member_id    uuid NOT NULL REFERENCES members ON DELETE CASCADE,
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    -- What the browser says it is, and where it came from at first: for recognising one's sessions.
    user_agent   text NOT NULL DEFAULT '' CHECK (char_length(user_agent) <= 300),
    remote       text NOT NULL DEFAULT '' CHECK (char_length(remote) <= 100)
);
CREATE INDEX sessions_member ON sessions (member_id);

CREATE TABLE audit_log (
    id       uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id   uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Whose doing it was: kind is member, key or operator (the command line); id is a member's or
    -- key's, and stays when they are gone, as does the name they had.
    actor_kind text NOT NULL CHECK (actor_kind IN ('member', 'key', 'operator')),
    actor_id   text NOT NULL DEFAULT '',
    actor_name text NOT NULL DEFAULT '' CHECK (char_length(actor_name) <= 300),
    -- What was done, such as contact.add, and to which row, with the name it had.
    action   text NOT NULL CHECK (action <> '' AND char_length(action) <= 100),
    subject  text NOT NULL DEFAULT '' CHECK (char_length(subject) <= 100),
    label    text NOT NULL DEFAULT '' CHECK (char_length(label) <= 300),
    details  jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(details) = 'object')
);
CREATE INDEX audit_log_recent ON audit_log (org_id, at DESC, id DESC);
CREATE INDEX audit_log_actor ON audit_log (org_id, actor_id, at DESC, id DESC) WHERE actor_id <> '';
CREATE INDEX audit_log_subject ON audit_log (org_id, subject, at DESC) WHERE subject <> '';

-- Of a contact that is deleted or erased, the log keeps that something was done, and not to whom.
-- +goose StatementBegin
CREATE FUNCTION ringside_audit_forgets() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE audit_log l SET label = '', details = '{}' FROM old_rows o
        WHERE l.org_id = o.org_id AND l.subject = o.id::text AND l.subject <> '' AND (l.label <> '' OR l.details <> '{}');
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER audit_forgets AFTER DELETE ON contacts REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ringside_audit_forgets();
