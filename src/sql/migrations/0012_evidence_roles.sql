-- optional: who may write and read evidence.  The application has no part in it: there is no
-- grant for it, and no statistics of values (0006).

GRANT SELECT, INSERT ON penguin.evidence TO penguin_mta;
GRANT SELECT, INSERT, UPDATE, DELETE ON penguin.evidence TO penguin_admin;

ALTER TABLE penguin.evidence ALTER COLUMN tenant_id SET STATISTICS 0,
	ALTER COLUMN attempt_id SET STATISTICS 0, ALTER COLUMN job_id SET STATISTICS 0,
	ALTER COLUMN attempt_no SET STATISTICS 0, ALTER COLUMN state SET STATISTICS 0,
	ALTER COLUMN changed_at SET STATISTICS 0, ALTER COLUMN txid SET STATISTICS 0;
