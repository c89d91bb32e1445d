-- Keeps with a draft what preflight said of it, or who started it in spite of that.
-- $1 tenant_id uuid, $2 id uuid, $3 preflight text (a JSON object)
-- rows: id uuid (none: no such campaign, or it is no draft)
UPDATE penguin.campaigns
SET settings = settings || jsonb_build_object('preflight', $3::text::jsonb), updated_at = now()
WHERE tenant_id = $1::uuid AND id = $2::uuid AND state = 'draft'
RETURNING id
