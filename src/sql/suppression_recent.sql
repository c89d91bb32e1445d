-- suppression_feed for servers whose transactions have no common order: what changed from
-- an instant on.  Ask again from before the last full read, by more than the longest
-- transaction lasts, and be ready for rows that were seen.
-- $1 changed_us text, $2 tenant_id uuid, $3 address text, $4 stream text: the last row of
--	this read; to begin, an instant, nil, '' and ''
-- $5 limit int
-- rows: changed_us text, tenant_id uuid, address text, stream text, reason text,
--	expires_us bigint (null: for ever)
SELECT ((extract(epoch FROM changed_at) * 1000000)::bigint)::text AS changed_us, tenant_id,
	address, stream, reason, (extract(epoch FROM expires_at) * 1000000)::bigint AS expires_us
FROM penguin.suppressions
WHERE (changed_at, tenant_id, address, stream)
	> (to_timestamp($1::text::bigint / 1e6), $2::uuid, $3::text, $4::text)
ORDER BY changed_at, tenant_id, address, stream
LIMIT $5::int
