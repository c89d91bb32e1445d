-- optional: the application's walls, against who attacks them and not only against mistakes.
--
-- A login that is listed in penguin.logins has one tenant and cannot name another, whatever
-- SQL it runs.  What no policy covers is shut as well: locks of whole tables, rows for the
-- inbox without a tenant, and what the planner's estimates would tell.

CREATE TABLE penguin.logins (
	login name PRIMARY KEY,
	tenant_id uuid NOT NULL
);
GRANT SELECT ON penguin.logins TO penguin_app, penguin_mta, penguin_bounce, penguin_track;
GRANT SELECT, INSERT, UPDATE, DELETE ON penguin.logins TO penguin_admin;
ALTER TABLE penguin.logins ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_login ON penguin.logins FOR SELECT TO penguin_app, penguin_mta,
	penguin_bounce, penguin_track USING (login = session_user);
CREATE POLICY every_login ON penguin.logins TO penguin_admin USING (true);

-- The tenant of this session: what is set, or of a listed login its own.  Null: none.  The
-- body is bound now, not by the search_path of who calls it.
CREATE FUNCTION penguin.own_tenant() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
	SELECT CASE WHEN l.tenant_id IS NULL THEN s.tenant_id
		WHEN s.tenant_id IS NULL OR s.tenant_id = l.tenant_id THEN l.tenant_id END
	FROM (SELECT nullif(current_setting('penguin.tenant', true), '')::uuid AS tenant_id) s
	LEFT JOIN penguin.logins l ON l.login = session_user
);
COMMENT ON FUNCTION penguin.own_tenant IS
	'The tenant whose rows the application sees: the setting penguin.tenant, or the login''s.';

ALTER TABLE penguin.domains ENABLE ROW LEVEL SECURITY;
CREATE POLICY every_tenant ON penguin.domains TO penguin_mta, penguin_bounce, penguin_track,
	penguin_admin USING (true);

DO $$
DECLARE
	tab text;
BEGIN
	FOREACH tab IN ARRAY ARRAY['tenants', 'contents', 'campaigns', 'jobs', 'batches',
		'attempts', 'campaign_stats', 'quarantine', 'suppressions', 'domains'] LOOP
		EXECUTE format('DROP POLICY IF EXISTS own_tenant ON penguin.%I', tab);
		EXECUTE format('CREATE POLICY own_tenant ON penguin.%I TO penguin_app '
			'USING (tenant_id = (SELECT penguin.own_tenant()))', tab);
	END LOOP;
END
$$;

-- A check that is null passes, so null is said to be false.
ALTER TABLE penguin.inbox DROP CONSTRAINT inbox_own_tenant;
ALTER TABLE penguin.inbox ADD CONSTRAINT inbox_own_tenant CHECK (
	tenant_id IS NOT DISTINCT FROM penguin.own_tenant()
		OR has_table_privilege('penguin.inbox', 'SELECT'));

CREATE OR REPLACE VIEW penguin.inbox_waiting WITH (security_barrier = true) AS
SELECT tenant_id, campaign_id, count(*) AS waiting
FROM penguin.inbox
WHERE has_table_privilege('penguin.inbox', 'SELECT')
	OR tenant_id = (SELECT penguin.own_tenant())
GROUP BY tenant_id, campaign_id;

-- Who may update a table, not only columns of it, may also lock it against everybody.
REVOKE UPDATE ON penguin.campaigns, penguin.suppressions FROM penguin_app;
GRANT UPDATE (name, state, state_reason, content_id, content_version, pool, priority, weight,
	not_before, not_after, expires_after, on_in_doubt, stream, settings, updated_at, txid)
	ON penguin.campaigns TO penguin_app;
GRANT UPDATE (reason, evidence, expires_at, changed_at, txid)
	ON penguin.suppressions TO penguin_app;

-- EXPLAIN estimates from the values of all tenants, policies or not, and who asks often
-- enough reads addresses and ids out of the estimates.  So there are no statistics of
-- values; every statement of ours goes by an index whatever they say.
DO $$
DECLARE
	tab text;
	settings text;
BEGIN
	FOREACH tab IN ARRAY ARRAY['tenants', 'contents', 'campaigns', 'jobs', 'batches', 'inbox',
		'attempts', 'campaign_stats', 'quarantine', 'suppressions', 'domains', 'logins'] LOOP
		SELECT string_agg(format('ALTER COLUMN %I SET STATISTICS 0', attname), ', ')
		INTO settings
		FROM pg_attribute
		WHERE attrelid = format('penguin.%I', tab)::regclass AND attnum > 0
			AND NOT attisdropped;
		EXECUTE format('ALTER TABLE penguin.%I %s', tab, settings);
	END LOOP;
END
$$;

-- What was gathered before only a superuser can throw away; penguin-sql(7) says how.
DO $$
BEGIN
	DELETE FROM pg_statistic s USING pg_class c
	WHERE s.starelid = c.oid AND c.relnamespace = 'penguin'::regnamespace;
EXCEPTION
	WHEN insufficient_privilege THEN NULL;
END
$$;
