-- Changes are announced with NOTIFY, so that every sidecar's cache follows whoever writes (rule 17).
--
-- ringside_callers: "<org> <phone> <phone> …", or "<org> *" for a bulk change. Skipped where
-- ringside.fenced is on in the transaction: that writer has fenced the shared cache itself.
-- ringside_routes: organisations, agents, accounts or numbers changed; the payload is empty.

-- +goose Up
-- +goose StatementBegin
CREATE FUNCTION ringside_announce(org uuid, phones text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- A payload holds under 8000 bytes; past a hundred people one announcement for the whole
    -- organisation is cheaper for the listener too.
    IF cardinality(phones) > 100 THEN
        PERFORM pg_notify('ringside_callers', org || ' *');
    ELSE
        PERFORM pg_notify('ringside_callers', org || ' ' || array_to_string(phones, ' '));
    END IF;
END
$$;
-- +goose StatementEnd

-- For contacts and campaign_people: everybody whose row was touched, by old and new number.
-- +goose StatementBegin
CREATE FUNCTION ringside_people_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('ringside.fenced', true) = 'on' THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'INSERT' THEN
        PERFORM ringside_announce(org_id, array_agg(DISTINCT phone)) FROM new_rows GROUP BY org_id;
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM ringside_announce(org_id, array_agg(DISTINCT phone)) FROM old_rows GROUP BY org_id;
    ELSE
        PERFORM ringside_announce(org_id, array_agg(DISTINCT phone))
        FROM (SELECT org_id, phone FROM old_rows UNION ALL SELECT org_id, phone FROM new_rows) t GROUP BY org_id;
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

-- For interactions: only what has ended is history (rule 11), so only that is announced.
-- +goose StatementBegin
CREATE FUNCTION ringside_history_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('ringside.fenced', true) = 'on' THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'INSERT' THEN
        PERFORM ringside_announce(org_id, array_agg(DISTINCT party)) FROM new_rows
        WHERE party IS NOT NULL AND ended_at IS NOT NULL GROUP BY org_id;
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM ringside_announce(org_id, array_agg(DISTINCT party)) FROM old_rows
        WHERE party IS NOT NULL AND ended_at IS NOT NULL GROUP BY org_id;
    ELSE
        PERFORM ringside_announce(org_id, array_agg(DISTINCT party))
        FROM (SELECT org_id, party, ended_at FROM old_rows UNION ALL SELECT org_id, party, ended_at FROM new_rows) t
        WHERE party IS NOT NULL AND ended_at IS NOT NULL GROUP BY org_id;
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

-- A campaign's name is part of what is known of its people.
-- +goose StatementBegin
CREATE FUNCTION ringside_campaign_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('ringside_callers', NEW.org_id || ' *');
    RETURN NULL;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION ringside_routes_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('ringside_routes', '');
    RETURN NULL;
END
$$;
-- +goose StatementEnd

CREATE TRIGGER contacts_inserted AFTER INSERT ON contacts REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ringside_people_changed();
CREATE TRIGGER contacts_updated AFTER UPDATE ON contacts REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ringside_people_changed();
CREATE TRIGGER contacts_deleted AFTER DELETE ON contacts REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ringside_people_changed();

CREATE TRIGGER campaign_people_inserted AFTER INSERT ON campaign_people REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ringside_people_changed();
CREATE TRIGGER campaign_people_updated AFTER UPDATE ON campaign_people REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ringside_people_changed();
CREATE TRIGGER campaign_people_deleted AFTER DELETE ON campaign_people REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ringside_people_changed();

CREATE TRIGGER interactions_inserted AFTER INSERT ON interactions REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ringside_history_changed();
CREATE TRIGGER interactions_updated AFTER UPDATE ON interactions REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ringside_history_changed();
CREATE TRIGGER interactions_deleted AFTER DELETE ON interactions REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ringside_history_changed();

CREATE TRIGGER campaigns_renamed AFTER UPDATE ON campaigns
    FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION ringside_campaign_changed();

CREATE TRIGGER orgs_changed AFTER INSERT OR UPDATE OR DELETE ON orgs
    FOR EACH STATEMENT EXECUTE FUNCTION ringside_routes_changed();
CREATE TRIGGER voice_agents_changed AFTER INSERT OR UPDATE OR DELETE ON voice_agents
    FOR EACH STATEMENT EXECUTE FUNCTION ringside_routes_changed();
CREATE TRIGGER twilio_accounts_changed AFTER INSERT OR UPDATE OR DELETE ON twilio_accounts
    FOR EACH STATEMENT EXECUTE FUNCTION ringside_routes_changed();
CREATE TRIGGER phone_numbers_changed AFTER INSERT OR UPDATE OR DELETE ON phone_numbers
    FOR EACH STATEMENT EXECUTE FUNCTION ringside_routes_changed();

-- TRUNCATE names no rows: everything is announced.
-- +goose StatementBegin
CREATE FUNCTION ringside_truncated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('ringside_callers', '*');
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER contacts_truncated AFTER TRUNCATE ON contacts FOR EACH STATEMENT EXECUTE FUNCTION ringside_truncated();
CREATE TRIGGER campaign_people_truncated AFTER TRUNCATE ON campaign_people FOR EACH STATEMENT EXECUTE FUNCTION ringside_truncated();
CREATE TRIGGER interactions_truncated AFTER TRUNCATE ON interactions FOR EACH STATEMENT EXECUTE FUNCTION ringside_truncated();
