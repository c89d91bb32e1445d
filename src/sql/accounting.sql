-- Where the jobs of each campaign are; committed is their sum.
-- $1 tenant_id uuid (null: all), $2 campaign_id uuid (null: all)
-- rows: tenant_id uuid, campaign_id uuid, committed, waiting, leased, retrying, in_doubt,
--	delivered, bounced, expired, suppressed, cancelled, failed: bigint
SELECT tenant_id, campaign_id, committed::bigint, waiting::bigint, leased::bigint,
	retrying::bigint, in_doubt::bigint, delivered::bigint, bounced::bigint,
	expired::bigint, suppressed::bigint, cancelled::bigint, failed::bigint
FROM penguin.accounting
WHERE ($1::uuid IS NULL OR tenant_id = $1::uuid)
	AND ($2::uuid IS NULL OR campaign_id = $2::uuid)
