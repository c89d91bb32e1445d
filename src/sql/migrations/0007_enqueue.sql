-- optional: penguin.enqueue() looks at what its own tenant knows of a domain.
--
-- With 0005 a domain has a row for each tenant that knows it; who sees them all listed a job
-- once for each.

CREATE OR REPLACE FUNCTION penguin.enqueue(
	tenant uuid, campaign uuid, ids uuid[], recipients text[],
	vars jsonb[] DEFAULT NULL, engagement real[] DEFAULT NULL,
	not_before timestamptz DEFAULT now()
) RETURNS bigint LANGUAGE sql AS $$
WITH added AS (
	INSERT INTO penguin.jobs (tenant_id, id, campaign_id, recipient, vars, engagement)
	SELECT c.tenant_id, u.id, c.id, u.recipient, coalesce(u.vars, '{}'), u.engagement
	FROM unnest(ids, recipients, vars, engagement) AS u (id, recipient, vars, engagement)
	JOIN penguin.campaigns c ON c.tenant_id = enqueue.tenant AND c.id = enqueue.campaign
	ON CONFLICT DO NOTHING
	RETURNING tenant_id, id, campaign_id, lower(split_part(recipient, '@', -1)) AS domain
), sorted AS (
	SELECT a.tenant_id, a.id, a.campaign_id, coalesce(d.provider, 'other') AS tag,
		row_number() OVER (PARTITION BY coalesce(d.provider, 'other')
			ORDER BY a.domain, a.id) AS n
	FROM added a
	LEFT JOIN penguin.domains d ON d.tenant_id = a.tenant_id AND d.domain = a.domain
), batched AS (
	INSERT INTO penguin.batches
		(tenant_id, id, campaign_id, pool, tag, priority, jobs, not_before)
	SELECT s.tenant_id, (array_agg(s.id ORDER BY s.n))[1], s.campaign_id, c.pool, s.tag,
		c.priority, array_agg(s.id ORDER BY s.n), coalesce(enqueue.not_before, now())
	FROM sorted s
	JOIN penguin.campaigns c ON c.tenant_id = s.tenant_id AND c.id = s.campaign_id
	GROUP BY s.tenant_id, s.campaign_id, c.pool, c.priority, s.tag, (s.n - 1) / 500
)
SELECT count(*) FROM added
$$;
