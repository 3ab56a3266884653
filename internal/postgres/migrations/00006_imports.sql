-- Files that people import: what was planned of each row, and what became of it.

-- +goose Up
CREATE TABLE contact_imports (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id       uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    file_name    text NOT NULL DEFAULT '' CHECK (char_length(file_name) <= 300),
    -- reading: not all rows are here; planned: nothing is written yet; running: rows up to applied_line
    -- are in the book.
    state        text NOT NULL DEFAULT 'reading' CHECK (state IN ('reading', 'planned', 'running', 'stopped', 'done', 'undone')),
    applied_line integer NOT NULL DEFAULT 0,
    -- Until then somebody works on it; whoever is killed lets go so.
    leased_until timestamptz,
    -- The report, as the API shows it.
    report       jsonb NOT NULL DEFAULT '{}',
    created_at   timestamptz NOT NULL DEFAULT now(),
    finished_at  timestamptz
);
CREATE INDEX contact_imports_recent ON contact_imports (org_id, created_at DESC);

-- No foreign key, which would be checked row by row; the trigger below does its work.
CREATE TABLE contact_import_rows (
    import_id uuid NOT NULL,
    line      integer NOT NULL,
    -- new: to be added if nobody has the phone; left_out: past the plan's limit.
    verdict   text NOT NULL CHECK (verdict IN ('new', 'repeated', 'invalid', 'left_out')),
    name      text,
    phone     text,
    email     text,
    tags      text[],
    notes     text,
    -- Of an invalid row: its cells as they came, and what is wrong.
    cells     text[],
    problem   jsonb,
    PRIMARY KEY (import_id, line)
);

-- +goose StatementBegin
CREATE FUNCTION ringside_import_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM contact_import_rows WHERE import_id = OLD.id;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER import_deleted AFTER DELETE ON contact_imports FOR EACH ROW EXECUTE FUNCTION ringside_import_deleted();

ALTER TABLE contacts ADD COLUMN import_id uuid REFERENCES contact_imports ON DELETE SET NULL;
CREATE INDEX contacts_imported ON contacts (import_id) WHERE import_id IS NOT NULL;
-- An import leaves archived people archived.
CREATE INDEX contacts_archived_phone ON contacts (org_id, phone) WHERE archived_at IS NOT NULL;
