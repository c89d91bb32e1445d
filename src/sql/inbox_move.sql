-- Moves rows of a tenant's inbox to jobs and batches, in one step.  A row whose id is a job
-- already is dropped; a row of a campaign that does not exist stays and counts as waiting.
-- Repeat while $2 rows come back as taken.
-- $1 tenant_id uuid
-- $2 limit int: rows
-- $3 salt text: random; new batches are named by it and their first job, so that nothing
--	that is there can be in the way
-- rows: taken bigint, added bigint
WITH chosen AS MATERIALIZED (
	SELECT i.tenant_id, i.id
	FROM penguin.inbox i
	JOIN penguin.campaigns c ON c.tenant_id = i.tenant_id AND c.id = i.campaign_id
	WHERE i.tenant_id = $1::uuid
	LIMIT $2::int
	FOR UPDATE OF i SKIP LOCKED
), taken AS (
	DELETE FROM penguin.inbox i
	USING (SELECT DISTINCT tenant_id, id FROM chosen) x
	WHERE i.tenant_id = x.tenant_id AND i.id = x.id
	RETURNING i.*
), single AS MATERIALIZED (
	SELECT DISTINCT ON (t.tenant_id, t.id) t.*
	FROM taken t
	ORDER BY t.tenant_id, t.id, t.enqueued_at
), added AS (
	INSERT INTO penguin.jobs
		(tenant_id, id, campaign_id, recipient, vars, engagement, enqueued_at)
	SELECT tenant_id, id, campaign_id, recipient, vars, engagement, enqueued_at FROM single
	ON CONFLICT DO NOTHING
	RETURNING tenant_id, id, campaign_id, lower(split_part(recipient, '@', -1)) AS domain
), sorted AS (
	SELECT a.tenant_id, a.id, a.campaign_id, s.not_before,
		coalesce(d.provider, 'other') AS tag,
		row_number() OVER (PARTITION BY a.campaign_id, s.not_before,
			coalesce(d.provider, 'other') ORDER BY a.domain, a.id) AS n
	FROM added a
	JOIN single s ON s.tenant_id = a.tenant_id AND s.id = a.id
	LEFT JOIN penguin.domains d ON d.tenant_id = a.tenant_id AND d.domain = a.domain
), batched AS (
	INSERT INTO penguin.batches
		(tenant_id, id, campaign_id, pool, tag, priority, jobs, not_before)
	SELECT p.tenant_id, (left(p.first, 20) || substr(p.digest, 1, 3) || '-'
			|| substr(p.digest, 4, 12))::uuid,
		p.campaign_id, p.pool, p.tag, p.priority, p.jobs, p.not_before
	FROM (
		SELECT s.tenant_id, (array_agg(s.id::text ORDER BY s.n))[1] AS first,
			md5((array_agg(s.id::text ORDER BY s.n))[1] || $3::text) AS digest,
			s.campaign_id, c.pool, s.tag, c.priority, array_agg(s.id ORDER BY s.n) AS jobs,
			coalesce(s.not_before, now()) AS not_before
		FROM sorted s
		JOIN penguin.campaigns c ON c.tenant_id = s.tenant_id AND c.id = s.campaign_id
		GROUP BY s.tenant_id, s.campaign_id, c.pool, c.priority, s.tag, s.not_before,
			(s.n - 1) / 500
	) p
)
SELECT (SELECT count(*) FROM taken) AS taken, (SELECT count(*) FROM added) AS added
