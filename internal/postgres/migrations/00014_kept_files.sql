-- Files that people upload to the dashboard, between the trial of an import and the import: so that
-- the columns can be read otherwise without another upload. They go after a day, when the import
-- begins, and when somebody of the organisation is erased.

-- +goose Up
CREATE TABLE import_files (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    org_id      uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    campaign_id uuid,
    name        text NOT NULL DEFAULT '' CHECK (char_length(name) <= 300),
    created_at  timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (org_id, campaign_id) REFERENCES campaigns (org_id, id) ON DELETE CASCADE
);
CREATE INDEX import_files_org ON import_files (org_id);
CREATE INDEX import_files_old ON import_files (created_at);
CREATE TABLE import_file_parts (
    file_id uuid NOT NULL REFERENCES import_files ON DELETE CASCADE,
    n       integer NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (file_id, n)
);
ALTER TABLE contact_imports ADD COLUMN file_id uuid REFERENCES import_files ON DELETE SET NULL;
CREATE INDEX contact_imports_file ON contact_imports (file_id) WHERE file_id IS NOT NULL;
