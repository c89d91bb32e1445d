-- After Postgres has forgotten commits: what waits of a campaign, or is still with workers
-- whose journals are being replayed, may list jobs that have ended.  Marked so, their next
-- owner looks at the attempts first.  Repeat until no row comes back.
-- $1 tenant_id uuid, $2 campaign_id uuid
-- $3 owners uuid[]: whose journals they are
-- $4 limit int: batches
-- rows: id uuid
WITH chosen AS MATERIALIZED (
	SELECT b.tenant_id, b.id FROM penguin.batches b
	WHERE b.tenant_id = $1::uuid AND b.campaign_id = $2::uuid AND NOT b.suspect
		AND (b.owner IS NULL OR b.owner = ANY ($3::uuid[]))
	LIMIT $4::int
	FOR UPDATE OF b
)
UPDATE penguin.batches b SET suspect = true
FROM chosen c
WHERE b.tenant_id = c.tenant_id AND b.id = c.id
RETURNING b.id
