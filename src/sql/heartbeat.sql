-- Renews the lease.  No row back: the worker is fenced and may send no more dots.
-- fleet table: belongs to no tenant
-- $1 id uuid
-- $2 lease_us bigint
-- $3 sources text[]: the sources the worker owns now
-- $4 config text: hash of its settings, $5 draining boolean
-- rows: until_us bigint, now_us bigint
UPDATE penguin.workers
SET until = now() + $2::bigint * interval '1 microsecond', sources = $3::text[],
	config = $4::text, draining = $5::boolean
WHERE id = $1::uuid AND state = 'live'
RETURNING (extract(epoch FROM until) * 1000000)::bigint AS until_us,
	(extract(epoch FROM now()) * 1000000)::bigint AS now_us
