-- The migrations that were applied.
-- fleet table: belongs to no tenant
-- rows: number int, name text, checksum text, state text (applied or skipped), applied_us bigint
SELECT number, name, checksum, state,
	(extract(epoch FROM applied_at) * 1000000)::bigint AS applied_us
FROM penguin.schema_migrations
ORDER BY number
