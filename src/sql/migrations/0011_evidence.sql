-- What workers that had been declared dead say after all of jobs that have ended.  Whoever has
-- taken their batches over follows it, so that what waits there is not sent once more.  It is
-- a feed and no record: that is in attempts, and maintain deletes from here what is a day old.

CREATE TABLE penguin.evidence (
	tenant_id uuid NOT NULL,
	attempt_id uuid NOT NULL,
	job_id uuid NOT NULL,
	attempt_no int NOT NULL,
	state text NOT NULL,
	changed_at timestamptz NOT NULL DEFAULT now(),
	txid xid8 NOT NULL DEFAULT pg_current_xact_id(),
	PRIMARY KEY (tenant_id, attempt_id)
);
CREATE INDEX evidence_feed ON penguin.evidence (txid, tenant_id, attempt_id);
CREATE INDEX evidence_changed ON penguin.evidence (changed_at, tenant_id, attempt_id);
