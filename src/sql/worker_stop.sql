-- A worker says that it will send nothing more.  What it still holds is free at once.
-- fleet table: belongs to no tenant
-- $1 id uuid
-- rows: id uuid (none: it was dead already)
UPDATE penguin.workers SET state = 'stopped', sources = '{}', ended_at = now()
WHERE id = $1::uuid AND state = 'live'
RETURNING id
