-- Adds jobs to a campaign and lists them in batches by provider, sorted by domain.  An id
-- that is there already is left alone.  This is the plain SQL of penguin-sql(7).
-- $1 tenant_id uuid, $2 campaign_id uuid: of a campaign that exists, or nothing is added
-- $3 ids uuid[] (UUIDv7), $4 recipients text[], $5 vars text[] (JSON), $6 engagement real[]
--	(or null): parallel; 10,000 a call is a good size
-- $7 not_before_us bigint: null is now
-- rows: added bigint
WITH added AS (
	INSERT INTO penguin.jobs (tenant_id, id, campaign_id, recipient, vars, engagement)
	SELECT c.tenant_id, u.id, c.id, u.recipient, coalesce(u.vars::jsonb, '{}'), u.engagement
	FROM unnest($3::uuid[], $4::text[], $5::text[], $6::real[])
		AS u (id, recipient, vars, engagement)
	JOIN penguin.campaigns c ON c.tenant_id = $1::uuid AND c.id = $2::uuid
	ON CONFLICT DO NOTHING
	RETURNING tenant_id, id, campaign_id, lower(split_part(recipient, '@', -1)) AS domain
), sorted AS (
	SELECT a.tenant_id, a.id, a.campaign_id, coalesce(d.provider, 'other') AS tag,
		row_number() OVER (PARTITION BY coalesce(d.provider, 'other')
			ORDER BY a.domain, a.id) AS n
	FROM added a LEFT JOIN penguin.domains d ON d.tenant_id = a.tenant_id AND d.domain = a.domain
), batched AS (
	INSERT INTO penguin.batches
		(tenant_id, id, campaign_id, pool, tag, priority, jobs, not_before)
	SELECT s.tenant_id, (array_agg(s.id ORDER BY s.n))[1], s.campaign_id, c.pool, s.tag,
		c.priority, array_agg(s.id ORDER BY s.n),
		coalesce(to_timestamp($7::bigint / 1e6), now())
	FROM sorted s
	JOIN penguin.campaigns c ON c.tenant_id = s.tenant_id AND c.id = s.campaign_id
	GROUP BY s.tenant_id, s.campaign_id, c.pool, c.priority, s.tag, (s.n - 1) / 500
)
SELECT count(*) AS added FROM added
