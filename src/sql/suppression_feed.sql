-- Suppressions that changed, of all tenants, in the order of their transactions, as far as
-- no older transaction can still commit.  Go on with the last row of the answer.  Lifting
-- one shows as an expires_us in the past.
-- $1 txid text, $2 tenant_id uuid, $3 address text, $4 stream text: the last row seen; to
--	begin, the answer of feed_start, nil, '' and ''
-- $5 limit int
-- rows: txid text, tenant_id uuid, address text, stream text, reason text,
--	expires_us bigint (null: for ever)
SELECT txid::text AS txid, tenant_id, address, stream, reason,
	(extract(epoch FROM expires_at) * 1000000)::bigint AS expires_us
FROM penguin.suppressions
WHERE (txid, tenant_id, address, stream) > ($1::text::xid8, $2::uuid, $3::text, $4::text)
	AND txid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY txid, tenant_id, address, stream
LIMIT $5::int
