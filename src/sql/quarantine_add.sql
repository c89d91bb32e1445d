-- Takes a job that kills workers out of its batch and ends it, in one step: as failed, or as
-- in doubt where an attempt of unknown end came before.
-- $1 owner uuid, $2 token uuid: of the batch
-- $3 tenant_id uuid, $4 batch_id uuid, $5 job_id uuid
-- $6 attempt_id uuid: UUIDv7, for the attempt that says so
-- $7 reason text, $8 stage text: where it was when it happened
-- $9 stripe int: of the counters
-- $10 at_us bigint
-- rows: campaign_id uuid (none: the lease is lost, or the job was moved already)
WITH held AS MATERIALIZED (
	SELECT b.*, array_position(b.jobs, $5::uuid) AS n,
		CASE WHEN b.keys ~ '(^| )u=1( |$)' THEN 'in_doubt' ELSE 'failed' END AS fate
	FROM penguin.batches b
	WHERE b.tenant_id = $3::uuid AND b.id = $4::uuid AND b.owner = $1::uuid
		AND b.token = $2::uuid AND $5::uuid = ANY (b.jobs)
	FOR UPDATE
), shrunk AS (
	UPDATE penguin.batches b
	SET jobs = h.jobs[:h.n - 1] || h.jobs[h.n + 1:],
		attempt_no = h.attempt_no[:h.n - 1] || h.attempt_no[h.n + 1:],
		due = h.due[:h.n - 1] || h.due[h.n + 1:],
		source = h.source[:h.n - 1] || h.source[h.n + 1:],
		first_at = h.first_at[:h.n - 1] || h.first_at[h.n + 1:]
	FROM held h
	WHERE b.tenant_id = h.tenant_id AND b.id = h.id
), noted AS (
	INSERT INTO penguin.quarantine (tenant_id, job_id, campaign_id, reason, stage, worker, at)
	SELECT h.tenant_id, $5::uuid, h.campaign_id, $7::text, $8::text, $1::uuid,
		to_timestamp($10::bigint / 1e6)
	FROM held h
	ON CONFLICT (tenant_id, job_id) DO UPDATE
	SET reason = excluded.reason, stage = excluded.stage, worker = excluded.worker,
		at = excluded.at, released_at = NULL
), ended AS (
	INSERT INTO penguin.attempts (tenant_id, id, job_id, campaign_id, attempt_no, state,
		category, reply, worker, at)
	SELECT h.tenant_id, $6::uuid, $5::uuid, h.campaign_id, coalesce(h.attempt_no[h.n], 0),
		h.fate, 'quarantine', $7::text, $1::uuid, to_timestamp($10::bigint / 1e6)
	FROM held h
	ON CONFLICT DO NOTHING
), counted AS (
	INSERT INTO penguin.campaign_stats AS s (tenant_id, campaign_id, stripe, failed, in_doubt)
	SELECT h.tenant_id, h.campaign_id, $9::int, (h.fate = 'failed')::int,
		(h.fate = 'in_doubt')::int
	FROM held h
	ON CONFLICT (tenant_id, campaign_id, stripe) DO UPDATE
	SET failed = s.failed + excluded.failed, in_doubt = s.in_doubt + excluded.in_doubt
)
SELECT campaign_id FROM held
