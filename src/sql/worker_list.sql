-- Every worker that is live, or was in the last day.
-- fleet table: belongs to no tenant
-- rows: id uuid, node text, name text, version text, state text, sources text[],
--	started_us bigint, until_us bigint, now_us bigint
SELECT id, node, name, version, state, sources,
	(extract(epoch FROM started_at) * 1000000)::bigint AS started_us,
	(extract(epoch FROM until) * 1000000)::bigint AS until_us,
	(extract(epoch FROM now()) * 1000000)::bigint AS now_us
FROM penguin.workers
WHERE state = 'live' OR until > now() - interval '1 day'
ORDER BY node, name, started_at
