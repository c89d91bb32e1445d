-- Closes batches: deletes the row and adds what became of its members to the campaign's
-- counters.  Guarded by owner and token, and by the sum: counts that do not add up to the
-- members that are left close nothing.  A batch that was closed before counts only once.
-- $1 owner uuid
-- $2 stripe int: of the counters, 0 to 15; each worker uses its own
-- $3 tokens uuid[], $4 tenants uuid[], $5 batches uuid[]: parallel, as are all that follow
-- $6 delivered int[], $7 bounced int[], $8 expired int[], $9 suppressed int[],
-- $10 cancelled int[], $11 failed int[], $12 in_doubt int[]: members by final state
-- $13 attempts int[], $14 deferrals int[], $15 duplicates int[]: events, for information
-- rows: tenant_id uuid, id uuid: what was closed; the others: lease lost, or closed before
WITH done AS MATERIALIZED (
	SELECT * FROM unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::int[], $7::int[], $8::int[],
		$9::int[], $10::int[], $11::int[], $12::int[], $13::int[], $14::int[], $15::int[])
		AS d (token, tenant_id, id, delivered, bounced, expired, suppressed, cancelled,
			failed, in_doubt, attempts, deferrals, duplicates)
), closed AS (
	DELETE FROM penguin.batches b
	USING done d
	WHERE b.tenant_id = d.tenant_id AND b.id = d.id AND b.owner IS NOT DISTINCT FROM $1::uuid
		AND b.token = d.token AND b.size = d.delivered + d.bounced + d.expired
			+ d.suppressed + d.cancelled + d.failed + d.in_doubt
	RETURNING b.tenant_id, b.id, b.campaign_id
), counted AS (
	INSERT INTO penguin.campaign_stats AS s (tenant_id, campaign_id, stripe, delivered, bounced,
		expired, suppressed, cancelled, failed, in_doubt, attempts, deferrals, duplicates)
	SELECT c.tenant_id, c.campaign_id, $2::int, sum(d.delivered), sum(d.bounced),
		sum(d.expired), sum(d.suppressed), sum(d.cancelled), sum(d.failed),
		sum(d.in_doubt), sum(d.attempts), sum(d.deferrals), sum(d.duplicates)
	FROM closed c JOIN done d ON d.tenant_id = c.tenant_id AND d.id = c.id
	GROUP BY c.tenant_id, c.campaign_id
	ORDER BY c.tenant_id, c.campaign_id
	ON CONFLICT (tenant_id, campaign_id, stripe) DO UPDATE
	SET delivered = s.delivered + excluded.delivered,
		bounced = s.bounced + excluded.bounced, expired = s.expired + excluded.expired,
		suppressed = s.suppressed + excluded.suppressed,
		cancelled = s.cancelled + excluded.cancelled, failed = s.failed + excluded.failed,
		attempts = s.attempts + excluded.attempts,
		deferrals = s.deferrals + excluded.deferrals,
		in_doubt = s.in_doubt + excluded.in_doubt,
		duplicates = s.duplicates + excluded.duplicates
)
SELECT tenant_id, id FROM closed
