-- A worker says that it will send nothing more.  What it still holds is free at once; not of
-- one that has something to tell first (worker_untold.sql): its next start does.
-- fleet table: belongs to no tenant
-- $1 id uuid
-- rows: id uuid (none: it was dead already, or has to tell)
UPDATE penguin.workers SET state = 'stopped', sources = '{}', ended_at = now()
WHERE id = $1::uuid AND state = 'live' AND NOT rewound
RETURNING id
