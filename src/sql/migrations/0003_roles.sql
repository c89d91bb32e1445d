-- optional: roles, grants and row-level security.
--
-- Each program has a role that can do just its job; the application also sees only the
-- tenant it names in the setting penguin.tenant.  That is a second wall: every statement
-- names its tenant anyway.  The owner of the tables is not bound by the policies; nothing
-- but penguinctl migrate and penguinctl maintain should be that role.

DO $$
DECLARE
	role text;
BEGIN
	FOREACH role IN ARRAY ARRAY['penguin_app', 'penguin_mta', 'penguin_bounce',
		'penguin_track', 'penguin_admin'] LOOP
		IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
			EXECUTE format('CREATE ROLE %I NOLOGIN', role);
		END IF;
	END LOOP;
EXCEPTION
	-- Two databases of one cluster migrated at the same moment: the role is there.
	WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

GRANT USAGE ON SCHEMA penguin
	TO penguin_app, penguin_mta, penguin_bounce, penguin_track, penguin_admin;
GRANT SELECT ON penguin.schema_migrations
	TO penguin_app, penguin_mta, penguin_bounce, penguin_track, penguin_admin;

-- The application: enqueues, steers its campaigns, reads what became of them.
GRANT SELECT ON penguin.tenants, penguin.contents, penguin.campaigns, penguin.jobs,
	penguin.batches, penguin.attempts, penguin.campaign_stats, penguin.suppressions,
	penguin.quarantine, penguin.domains, penguin.accounting TO penguin_app;
GRANT INSERT ON penguin.contents, penguin.campaigns, penguin.jobs, penguin.inbox,
	penguin.suppressions TO penguin_app;
GRANT INSERT (tenant_id, id, campaign_id, pool, tag, priority, jobs, not_before)
	ON penguin.batches TO penguin_app;
GRANT UPDATE ON penguin.campaigns, penguin.suppressions TO penguin_app;
GRANT SELECT ON penguin.inbox_waiting TO penguin_app;

-- The sender.
GRANT SELECT ON ALL TABLES IN SCHEMA penguin TO penguin_mta;
GRANT INSERT ON penguin.jobs, penguin.attempts TO penguin_mta;
GRANT INSERT, UPDATE, DELETE ON penguin.batches TO penguin_mta;
GRANT UPDATE, DELETE ON penguin.inbox TO penguin_mta;
GRANT UPDATE ON penguin.campaigns TO penguin_mta;
GRANT INSERT, UPDATE ON penguin.campaign_stats, penguin.workers, penguin.limits,
	penguin.domains, penguin.quarantine, penguin.suppressions TO penguin_mta;

-- The two that face the internet.
GRANT SELECT ON penguin.tenants, penguin.campaigns, penguin.jobs, penguin.attempts,
	penguin.suppressions, penguin.campaign_stats TO penguin_bounce;
GRANT INSERT ON penguin.attempts TO penguin_bounce;
GRANT INSERT, UPDATE ON penguin.suppressions, penguin.campaign_stats TO penguin_bounce;
GRANT SELECT ON penguin.tenants, penguin.contents, penguin.campaigns, penguin.jobs,
	penguin.suppressions TO penguin_track;
GRANT INSERT, UPDATE ON penguin.suppressions TO penguin_track;

-- penguinctl.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA penguin TO penguin_admin;

DO $$
DECLARE
	tab text;
BEGIN
	FOREACH tab IN ARRAY ARRAY['tenants', 'contents', 'campaigns', 'jobs', 'batches',
		'attempts', 'campaign_stats', 'quarantine', 'suppressions'] LOOP
		EXECUTE format('ALTER TABLE penguin.%I ENABLE ROW LEVEL SECURITY', tab);
		EXECUTE format('CREATE POLICY own_tenant ON penguin.%I TO penguin_app '
			'USING (tenant_id = nullif(current_setting(''penguin.tenant'', true), '''')::uuid)',
			tab);
		EXECUTE format('CREATE POLICY every_tenant ON penguin.%I TO penguin_mta, '
			'penguin_bounce, penguin_track, penguin_admin USING (true)', tab);
	END LOOP;
END
$$;

-- COPY refuses a table with policies, so the inbox has a check instead: it holds only for
-- those who have named a tenant.
ALTER TABLE penguin.inbox ADD CONSTRAINT inbox_own_tenant CHECK (
	tenant_id = coalesce(nullif(current_setting('penguin.tenant', true), '')::uuid, tenant_id));
