-- Gives whole batches back of which nothing was sent.  A batch of which a part was sent is
-- divided instead: retry_file for what is left, then batch_close.
-- $1 owner uuid
-- $2 tokens uuid[], $3 tenants uuid[], $4 batches uuid[]: parallel
-- rows: tenant_id uuid, id uuid: what was given back
UPDATE penguin.batches b
SET owner = NULL, token = NULL, leases = b.leases - 1
FROM unnest($2::uuid[], $3::uuid[], $4::uuid[]) AS k (token, tenant_id, id)
WHERE b.tenant_id = k.tenant_id AND b.id = k.id AND b.owner IS NOT DISTINCT FROM $1::uuid AND b.token = k.token
	AND b.size > 0
RETURNING b.tenant_id, b.id
