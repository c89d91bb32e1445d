-- One job of a campaign that waits, to see what a message of it looks like.
-- $1 tenant_id uuid, $2 campaign_id uuid
-- rows: recipient text, vars text (JSON) (none: nothing waits)
SELECT j.recipient, j.vars::text AS vars
FROM (
	SELECT b.jobs[1] AS id FROM penguin.batches b
	WHERE b.tenant_id = $1::uuid AND b.campaign_id = $2::uuid AND b.owner IS NULL
	LIMIT 1) one
JOIN penguin.jobs j ON j.tenant_id = $1::uuid AND j.id = one.id
