-- Workers that Postgres has forgotten and whose journal is about to be replayed: what that
-- has of them is no evidence of strangers.
-- fleet table: belongs to no tenant
-- $1 ids uuid[]
-- $2 node text: of whoever replays
-- rows: id uuid: those that were forgotten
INSERT INTO penguin.workers (id, node, name, version, state, until, ended_at)
SELECT u.id, $2::text, '', '', 'replayed', now(), now()
FROM unnest($1::uuid[]) AS u (id)
ON CONFLICT (id) DO NOTHING
RETURNING id
