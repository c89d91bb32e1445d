-- Adds a version of a content.  The caller chooses the number (newest + 1): two at the same
-- moment cannot both have it, and the same one again with the same bytes is a no-op.
-- $1 tenant_id uuid, $2 id uuid, $3 version int, $4 name text, $5 kind text: template or raw
-- $6 body text (JSON, or null), $7 raw bytea (or null)
-- rows: version int (none: the version is there already; compare)
INSERT INTO penguin.contents (tenant_id, id, version, name, kind, body, raw)
VALUES ($1::uuid, $2::uuid, $3::int, $4::text, $5::text, $6::text::jsonb, $7::bytea)
ON CONFLICT DO NOTHING
RETURNING version
