-- People of campaigns come from files too.

-- +goose Up
ALTER TABLE contact_imports
    -- The campaign whose people the file has; NULL: they are for the address book.
    ADD COLUMN campaign_id uuid,
    ADD FOREIGN KEY (org_id, campaign_id) REFERENCES campaigns (org_id, id) ON DELETE CASCADE;
ALTER TABLE campaign_people
    ADD COLUMN import_id uuid REFERENCES contact_imports ON DELETE SET NULL,
    -- When somebody last changed what is known of the person; NULL: nobody has.
    ADD COLUMN changed_at timestamptz;
CREATE INDEX campaign_people_imported ON campaign_people (import_id) WHERE import_id IS NOT NULL;
