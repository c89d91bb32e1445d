-- Where a feed begins: nothing that commits after this can be missed from here on.
-- fleet table: belongs to no tenant
-- rows: txid text, now_us bigint
SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS txid,
	(extract(epoch FROM now()) * 1000000)::bigint AS now_us
