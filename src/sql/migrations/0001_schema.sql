-- The tables of penguin-mta; penguin-sql(7) explains every column.
--
-- Three rules shape them.  A large table (jobs, attempts) is only ever appended to and
-- loses whole partitions, so a long-running reader costs nothing.  What changes is one row
-- for up to 500 jobs: the batch.  And nothing here needs a function, a trigger, a sequence
-- or a session, so that the same text runs on Citus and Nile and through PgBouncer.
--
-- Foreign keys are left out on purpose: they would lock a campaign row for each job.

CREATE SCHEMA IF NOT EXISTS penguin;

CREATE TABLE IF NOT EXISTS penguin.schema_migrations (
	number int PRIMARY KEY,
	name text NOT NULL,
	checksum text NOT NULL,
	state text NOT NULL DEFAULT 'applied' CHECK (state IN ('applied', 'skipped')),
	applied_at timestamptz NOT NULL DEFAULT now()
);

-- Who sends, what, to whom.

CREATE TABLE penguin.tenants (
	tenant_id uuid PRIMARY KEY,
	name text NOT NULL,
	state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'closed')),
	weight int NOT NULL DEFAULT 100 CHECK (weight BETWEEN 1 AND 1000),
	settings jsonb NOT NULL DEFAULT '{}',
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	txid xid8 NOT NULL DEFAULT pg_current_xact_id()
);

CREATE TABLE penguin.contents (
	tenant_id uuid NOT NULL,
	id uuid NOT NULL,
	version int NOT NULL CHECK (version > 0),
	name text NOT NULL CHECK (name ~ '^[A-Za-z0-9_.-]{1,100}$'),
	kind text NOT NULL CHECK (kind IN ('template', 'raw')),
	body jsonb,
	raw bytea,
	created_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (tenant_id, id, version),
	UNIQUE (tenant_id, name, version),
	CHECK ((kind = 'template' AND body IS NOT NULL AND raw IS NULL)
		OR (kind = 'raw' AND raw IS NOT NULL))
);

CREATE TABLE penguin.campaigns (
	tenant_id uuid NOT NULL,
	id uuid NOT NULL,
	name text NOT NULL,
	state text NOT NULL DEFAULT 'draft'
		CHECK (state IN ('draft', 'running', 'paused', 'cancelled', 'finished')),
	state_reason text NOT NULL DEFAULT '',
	content_id uuid NOT NULL,
	content_version int,
	pool text NOT NULL DEFAULT 'default',
	priority int NOT NULL DEFAULT 10 CHECK (priority BETWEEN 0 AND 100),
	weight int NOT NULL DEFAULT 100 CHECK (weight BETWEEN 1 AND 1000),
	not_before timestamptz,
	not_after timestamptz,
	expires_after interval NOT NULL DEFAULT interval '3 days'
		CHECK (expires_after BETWEEN interval '1 second' AND interval '30 days'),
	on_in_doubt text NOT NULL DEFAULT 'retry'
		CHECK (on_in_doubt IN ('retry', 'assume_sent', 'hold')),
	stream text NOT NULL DEFAULT 'default' CHECK (stream NOT IN ('', '*')),
	settings jsonb NOT NULL DEFAULT '{}',
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	txid xid8 NOT NULL DEFAULT pg_current_xact_id(),
	PRIMARY KEY (tenant_id, id)
);
CREATE INDEX campaigns_running ON penguin.campaigns (tenant_id, id) WHERE state = 'running';
CREATE INDEX campaigns_closed ON penguin.campaigns (tenant_id, id)
	WHERE state IN ('cancelled', 'finished');
CREATE INDEX campaigns_feed ON penguin.campaigns (txid, tenant_id, id);

-- The queue.

CREATE TABLE penguin.jobs (
	tenant_id uuid NOT NULL,
	id uuid NOT NULL CHECK (substr(id::text, 15, 1) = '7'),
	campaign_id uuid NOT NULL,
	recipient text NOT NULL CHECK (octet_length(recipient) BETWEEN 3 AND 320),
	vars jsonb NOT NULL DEFAULT '{}',
	engagement real,
	enqueued_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (tenant_id, id)
) PARTITION BY RANGE (id);
CREATE TABLE penguin.jobs_default PARTITION OF penguin.jobs DEFAULT;

