-- Claims jobs, not batches: for each (tenant, pool, tag, priority, careful) up to as many as the
-- worker has permits for, from many batches under one token.  A batch larger than what is
-- left of the permits is split: the first members move to a new leased row, the rest stays
-- unleased under its old id and in its old place.  Campaigns that do not run, are outside
-- their window or on hold are not looked at, however much they have waiting.
--
-- Between campaigns of one key the share goes by weight: by what each would have got, and
-- where that is equal by a weighted draw that the token decides.  A batch that was lost by
-- three owners is claimed an eighth at a time, to close in on the job that kills; the eighth
-- begins anew, since most of its jobs are innocent: only who is lost alone again is suspect.
--
-- The pairs (priority, not_before) are compared as rows so that batches_claim gives the
-- range and no plan can go through batches_due, which is of all tenants.  A campaign yields
-- at most 500 batches a key; saying so keeps the planner from expecting a tenth of all
-- rows, and from compiling the statement (JIT) for seconds.  Up to 200 keys a claim.
-- $1 tenants uuid[], $2 pools text[], $3 tags text[], $4 priorities int[], $5 takes int[]:
--	the keys, parallel; jobs to take of each, at least 1
-- $6 split_ids uuid[]: UUIDv7 for split-off rows: one a key, and one for each batch that was
--	lost by three owners; without one left the batch is not claimed this time
-- $7 owner uuid: the worker; one that is not live gets nothing
-- $8 token uuid: random, one a claim
-- $9 since_us bigint: look only at what became due after this; null: at everything.  For a
--	poll that has seen no backlog: it skips what a long-running reader keeps vacuum from
--	removing
-- $10 carefuls boolean[]: of the key; true for the campaigns that want nothing sent twice
--	(on_in_doubt is not retry), false for the others
-- rows: tenant_id uuid, id uuid, campaign_id uuid, pool text, tag text, priority int,
--	state text, size int, leases int, suspect boolean, refiled boolean,
--	first_leased_us bigint, content_id uuid, content_version int (null: no such
--	content), keys text, lost boolean, careful boolean
WITH asked AS (
	SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::int[],
			$10::boolean[])
		WITH ORDINALITY AS k (tenant_id, pool, tag, priority, take, careful, key)
), open AS MATERIALIZED (
	SELECT k.*, coalesce(to_timestamp($9::bigint / 1e6), '-infinity') AS since,
		c.id AS campaign_id, c.weight, c.content_id, c.content_version,
		-ln(((hashtextextended(c.id::text || $8::text, 0) & 1048575) + 1) / 1048577.0)
			/ c.weight AS draw
	FROM asked k
	JOIN penguin.tenants t ON t.tenant_id = k.tenant_id AND t.state = 'active'
	JOIN penguin.campaigns c ON c.tenant_id = k.tenant_id AND c.state = 'running'
		AND (c.on_in_doubt <> 'retry') = k.careful
	WHERE (c.not_before IS NULL OR c.not_before <= now())
		AND (c.not_after IS NULL OR c.not_after > now())
		AND EXISTS (SELECT FROM penguin.workers w
			WHERE w.id = $7::uuid AND w.state = 'live' AND w.until > now())
		AND NOT EXISTS (SELECT FROM penguin.holds h
			WHERE h.tenant_id IN (k.tenant_id, '00000000-0000-0000-0000-000000000000')
				AND (h.until IS NULL OR h.until > now())
				AND (h.kind, h.name) IN (('tenant', k.tenant_id::text),
					('campaign', c.id::text), ('provider', k.tag)))
), peek AS (
	SELECT o.key, o.take, o.campaign_id, o.weight, o.draw, b.id, b.size, sum(b.size) OVER (
		PARTITION BY o.key, o.campaign_id ORDER BY b.not_before, b.id) - b.size AS ahead
	FROM open o CROSS JOIN LATERAL (SELECT * FROM (
		SELECT x.id, x.size, x.not_before FROM penguin.batches x
		WHERE x.tenant_id = o.tenant_id AND x.campaign_id = o.campaign_id
			AND x.pool = o.pool AND x.tag = o.tag AND x.owner IS NULL
			AND (x.priority, x.not_before) > (o.priority, o.since)
			AND (x.priority, x.not_before) <= (o.priority, now())
		ORDER BY x.priority, x.not_before, x.id
		LIMIT 500) y LIMIT o.take) b
), wanted AS (
	SELECT p.key, p.campaign_id, count(*) AS n
	FROM (SELECT key, campaign_id, take, sum(size) OVER (
			PARTITION BY key ORDER BY ahead::numeric / weight, draw, id) - size AS ahead
		FROM peek) p
	WHERE p.ahead < p.take
	GROUP BY p.key, p.campaign_id
), locked AS MATERIALIZED (
	SELECT o.key, o.take, o.careful, o.weight, o.draw, o.content_id AS new_content,
		o.content_version AS new_version, b.*,
		CASE WHEN b.leases >= 3 THEN (b.size + 7) / 8 ELSE b.size END AS bite
	FROM wanted w
	JOIN open o ON o.key = w.key AND o.campaign_id = w.campaign_id
	CROSS JOIN LATERAL (SELECT * FROM (
		SELECT x.* FROM penguin.batches x
		WHERE x.tenant_id = o.tenant_id AND x.campaign_id = o.campaign_id
			AND x.pool = o.pool AND x.tag = o.tag AND x.owner IS NULL
			AND (x.priority, x.not_before) > (o.priority, o.since)
			AND (x.priority, x.not_before) <= (o.priority, now())
		ORDER BY x.priority, x.not_before, x.id
		LIMIT 500
		FOR UPDATE SKIP LOCKED) y LIMIT w.n) b
), placed AS (
	SELECT l.key, l.take, l.tenant_id, l.id, l.bite, l.size, l.draw, l.weight,
		sum(l.bite) OVER (PARTITION BY l.key, l.campaign_id
			ORDER BY l.not_before, l.id) - l.bite AS ahead
	FROM locked l
), cut AS (
	SELECT p.tenant_id, p.id, p.size, least(p.bite, p.take - p.ahead)::int AS n
	FROM (SELECT q.tenant_id, q.id, q.size, q.bite, q.take, sum(q.bite) OVER (
			PARTITION BY q.key ORDER BY q.ahead::numeric / q.weight, q.draw, q.id)
			- q.bite AS ahead
		FROM placed q) p
	WHERE p.ahead < p.take
), chosen AS MATERIALIZED (
	SELECT l.*, c.n, CASE WHEN c.n < c.size THEN ($6::uuid[])[count(*)
			FILTER (WHERE c.n < c.size) OVER (ORDER BY l.tenant_id, l.id
				ROWS UNBOUNDED PRECEDING)] END AS split_id,
		coalesce(l.content_id, l.new_content) AS pinned_content,
		coalesce(l.content_version, l.new_version, (SELECT max(n.version)
			FROM penguin.contents n
			WHERE n.tenant_id = l.tenant_id AND n.id = l.new_content)) AS pinned_version
	FROM locked l JOIN cut c ON c.tenant_id = l.tenant_id AND c.id = l.id
), whole AS (
	UPDATE penguin.batches b
	SET owner = $7::uuid, token = $8::uuid, leases = b.leases + 1,
		first_leased_at = coalesce(b.first_leased_at, now()),
		content_id = c.pinned_content, content_version = c.pinned_version
	FROM chosen c
	WHERE b.tenant_id = c.tenant_id AND b.id = c.id AND c.n = c.size
	RETURNING b.tenant_id, b.id, b.campaign_id, b.pool, b.tag, b.priority, b.state, b.size,
		b.leases, b.suspect, b.refiled, b.first_leased_at, b.content_id,
		b.content_version, b.keys, b.lost, c.careful
), rest AS (
	UPDATE penguin.batches b
	SET jobs = c.jobs[c.n + 1:], attempt_no = c.attempt_no[c.n + 1:], due = c.due[c.n + 1:],
		source = c.source[c.n + 1:], first_at = c.first_at[c.n + 1:]
	FROM chosen c
	WHERE b.tenant_id = c.tenant_id AND b.id = c.id AND c.split_id IS NOT NULL
), part AS (
	INSERT INTO penguin.batches (tenant_id, id, campaign_id, pool, tag, priority, state,
		jobs, not_before, owner, token, leases, suspect, refiled, first_leased_at,
		content_id, content_version, keys, attempt_no, due, source, first_at, lost)
	SELECT c.tenant_id, c.split_id, c.campaign_id, c.pool, c.tag, c.priority, c.state,
		c.jobs[:c.n], c.not_before, $7::uuid, $8::uuid,
		CASE WHEN c.leases >= 3 THEN 1 ELSE c.leases + 1 END, c.suspect,
		c.refiled, coalesce(c.first_leased_at, now()), c.pinned_content,
		c.pinned_version, c.keys, c.attempt_no[:c.n], c.due[:c.n], c.source[:c.n],
		c.first_at[:c.n], c.lost
	FROM chosen c
	WHERE c.split_id IS NOT NULL
	RETURNING tenant_id, id, campaign_id, pool, tag, priority, state, size, leases, suspect,
		refiled, first_leased_at, content_id, content_version, keys, lost
)
SELECT x.tenant_id, x.id, x.campaign_id, x.pool, x.tag, x.priority, x.state, x.size, x.leases,
	x.suspect, x.refiled,
	(extract(epoch FROM x.first_leased_at) * 1000000)::bigint AS first_leased_us,
	x.content_id, x.content_version, x.keys, x.lost, x.careful
FROM (SELECT * FROM whole UNION ALL SELECT p.*, c.careful FROM part p
	JOIN chosen c ON c.tenant_id = p.tenant_id AND c.split_id = p.id) x
