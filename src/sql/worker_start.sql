-- Registers a worker incarnation: its one lease for everything it will hold.
-- fleet table: belongs to no tenant
-- $1 id uuid: random, new at every start
-- $2 node text: host name
-- $3 name text: the worker's name on that host, the same after a restart
-- $4 version text
-- $5 lease_us bigint: how long the lease lasts
-- $6 machine text: what tells its machine from others, $7 config text: hash of its settings
-- rows: until_us bigint, now_us bigint (the database's clock), beats bigint
INSERT INTO penguin.workers (id, node, name, version, until, machine, config, beats)
VALUES ($1::uuid, $2::text, $3::text, $4::text, now() + $5::bigint * interval '1 microsecond',
	$6::text, $7::text, 1)
ON CONFLICT (id) DO NOTHING
RETURNING (extract(epoch FROM until) * 1000000)::bigint AS until_us,
	(extract(epoch FROM now()) * 1000000)::bigint AS now_us, beats
