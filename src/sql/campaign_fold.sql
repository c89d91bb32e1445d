-- What waits of a campaign that has ended is counted as cancelled (or, of a finished one, as
-- expired), some batches a step.  A job that a lost worker or an earlier attempt has brought
-- to an end counts as what it ended as; verify has the same rule.  One that waits to be tried
-- again out of doubt may have been sent: it stays in doubt, and an attempt says so.  Of a lost
-- worker's jobs without evidence one says that they ended with the campaign: what their worker,
-- or its journal, reports later is evidence (flag 2) and changes no state.  Repeat until no
-- batch comes back.
-- $1 tenant_id uuid, $2 campaign_id uuid
-- $3 stripe int: of the counters
-- $4 limit int: batches
-- rows: batches bigint, jobs bigint
WITH chosen AS MATERIALIZED (
	SELECT b.tenant_id, b.id, c.state, c.created_at
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
	RETURNING b.tenant_id, b.campaign_id, b.size,
		CASE x.state WHEN 'cancelled' THEN 'cancelled' ELSE 'expired' END AS state,
		b.jobs, b.suspect, b.suspect OR b.attempt_no IS NOT NULL AS tried,
		least(x.created_at, b.first_leased_at) AS since
), fate AS (
	SELECT g.tenant_id, g.campaign_id, g.state, g.size AS n, NULL::uuid AS unheard
	FROM gone g WHERE NOT g.tried
	UNION ALL
	SELECT g.tenant_id, g.campaign_id,
		coalesce(e.state, CASE WHEN e.doubtful THEN 'in_doubt' ELSE g.state END), 1,
		CASE WHEN (g.suspect OR e.doubtful) AND e.state IS NULL THEN m.id END
	FROM gone g
	CROSS JOIN LATERAL unnest(g.jobs) AS m (id)
	LEFT JOIN LATERAL (
		SELECT (array_agg(x.state ORDER BY x.flags & 2, x.id DESC)
				FILTER (WHERE x.state <> 'retrying'))[1] AS state,
			bool_or(x.flags & 16 <> 0) AS doubtful
		FROM penguin.attempts x
		WHERE x.tenant_id = g.tenant_id AND x.job_id = m.id
			AND x.id >= (lpad(to_hex(greatest((extract(epoch FROM g.since) * 1000)::bigint
				- 86400000, 0)), 12, '0') || '70008000000000000000')::uuid
		OFFSET 0) e ON true
	WHERE g.tried
), noted AS (
	INSERT INTO penguin.attempts (tenant_id, id, job_id, campaign_id, attempt_no, state, reply, at)
	SELECT f.tenant_id, (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') || '7'
			|| substr(md5(f.unheard::text), 1, 3) || '8' || substr(md5(f.unheard::text), 4, 15))::uuid,
		f.unheard, f.campaign_id, 0, f.state, 'its campaign has ended', now()
	FROM fate f WHERE f.unheard IS NOT NULL
	ON CONFLICT DO NOTHING
), counted AS (
	INSERT INTO penguin.campaign_stats AS s (tenant_id, campaign_id, stripe, delivered, bounced,
		expired, suppressed, cancelled, failed, in_doubt)
	SELECT f.tenant_id, f.campaign_id, $3::int,
		coalesce(sum(f.n) FILTER (WHERE f.state = 'delivered'), 0),
		coalesce(sum(f.n) FILTER (WHERE f.state = 'bounced'), 0),
		coalesce(sum(f.n) FILTER (WHERE f.state = 'expired'), 0),
		coalesce(sum(f.n) FILTER (WHERE f.state = 'suppressed'), 0),
		coalesce(sum(f.n) FILTER (WHERE f.state = 'cancelled'), 0),
		coalesce(sum(f.n) FILTER (WHERE f.state = 'failed'), 0),
		coalesce(sum(f.n) FILTER (WHERE f.state = 'in_doubt'), 0)
	FROM fate f
	GROUP BY f.tenant_id, f.campaign_id
	ON CONFLICT (tenant_id, campaign_id, stripe) DO UPDATE
	SET delivered = s.delivered + excluded.delivered,
		bounced = s.bounced + excluded.bounced, expired = s.expired + excluded.expired,
		suppressed = s.suppressed + excluded.suppressed,
		cancelled = s.cancelled + excluded.cancelled, failed = s.failed + excluded.failed,
		in_doubt = s.in_doubt + excluded.in_doubt
)
SELECT count(*) AS batches, coalesce(sum(size), 0) AS jobs FROM gone
