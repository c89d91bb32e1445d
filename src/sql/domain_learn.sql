-- What a tenant's mail has taught about recipient domains; enqueueing chooses tags by it.
-- A domain changes at most once a day.
-- $1 tenants uuid[], $2 domains text[] (lower case, A-labels), $3 providers text[] ('other':
--	none), $4 sites text[]: parallel, no domain of a tenant twice
-- rows: none
INSERT INTO penguin.domains AS d (tenant_id, domain, provider, site)
SELECT k.tenant_id, k.domain, k.provider, k.site
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[])
	AS k (tenant_id, domain, provider, site)
ORDER BY k.tenant_id, k.domain
ON CONFLICT (tenant_id, domain) DO UPDATE
SET provider = excluded.provider, site = excluded.site, learned_at = excluded.learned_at,
	changed_at = excluded.changed_at
WHERE (d.provider, d.site) <> (excluded.provider, excluded.site)
	AND d.changed_at < now() - interval '1 day'