CREATE TABLE penguin.batches (
	tenant_id uuid NOT NULL,
	id uuid NOT NULL CHECK (substr(id::text, 15, 1) = '7'),
	campaign_id uuid NOT NULL,
	pool text NOT NULL,
	tag text NOT NULL DEFAULT 'other' CHECK (tag <> ''),
	priority int NOT NULL,
	state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'retrying')),
	jobs uuid[] NOT NULL CHECK (cardinality(jobs) <= 500),
	size int NOT NULL GENERATED ALWAYS AS (cardinality(jobs)) STORED,
	not_before timestamptz NOT NULL DEFAULT now(),
	owner uuid,
	token uuid,
	leases int NOT NULL DEFAULT 0,
	suspect boolean NOT NULL DEFAULT false,
	refiled boolean NOT NULL DEFAULT false,
	first_leased_at timestamptz,
	content_id uuid,
	content_version int,
	keys text NOT NULL DEFAULT '',
	attempt_no int[] CHECK (cardinality(attempt_no) = cardinality(jobs)),
	due timestamptz[] CHECK (cardinality(due) = cardinality(jobs)),
	source text[] CHECK (cardinality(source) = cardinality(jobs)),
	first_at timestamptz[] CHECK (cardinality(first_at) = cardinality(jobs)),
	PRIMARY KEY (tenant_id, id),
	CHECK ((owner IS NULL) = (token IS NULL)),
	CHECK (owner IS NOT NULL OR cardinality(jobs) > 0)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
	autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 20000,
	autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000,
	autovacuum_vacuum_cost_delay = 0);
-- 500 random ids do not compress: spare the attempt.
ALTER TABLE penguin.batches ALTER COLUMN jobs SET STORAGE EXTERNAL;
CREATE INDEX batches_claim
	ON penguin.batches (tenant_id, campaign_id, pool, tag, priority, not_before, id)
	WHERE owner IS NULL;
CREATE INDEX batches_due ON penguin.batches (not_before) WHERE owner IS NULL;
CREATE INDEX batches_leased ON penguin.batches (tenant_id, campaign_id, owner)
	WHERE owner IS NOT NULL;

CREATE TABLE penguin.inbox (
	tenant_id uuid NOT NULL,
	id uuid NOT NULL CHECK (substr(id::text, 15, 1) = '7'),
	campaign_id uuid NOT NULL,
	recipient text NOT NULL CHECK (octet_length(recipient) BETWEEN 3 AND 320),
	vars jsonb NOT NULL DEFAULT '{}',
	engagement real,
	enqueued_at timestamptz NOT NULL DEFAULT now(),
	not_before timestamptz
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
	autovacuum_vacuum_cost_delay = 0);
CREATE INDEX inbox_id ON penguin.inbox (tenant_id, id);

-- What became of it.

CREATE TABLE penguin.attempts (
	tenant_id uuid NOT NULL,
	id uuid NOT NULL CHECK (substr(id::text, 15, 1) = '7'),
	job_id uuid NOT NULL,
	campaign_id uuid NOT NULL,
	attempt_no int NOT NULL,
	state text NOT NULL CHECK (state IN ('retrying', 'in_doubt', 'delivered', 'bounced',
		'expired', 'suppressed', 'cancelled', 'failed')),
	category text NOT NULL DEFAULT '',
	scope text NOT NULL DEFAULT '',
	action text NOT NULL DEFAULT '',
	phase text NOT NULL DEFAULT '',
	code int NOT NULL DEFAULT 0,
	enhanced text NOT NULL DEFAULT '',
	reply text NOT NULL DEFAULT '',
	command text NOT NULL DEFAULT '',
	provider text NOT NULL DEFAULT '',
	site text NOT NULL DEFAULT '',
	mx text NOT NULL DEFAULT '',
	mx_address inet,
	source text NOT NULL DEFAULT '',
	source_address inet,
	tls_version text NOT NULL DEFAULT '',
	tls_cipher text NOT NULL DEFAULT '',
	size_bytes bigint NOT NULL DEFAULT 0,
	flags int NOT NULL DEFAULT 0,
	worker uuid,
	at timestamptz NOT NULL,
	duration_ms int NOT NULL DEFAULT 0,
	PRIMARY KEY (tenant_id, id)
) PARTITION BY RANGE (id);
CREATE INDEX attempts_job ON penguin.attempts (tenant_id, job_id);
CREATE TABLE penguin.attempts_default PARTITION OF penguin.attempts DEFAULT;

CREATE TABLE penguin.campaign_stats (
	tenant_id uuid NOT NULL,
	campaign_id uuid NOT NULL,
	stripe int NOT NULL,
	delivered bigint NOT NULL DEFAULT 0,
	bounced bigint NOT NULL DEFAULT 0,
	expired bigint NOT NULL DEFAULT 0,
	suppressed bigint NOT NULL DEFAULT 0,
	cancelled bigint NOT NULL DEFAULT 0,
	failed bigint NOT NULL DEFAULT 0,
	in_doubt bigint NOT NULL DEFAULT 0,
	attempts bigint NOT NULL DEFAULT 0,
	deferrals bigint NOT NULL DEFAULT 0,
	duplicates bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (tenant_id, campaign_id, stripe)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
	autovacuum_vacuum_cost_delay = 0);

CREATE TABLE penguin.quarantine (
	tenant_id uuid NOT NULL,
	job_id uuid NOT NULL,
	campaign_id uuid NOT NULL,
	reason text NOT NULL,
	stage text NOT NULL DEFAULT '',
	worker uuid,
	at timestamptz NOT NULL DEFAULT now(),
	released_at timestamptz,
	PRIMARY KEY (tenant_id, job_id)
);

-- Who must not be written to.

