-- An operator says that workers are dead, whatever is left of their leases.  One that lives
-- all the same learns it with its next report or renewal and sends nothing more; so who has
-- been heard of lately is dead only by force.
-- fleet table: belongs to no tenant
-- $1 ids uuid[]
-- $2 quiet_us bigint: nothing must have come for so long; 0: by force
-- rows: id uuid: those that are dead now
UPDATE penguin.workers SET state = 'dead', ended_at = now()
WHERE id = ANY ($1::uuid[]) AND state = 'live'
	AND ($2::bigint = 0 OR seen_at < now() - $2::bigint * interval '1 microsecond')
RETURNING id
