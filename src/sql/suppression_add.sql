-- Suppresses addresses.  One that is suppressed for ever stays so; otherwise the later end
-- counts.
-- $1 tenants uuid[], $2 addresses text[]: in lower case they are kept; '@example.com' is a whole domain
-- $3 streams text[] ('*': all), $4 reasons text[], $5 evidence text[],
-- $6 expires_us bigint[] (null: for ever): parallel, no key twice
-- rows: none
INSERT INTO penguin.suppressions AS s (tenant_id, address, stream, reason, evidence, expires_at)
SELECT k.tenant_id, lower(k.address), k.stream, k.reason, k.evidence, to_timestamp(k.expires_us / 1e6)
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[])
	AS k (tenant_id, address, stream, reason, evidence, expires_us)
ORDER BY k.tenant_id, lower(k.address), k.stream
ON CONFLICT (tenant_id, address, stream) DO UPDATE
SET reason = excluded.reason, evidence = excluded.evidence, expires_at = excluded.expires_at,
	txid = excluded.txid, changed_at = excluded.changed_at
WHERE s.expires_at < coalesce(excluded.expires_at, 'infinity')