CREATE TABLE penguin.suppressions (
	tenant_id uuid NOT NULL,
	address text NOT NULL CHECK (address = lower(address) AND address <> ''),
	stream text NOT NULL DEFAULT '*' CHECK (stream <> ''),
	reason text NOT NULL
		CHECK (reason IN ('bounce', 'complaint', 'unsubscribe', 'manual', 'erased')),
	evidence text NOT NULL DEFAULT '',
	expires_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT now(),
	txid xid8 NOT NULL DEFAULT pg_current_xact_id(),
	PRIMARY KEY (tenant_id, address, stream)
);
CREATE INDEX suppressions_feed ON penguin.suppressions (txid, tenant_id, address, stream);

-- The fleet: these few tables belong to all tenants.

CREATE TABLE penguin.workers (
	id uuid PRIMARY KEY,
	node text NOT NULL,
	name text NOT NULL,
	version text NOT NULL,
	state text NOT NULL DEFAULT 'live' CHECK (state IN ('live', 'stopped', 'dead')),
	sources text[] NOT NULL DEFAULT '{}',
	started_at timestamptz NOT NULL DEFAULT now(),
	until timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE penguin.holds (
	tenant_id uuid NOT NULL,
	kind text NOT NULL CHECK (kind IN ('source', 'provider', 'domain', 'tenant', 'campaign')),
	name text NOT NULL,
	reason text NOT NULL DEFAULT '',
	until timestamptz,
	created_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (tenant_id, kind, name)
);

CREATE TABLE penguin.limits (
	tenant_id uuid NOT NULL,
	scope text NOT NULL CHECK (scope IN ('pool', 'tenant', 'campaign', 'from', 'provider')),
	name text NOT NULL,
	tat_us bigint NOT NULL,
	granted int NOT NULL,
	PRIMARY KEY (tenant_id, scope, name)
) WITH (fillfactor = 50);

CREATE TABLE penguin.domains (
	domain text PRIMARY KEY CHECK (domain = lower(domain)),
	provider text NOT NULL DEFAULT 'other' CHECK (provider <> ''),
	site text NOT NULL DEFAULT '',
	learned_at timestamptz NOT NULL DEFAULT now(),
	changed_at timestamptz NOT NULL DEFAULT now()
);

-- How many rows wait in the inbox.  With the owner's rights, because the application may
-- write the inbox and not read it: it gets the counts of the tenant it has named.

CREATE VIEW penguin.inbox_waiting WITH (security_barrier = true) AS
SELECT tenant_id, campaign_id, count(*) AS waiting
FROM penguin.inbox
WHERE has_table_privilege('penguin.inbox', 'SELECT')
	OR tenant_id = nullif(current_setting('penguin.tenant', true), '')::uuid
GROUP BY tenant_id, campaign_id;

-- Jobs committed = the sum over the states.  Cheap: it reads batches, not jobs.

CREATE VIEW penguin.accounting WITH (security_invoker = true) AS
SELECT c.tenant_id, c.id AS campaign_id, c.name, c.state,
	b.waiting + coalesce(i.waiting, 0) + b.leased + b.retrying + s.in_doubt + s.delivered + s.bounced
		+ s.expired + s.suppressed + s.cancelled + s.failed AS committed,
	b.waiting + coalesce(i.waiting, 0) AS waiting, b.leased, b.retrying, s.in_doubt,
	s.delivered, s.bounced, s.expired, s.suppressed, s.cancelled, s.failed
FROM penguin.campaigns c
CROSS JOIN LATERAL (
	SELECT coalesce(sum(x.size) FILTER (WHERE NOT x.held AND x.state = 'waiting'), 0) AS waiting,
		coalesce(sum(x.size) FILTER (WHERE NOT x.held AND x.state = 'retrying'), 0)
			AS retrying,
		coalesce(sum(x.size) FILTER (WHERE x.held), 0) AS leased
	FROM (
		SELECT u.size, u.state, false AS held FROM penguin.batches u
		WHERE u.tenant_id = c.tenant_id AND u.campaign_id = c.id AND u.owner IS NULL
		UNION ALL
		SELECT l.size, l.state, true FROM penguin.batches l
		WHERE l.tenant_id = c.tenant_id AND l.campaign_id = c.id AND l.owner IS NOT NULL
	) x
) b
CROSS JOIN LATERAL (
	SELECT coalesce(sum(n.delivered), 0) AS delivered, coalesce(sum(n.bounced), 0) AS bounced,
		coalesce(sum(n.expired), 0) AS expired,
		coalesce(sum(n.suppressed), 0) AS suppressed,
		coalesce(sum(n.cancelled), 0) AS cancelled, coalesce(sum(n.failed), 0) AS failed,
		coalesce(sum(n.in_doubt), 0) AS in_doubt
	FROM penguin.campaign_stats n
	WHERE n.tenant_id = c.tenant_id AND n.campaign_id = c.id
) s
LEFT JOIN penguin.inbox_waiting i ON i.tenant_id = c.tenant_id AND i.campaign_id = c.id;
