-- Organisations are kept apart by the database as well (row-level security). Whatever people and API keys ask
-- for runs in the role ringside_app, with the organisation in ringside.org: it sees and changes that
-- organisation's rows and no others, also where a query has forgotten to say so.
--
-- Other roles see what they saw: the program's own, for what concerns all organisations (webhooks, upkeep),
-- and whatever else reads and writes here. FORCE ROW LEVEL SECURITY is left off, so that a backup by the
-- owner stays whole.

-- +goose Up

-- The organisation that the role ringside_app acts for; NULL: none, and so it sees nothing.
-- +goose StatementBegin
CREATE FUNCTION ringside_org() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT nullif(current_setting('ringside.org', true), '')::uuid
$$;
-- +goose StatementEnd

-- What is guarded, and by which condition: every table with an org_id, also those of later migrations, and
-- those whose rows belong to a row of such a table.
-- +goose StatementBegin
CREATE FUNCTION ringside_guarded_tables() RETURNS TABLE (guarded regclass, condition text) LANGUAGE sql STABLE AS $$
    SELECT c.oid::regclass, CASE c.relname
        WHEN 'orgs' THEN 'id = ringside_org()'
        WHEN 'contact_import_rows' THEN 'EXISTS (SELECT FROM contact_imports p WHERE p.id = import_id AND p.org_id = ringside_org())'
        WHEN 'import_file_parts' THEN 'EXISTS (SELECT FROM import_files p WHERE p.id = file_id AND p.org_id = ringside_org())'
        WHEN 'moved_interactions' THEN 'EXISTS (SELECT FROM contact_merges p WHERE p.id = merge_id AND p.org_id = ringside_org())'
        WHEN 'member_links' THEN 'EXISTS (SELECT FROM members p WHERE p.id = member_id AND p.org_id = ringside_org())'
        WHEN 'sessions' THEN 'EXISTS (SELECT FROM members p WHERE p.id = member_id AND p.org_id = ringside_org())'
        ELSE 'org_id = ringside_org()' END
    FROM pg_class c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
        AND (c.relname IN ('orgs', 'contact_import_rows', 'import_file_parts', 'moved_interactions', 'member_links', 'sessions')
            OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped))
$$;
-- +goose StatementEnd

-- Why organisations are not kept apart by the database, for whoever runs it; NULL: they are.
-- +goose StatementBegin
CREATE FUNCTION ringside_unguarded() RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    role pg_roles;
    open text;
BEGIN
    SELECT * INTO role FROM pg_roles WHERE rolname = 'ringside_app';
    IF role IS NULL THEN
        RETURN 'there is no role ringside_app, and this user may not create it: have an administrator run CREATE ROLE ringside_app NOLOGIN; GRANT ringside_app TO ' || quote_ident(current_user);
    ELSIF role.rolsuper OR role.rolbypassrls THEN
        RETURN 'the role ringside_app is above row-level security: have an administrator run ALTER ROLE ringside_app NOSUPERUSER NOBYPASSRLS';
    ELSIF NOT pg_has_role(current_user, role.oid, CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END) THEN
        RETURN 'this user may not act as ringside_app: have an administrator run GRANT ringside_app TO ' || quote_ident(current_user);
    ELSIF NOT has_schema_privilege(role.oid, current_schema(), 'USAGE') THEN
        RETURN 'the role ringside_app may not use the schema ' || current_schema();
    ELSIF to_regclass('org_contacts') IS NULL OR NOT has_table_privilege(role.oid, 'org_contacts', 'SELECT')
        OR (SELECT relnatts FROM pg_class WHERE oid = to_regclass('org_contacts')) <> (SELECT count(*) FROM pg_attribute WHERE attrelid = 'contacts'::regclass AND attnum > 0 AND NOT attisdropped) THEN
        RETURN 'the view org_contacts is missing or out of date, and this user does not own it';
    END IF;
    SELECT string_agg(t.guarded::text, ', ') INTO open FROM ringside_guarded_tables() t JOIN pg_class c ON c.oid = t.guarded
    WHERE NOT c.relrowsecurity OR NOT has_table_privilege(role.oid, c.oid, 'SELECT') OR NOT has_table_privilege(role.oid, c.oid, 'INSERT')
        OR NOT has_table_privilege(role.oid, c.oid, 'UPDATE') OR NOT has_table_privilege(role.oid, c.oid, 'DELETE')
        OR pg_has_role(role.oid, c.relowner, 'MEMBER') OR (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid) <> 1
        OR NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'ringside_org');
    RETURN 'these tables have no row-level security, other rights or other policies than ringside_org, and this user does not own them: ' || open;
END
$$;
-- +goose StatementEnd

-- Sets up what is missing of it, as far as this user may. It runs after each migration and at each start, since
-- a restored backup has no roles.
-- +goose StatementBegin
CREATE FUNCTION ringside_guard() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    t record;
BEGIN
    BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ringside_app') THEN
            CREATE ROLE ringside_app NOLOGIN;
        END IF;
    EXCEPTION
        WHEN duplicate_object OR unique_violation THEN NULL; -- for another database of the server, a moment ago
        WHEN insufficient_privilege THEN RETURN;
    END;
    BEGIN
        IF NOT pg_has_role(current_user, 'ringside_app', CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END) THEN
            EXECUTE format('GRANT ringside_app TO %I', current_user);
        END IF;
    EXCEPTION WHEN insufficient_privilege THEN RETURN;
    END;
    BEGIN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO ringside_app', current_schema());
        CREATE OR REPLACE VIEW org_contacts AS SELECT * FROM contacts WHERE current_user <> 'ringside_app' OR org_id = ringside_org();
        GRANT SELECT ON org_contacts TO ringside_app;
        FOR t IN SELECT g.*, c.relrowsecurity, EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'ringside_org') AS policed
            FROM ringside_guarded_tables() g JOIN pg_class c ON c.oid = g.guarded LOOP
            IF NOT t.policed THEN
                EXECUTE format('CREATE POLICY ringside_org ON %s USING (current_user <> ''ringside_app'' OR %s)', t.guarded, t.condition);
            END IF;
            IF NOT t.relrowsecurity THEN -- these two lock the table, so only where it has to be
                EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', t.guarded);
            END IF;
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO ringside_app', t.guarded);
        END LOOP;
    EXCEPTION WHEN insufficient_privilege THEN RETURN; -- whose tables are somebody else's
    END;
END
$$;
-- +goose StatementEnd
