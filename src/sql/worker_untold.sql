-- Behind a change of server nobody knows how much it knows.  Each worker finds that out for
-- itself with its first commit; these are the others of whom that is not known yet, or who
-- have found that something is forgotten and have not told yet what it was.  While there
-- are any, what waits may have been sent.  A server that ran on has forgotten nothing: then
-- it was only the connection, and who says nothing is not waited for.
-- fleet table: belongs to no tenant
-- $1 id uuid: who asks
-- $2 back_us bigint: so long ago it came back to this server; null: it was not away, and who
--	says nothing is not waited for
-- $3 server text: the one that it knew before; null: none
-- rows: server text (this one), node text, name text, telling boolean (it has found something);
--	one row at least, in which node is null when nobody is waited for
SELECT s.server, w.node, w.name, w.rewound AS telling
FROM (SELECT pg_postmaster_start_time()::text AS server) s
LEFT JOIN penguin.workers w ON w.state = 'live' AND w.until > now() AND w.id <> $1::uuid
	AND (w.rewound OR (s.server IS DISTINCT FROM $3::text
		AND w.seen_at <= now() - $2::bigint * interval '1 microsecond'))
ORDER BY w.rewound DESC, w.node, w.name, w.id
