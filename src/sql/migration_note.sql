-- Notes that a migration was applied, or skipped because the server lacks what it needs; in
-- the same transaction as the migration.
-- fleet table: belongs to no tenant
-- $1 number int, $2 name text, $3 checksum text, $4 state text: applied or skipped
-- rows: none
INSERT INTO penguin.schema_migrations (number, name, checksum, state)
VALUES ($1::int, $2::text, $3::text, $4::text)
ON CONFLICT (number) DO UPDATE
SET checksum = excluded.checksum, state = excluded.state, applied_at = excluded.applied_at
