-- The live workers that an operator means: all of a node, one of it, or one by its id.
-- fleet table: belongs to no tenant
-- $1 node text, $2 name text (null: all of the node), $3 id uuid (null: by name)
-- $4 quiet_us bigint: who was heard of since then may well be alive
-- rows: id uuid, node text, name text, quiet boolean (not heard of for that long),
--	seen_us bigint, until_us bigint, now_us bigint, held bigint (jobs)
SELECT w.id, w.node, w.name, w.seen_at < now() - $4::bigint * interval '1 microsecond' AS quiet,
	(extract(epoch FROM w.seen_at) * 1000000)::bigint AS seen_us,
	(extract(epoch FROM w.until) * 1000000)::bigint AS until_us,
	(extract(epoch FROM now()) * 1000000)::bigint AS now_us,
	coalesce((SELECT sum(s.size) FROM (
		SELECT b.tenant_id, sum(b.size) AS size FROM penguin.batches b
		WHERE b.owner = w.id GROUP BY b.tenant_id) s), 0)::bigint AS held
FROM penguin.workers w
WHERE w.state = 'live' AND (w.id = $3::uuid
	OR ($3::uuid IS NULL AND w.node = $1::text AND ($2::text IS NULL OR w.name = $2::text)))
ORDER BY w.node, w.name, w.started_at
