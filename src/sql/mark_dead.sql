-- The first step of a theft: workers whose lease has run out can never renew it again.
-- Only a worker that has itself renewed without a gap for two minutes may run it, so that
-- after a failover of the database every owner gets time to renew first.
-- fleet table: belongs to no tenant
-- $1 grace_us bigint: on top of the lease, 30 s as a rule
-- rows: id uuid, node text, name text, sources text[] (what it owned)
UPDATE penguin.workers
SET state = 'dead', ended_at = now()
WHERE state = 'live' AND until < now() - $1::bigint * interval '1 microsecond'
RETURNING id, node, name, sources
