-- Goes with each transaction by which a worker claims, reports or renews: a commit that
-- Postgres forgets takes its number along.  Who has seen it and gets no greater one now, or
-- no row, knows that what it was told is not so any more.
-- fleet table: belongs to no tenant
-- $1 id uuid, $2 seen bigint: the greatest number it has had; where Postgres knows of less,
--	the others are told by the same commit (worker_untold.sql)
-- rows: beats bigint, live boolean
UPDATE penguin.workers SET beats = beats + 1, seen_at = now(), rewound = rewound OR beats < $2::bigint
WHERE id = $1::uuid
RETURNING beats, state = 'live' AS live
