-- Some jobs of a campaign that wait, to see what its messages look like: of a few batches
-- the first, the middle and the last.
-- $1 tenant_id uuid, $2 campaign_id uuid
-- rows: id uuid, recipient text, vars text (JSON) (none: nothing waits)
SELECT j.id, j.recipient, j.vars::text AS vars
FROM (
	SELECT b.tenant_id, b.jobs FROM penguin.batches b
	WHERE b.tenant_id = $1::uuid AND b.campaign_id = $2::uuid AND b.owner IS NULL
	LIMIT 8) few
CROSS JOIN LATERAL (
	SELECT DISTINCT few.jobs[at.n] AS id
	FROM unnest(ARRAY[1, (cardinality(few.jobs) + 1) / 2, cardinality(few.jobs)]) AS at (n)
) one
JOIN penguin.jobs j ON j.tenant_id = $1::uuid AND j.id = one.id
ORDER BY j.id
