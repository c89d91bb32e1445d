-- What the workers have found out about recipient domains; enqueueing chooses tags by it.
-- A domain changes at most once a day.
-- fleet table: belongs to no tenant
-- $1 domains text[] (lower case, A-labels), $2 providers text[] ('other': none),
-- $3 sites text[]: parallel, no domain twice
-- rows: none
INSERT INTO penguin.domains AS d (domain, provider, site)
SELECT k.domain, k.provider, k.site
FROM unnest($1::text[], $2::text[], $3::text[]) AS k (domain, provider, site)
ORDER BY k.domain
ON CONFLICT (domain) DO UPDATE
SET provider = excluded.provider, site = excluded.site, learned_at = excluded.learned_at,
	changed_at = excluded.changed_at
WHERE (d.provider, d.site) <> (excluded.provider, excluded.site)
	AND d.changed_at < now() - interval '1 day'
