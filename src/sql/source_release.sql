-- Gives addresses back: nothing is sent from them any more, and no connection is open.
-- fleet table: belongs to no tenant
-- $1 owner uuid: the worker
-- $2 addresses text[]
-- rows: none
DELETE FROM penguin.source_leases l
USING unnest($2::text[]) AS a (address)
WHERE l.owner = $1::uuid AND l.address = a.address::inet
