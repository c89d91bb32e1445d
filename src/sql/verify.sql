-- Recounts a tenant's jobs one by one and compares with the counters.  A healthy tenant
-- yields no row with a difference.  States beside the ordinary ones: lost (a job that is
-- nowhere), listed_twice (a job in two batches), no_job (a batch lists a job that is not
-- there).  Reads all of the tenant's jobs: minutes for tens of millions.  Only for
-- campaigns of which no partition has been dropped.
-- $1 tenant_id uuid
-- rows: campaign_id uuid, state text, recounted bigint, accounted bigint
WITH member AS (
	SELECT b.campaign_id, m.job_id,
		CASE WHEN b.owner IS NULL THEN b.state ELSE 'leased' END AS state
	FROM penguin.batches b CROSS JOIN LATERAL unnest(b.jobs) AS m (job_id)
	WHERE b.tenant_id = $1::uuid
), place AS (
	SELECT job_id, min(state) AS state, min(campaign_id::text)::uuid AS campaign_id,
		count(*) AS times
	FROM member
	GROUP BY job_id
), final AS (
	SELECT DISTINCT ON (a.job_id) a.job_id, a.state
	FROM penguin.attempts a
	WHERE a.tenant_id = $1::uuid AND a.state <> 'retrying'
	ORDER BY a.job_id, a.flags & 2, a.id DESC
), fate AS (
	SELECT j.campaign_id, CASE WHEN p.times > 1 THEN 'listed_twice'
		WHEN p.state IS NOT NULL THEN p.state WHEN f.state IS NOT NULL THEN f.state
		WHEN c.state = 'cancelled' THEN 'cancelled' WHEN c.state = 'finished' THEN 'expired'
		ELSE 'lost' END AS state
	FROM penguin.jobs j
	LEFT JOIN place p ON p.job_id = j.id
	LEFT JOIN final f ON f.job_id = j.id
	LEFT JOIN penguin.campaigns c ON c.tenant_id = j.tenant_id AND c.id = j.campaign_id
	WHERE j.tenant_id = $1::uuid
	UNION ALL
	SELECT p.campaign_id, 'no_job'
	FROM place p
	LEFT JOIN penguin.jobs j ON j.tenant_id = $1::uuid AND j.id = p.job_id
	WHERE j.id IS NULL
	UNION ALL
	SELECT i.campaign_id, 'waiting' FROM penguin.inbox i WHERE i.tenant_id = $1::uuid
), recount AS (
	SELECT campaign_id, state, count(*) AS n FROM fate GROUP BY campaign_id, state
), account AS (
	SELECT a.campaign_id, s.state, s.n::bigint AS n
	FROM penguin.accounting a CROSS JOIN LATERAL (VALUES ('waiting', a.waiting),
		('leased', a.leased), ('retrying', a.retrying), ('in_doubt', a.in_doubt),
		('delivered', a.delivered), ('bounced', a.bounced), ('expired', a.expired),
		('suppressed', a.suppressed), ('cancelled', a.cancelled), ('failed', a.failed))
		AS s (state, n)
	WHERE a.tenant_id = $1::uuid AND s.n <> 0
)
SELECT coalesce(r.campaign_id, a.campaign_id) AS campaign_id,
	coalesce(r.state, a.state) AS state, coalesce(r.n, 0) AS recounted,
	coalesce(a.n, 0) AS accounted
FROM recount r
FULL JOIN account a ON a.campaign_id = r.campaign_id AND a.state = r.state
ORDER BY 1, 2
