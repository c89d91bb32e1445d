-- The other workers that are live now: of one node's name there may be no second machine,
-- and all should send by the same settings.
-- fleet table: belongs to no tenant
-- $1 id uuid: who asks
-- rows: node text, name text, machine text, config text, elder boolean (it was there first),
--	started_us bigint
SELECT w.node, w.name, w.machine, w.config,
	coalesce((w.started_at, w.id) < (m.started_at, m.id), true) AS elder,
	(extract(epoch FROM w.started_at) * 1000000)::bigint AS started_us
FROM penguin.workers w
LEFT JOIN penguin.workers m ON m.id = $1::uuid
WHERE w.state = 'live' AND w.until > now() AND w.id <> $1::uuid
ORDER BY w.node, w.name, w.id
