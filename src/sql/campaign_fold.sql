-- What waits of a campaign that has ended is counted as cancelled (or, of a finished one, as
-- expired), some batches a step.  Repeat until no batch comes back.
-- $1 tenant_id uuid, $2 campaign_id uuid
-- $3 stripe int: of the counters
-- $4 limit int: batches
-- rows: batches bigint, jobs bigint
WITH chosen AS MATERIALIZED (
	SELECT b.tenant_id, b.id, c.state
	FROM penguin.campaigns c
	JOIN penguin.batches b ON b.tenant_id = c.tenant_id AND b.campaign_id = c.id
	WHERE c.tenant_id = $1::uuid AND c.id = $2::uuid
		AND c.state IN ('cancelled', 'finished') AND b.owner IS NULL
	LIMIT $4::int
	FOR UPDATE OF b SKIP LOCKED
), gone AS (
	DELETE FROM penguin.batches b
	USING chosen x
	WHERE b.tenant_id = x.tenant_id AND b.id = x.id AND b.owner IS NULL
	RETURNING b.tenant_id, b.campaign_id, b.size, x.state
), counted AS (
	INSERT INTO penguin.campaign_stats AS s
		(tenant_id, campaign_id, stripe, cancelled, expired)
	SELECT g.tenant_id, g.campaign_id, $3::int,
		coalesce(sum(g.size) FILTER (WHERE g.state = 'cancelled'), 0),
		coalesce(sum(g.size) FILTER (WHERE g.state = 'finished'), 0)
	FROM gone g
	GROUP BY g.tenant_id, g.campaign_id
	ON CONFLICT (tenant_id, campaign_id, stripe) DO UPDATE
	SET cancelled = s.cancelled + excluded.cancelled, expired = s.expired + excluded.expired
)
SELECT count(*) AS batches, coalesce(sum(size), 0) AS jobs FROM gone
