-- What is a letter in a name.

-- +goose Up

-- Whether a name may be said to a caller: not blank, not a placeholder, not a number. Dashes, dots and emoji are no
-- letters, which an empty cell of a sheet often has. contacts.RealName is the same rule in Go; a test holds the two together.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION ringside_real_name(name text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(
        name ~ '[\u0041-\u005A\u0061-\u007A\u00AA\u00B5\u00BA\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u065F\u066A-\u06EF\u06FA-\u0965\u0970-\u1FFF\u2C00-\u2DFF\u2E80-\u2FEF\u3005-\u3007\u3041-\u3163\u3165-\uD7FF\uF900-\uFDFF\uFE70-\uFEFC\uFF21-\uFF3A\uFF41-\uFF5A\uFF66-\uFF9F\uFFA1-\uFFDC\U00010000-\U0001CFFF\U0001D400-\U0001D7FF\U0001E000-\U0001EFFF\U00020000-\U0003FFFF]'
        AND position('{{' IN name) = 0
        AND position('<<' IN name) = 0
        AND lower(btrim(regexp_replace(name, '[\u0001-\u0020\u007F-\u00A0]+', ' ', 'g')) COLLATE "C") <> ALL (ARRAY[
            'unknown', 'unknown caller', 'unknown name', 'unknown contact', 'anonymous', 'anonymous caller',
            'caller', 'new caller', 'new contact', 'contact', 'customer', 'guest', 'visitor', 'no name', 'noname',
            'n/a', 'na', 'none', 'null', 'nil', 'undefined', 'not provided', 'not given', 'private', 'private caller',
            'private number', 'restricted', 'unavailable', 'withheld', 'blocked', 'wireless caller', 'test', 'tbd']),
        false)
$$;
-- +goose StatementEnd
