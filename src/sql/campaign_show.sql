-- Campaigns with what became of their jobs; cheap, it reads no job.
-- $1 tenant_id uuid, $2 id uuid (null: all of the tenant)
-- rows: tenant_id uuid, id uuid, name text, state text, state_reason text, pool text,
--	priority int, stream text, content_id uuid, content_version int (or null),
--	created_us bigint, updated_us bigint, committed, waiting, leased, retrying, in_doubt,
--	delivered, bounced, expired, suppressed, cancelled, failed: bigint, preflight text
--	(JSON, or null: campaign_preflight), duplicates bigint (attempts of which an earlier
--	one may have been delivered)
SELECT c.tenant_id, c.id, c.name, c.state, c.state_reason, c.pool, c.priority, c.stream,
	c.content_id, c.content_version,
	(extract(epoch FROM c.created_at) * 1000000)::bigint AS created_us,
	(extract(epoch FROM c.updated_at) * 1000000)::bigint AS updated_us,
	a.committed::bigint, a.waiting::bigint, a.leased::bigint, a.retrying::bigint,
	a.in_doubt::bigint, a.delivered::bigint, a.bounced::bigint, a.expired::bigint,
	a.suppressed::bigint, a.cancelled::bigint, a.failed::bigint,
	(c.settings -> 'preflight')::text AS preflight,
	(SELECT coalesce(sum(s.duplicates), 0)::bigint FROM penguin.campaign_stats s
		WHERE s.tenant_id = c.tenant_id AND s.campaign_id = c.id) AS duplicates
FROM penguin.campaigns c
JOIN penguin.accounting a ON a.tenant_id = c.tenant_id AND a.campaign_id = c.id
WHERE c.tenant_id = $1::uuid AND ($2::uuid IS NULL OR c.id = $2::uuid)
ORDER BY c.created_at, c.id
