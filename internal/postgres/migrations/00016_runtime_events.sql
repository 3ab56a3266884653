-- What happens, for the agents' programs that listen on GET /v1/events: an outbox. A row is written in the
-- transaction of what happened, gets its number when somebody reads, and is kept until everybody has it.

-- +goose Up
CREATE TABLE runtime_events (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org_id     uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    -- The place in the organisation's stream, given by whoever reads first; NULL until then. Ids will not
    -- do for that: of two transactions, the one with the lower id may be seen later.
    seq        bigint,
    type       text NOT NULL CHECK (type <> '' AND char_length(type) <= 60),
    at         timestamptz NOT NULL DEFAULT now(),
    -- The call or message, if it is about one, and whose it was.
    sid        text,
    agent_id   uuid,
    party      text,
    contact_id uuid,
    -- As it was encoded: a text may hold what jsonb refuses.
    payload    json NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);
-- A call begins once, and ends once, whatever Twilio sends.
CREATE UNIQUE INDEX runtime_events_once ON runtime_events (org_id, sid, type) WHERE sid IS NOT NULL;
CREATE UNIQUE INDEX runtime_events_seq ON runtime_events (org_id, seq) WHERE seq IS NOT NULL;
CREATE INDEX runtime_events_unnumbered ON runtime_events (org_id, id) WHERE seq IS NULL;
CREATE INDEX runtime_events_age ON runtime_events (created_at);

-- How far an organisation's events are numbered. Whoever numbers them locks the row.
CREATE TABLE runtime_streams (
    org_id   uuid PRIMARY KEY REFERENCES orgs ON DELETE CASCADE,
    last_seq bigint NOT NULL DEFAULT 0
);

-- Who reads them, and how far each has got.
CREATE TABLE runtime_consumers (
    org_id     uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    name       text NOT NULL CHECK (name ~ '^[A-Za-z0-9._:-]{1,100}$'),
    -- Of which voice agent's calls and messages it hears; NULL: of all.
    agent_id   uuid,
    acked      bigint NOT NULL,
    -- The connection that has it. A later one takes over.
    holder     uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_seen  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (org_id, name)
);

-- ringside_events: the organisation has something new for whoever is connected.
-- +goose StatementBegin
CREATE FUNCTION ringside_events_announced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('ringside_events', org_id::text) FROM (SELECT DISTINCT org_id FROM new_rows) t
    WHERE EXISTS (SELECT FROM runtime_consumers c WHERE c.org_id = t.org_id);
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER runtime_events_announced AFTER INSERT ON runtime_events REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ringside_events_announced();

-- Changes of contacts, for organisations where somebody listens. An event says which contact it is, and
-- nothing of who that is: nothing has to be erased, and nobody learns more than their key may read. More
-- than a hundred at once are one event.
-- +goose StatementBegin
CREATE FUNCTION ringside_tell_contacts(org uuid, ids uuid[], changes text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(ids) > 100 THEN
        INSERT INTO runtime_events (org_id, type, payload) VALUES (org, 'contacts.changed', json_build_object('count', cardinality(ids)));
    ELSE
        INSERT INTO runtime_events (org_id, type, contact_id, payload)
        SELECT org, 'contact.changed', id, json_build_object('change', change) FROM unnest(ids, changes) t (id, change);
    END IF;
END
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION ringside_contacts_told() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM runtime_consumers) THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'INSERT' THEN
        PERFORM ringside_tell_contacts(org_id, array_agg(id), array_agg('created'::text)) FROM new_rows n
        WHERE EXISTS (SELECT FROM runtime_consumers c WHERE c.org_id = n.org_id) GROUP BY org_id;
    ELSIF TG_OP = 'DELETE' THEN -- also with the organisation, which nothing can be told any more
        PERFORM ringside_tell_contacts(org_id, array_agg(id), array_agg('deleted'::text)) FROM old_rows n
        WHERE EXISTS (SELECT FROM runtime_consumers c WHERE c.org_id = n.org_id) AND EXISTS (SELECT FROM orgs o WHERE o.id = n.org_id) GROUP BY org_id;
    ELSE -- of what people see: not when they were last in contact
        PERFORM ringside_tell_contacts(org_id, array_agg(id), array_agg(change)) FROM (
            SELECT n.org_id, n.id, CASE
                WHEN o.archived_at IS NULL AND n.archived_at IS NOT NULL THEN CASE WHEN n.merged_into IS NULL THEN 'archived' ELSE 'merged' END
                WHEN o.archived_at IS NOT NULL AND n.archived_at IS NULL THEN 'restored' ELSE 'updated' END AS change
            FROM new_rows n JOIN old_rows o ON o.id = n.id
            WHERE EXISTS (SELECT FROM runtime_consumers c WHERE c.org_id = n.org_id)
                AND (n.name, n.phone, n.other_phones, n.email, n.tags, n.notes, n.archived_at IS NULL, n.blocked_at IS NULL, n.greet_by_name)
                    IS DISTINCT FROM (o.name, o.phone, o.other_phones, o.email, o.tags, o.notes, o.archived_at IS NULL, o.blocked_at IS NULL, o.greet_by_name)
        ) t GROUP BY org_id;
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER contacts_inserted_told AFTER INSERT ON contacts REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ringside_contacts_told();
CREATE TRIGGER contacts_updated_told AFTER UPDATE ON contacts REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ringside_contacts_told();
CREATE TRIGGER contacts_deleted_told AFTER DELETE ON contacts REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ringside_contacts_told();

-- What was told of an erased person's calls and messages goes, also to those who have not read it yet.
-- +goose StatementBegin
CREATE FUNCTION ringside_events_erased() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM runtime_events WHERE org_id = NEW.org_id AND sid = NEW.sid;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER interaction_events_erased AFTER UPDATE OF erased_at ON interactions
    FOR EACH ROW WHEN (OLD.erased_at IS NULL AND NEW.erased_at IS NOT NULL) EXECUTE FUNCTION ringside_events_erased();
