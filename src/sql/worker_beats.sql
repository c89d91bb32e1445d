-- How far Postgres knows a worker's history; no row: it has never heard of it, or forgot.
-- fleet table: belongs to no tenant
-- $1 id uuid
-- rows: beats bigint
SELECT beats FROM penguin.workers WHERE id = $1::uuid
