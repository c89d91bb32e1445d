/*
 * Golden lines of the delivery log, and that no byte of a receiver's breaks one.
 */
#include "../../../src/record/dlog_line.h"

#include <criterion/criterion.h>
#include <jansson.h>

#include "no_leaks.h"
#include "sample.h"

TestSuite(dlog_line, .fini = no_leaks);

static const char golden[] =
	"{\"type\":\"Bounce\",\"id\":\"01900000-0000-7000-8000-000000000004\","
	"\"sender\":\"b+x@bounce.example\",\"recipient\":\"ann@example.com\","
	"\"queue\":\"summer_sale:Acme_Corp@example.com\",\"site\":\"abc123\",\"size\":1047,"
	"\"response\":{\"code\":550,\"enhanced_code\":{\"class\":5,\"subject\":1,\"detail\":1},"
	"\"content\":\"no such \\\"user\\\" \\\\xff\\\\x0a here\",\"command\":\"RCPT TO\"},"
	"\"peer_address\":{\"name\":\"mx.example.com\",\"addr\":\"2001:db8::9\"},"
	"\"timestamp\":1795491000,\"event_time\":\"2026-11-24T03:30:00.000000Z\","
	"\"created\":1717986918,\"created_time\":\"2024-06-10T02:35:18.400000Z\","
	"\"num_attempts\":1,\"bounce_classification\":\"invalid-recipient\","
	"\"egress_pool\":\"default\",\"egress_source\":\"s1\","
	"\"source_address\":{\"address\":\"192.0.2.7\"},\"delivery_protocol\":\"ESMTP\","
	"\"tls_cipher\":\"X\",\"tls_protocol_version\":\"TLSv1.3\",\"session_id\":\"8f31\","
	"\"provider\":\"gmail\",\"category\":\"invalid-recipient\",\"scope\":\"recipient\","
	"\"action\":\"bounce\",\"phase\":\"rcpt\",\"failure\":null,"
	"\"attempt_id\":\"019ab3f0-0000-7000-8000-000000000005\",\"attempt\":2,"
	"\"duration_ms\":12,\"possible_duplicate\":false,\"bytes_differ\":false,\"nodeid\":\"n1\",\"state\":\"bounced\","
	"\"tenant_id\":\"11111111-1111-4111-8111-111111111111\",\"tenant\":\"Acme Corp\","
	"\"campaign_id\":\"01900000-0000-7000-8000-000000000002\",\"campaign\":\"summer:sale\","
	"\"meta\":{}}\n";

Test(dlog_line, golden_bounce)
{
	struct sample s;
	struct buf line;

	sample_init(&s);
	buf_init(&line, 0);
	struct attempt attempt = sample_attempt(&s);

	dlog_add_attempt(&line, SLICE("n1"), &attempt);
	cr_expect_str_eq(buf_string(&line), golden);
	buf_clear(&line);
}

Test(dlog_line, every_state_has_its_type)
{
	static const struct {
		enum outcome state;
		const char *type;
	} rows[] = {
		{OUTCOME_DELIVERED, "Delivery"},
		{OUTCOME_BOUNCED, "Bounce"},
		{OUTCOME_RETRYING, "TransientFailure"},
		{OUTCOME_EXPIRED, "Expiration"},
		{OUTCOME_IN_DOUBT, "InDoubt"},
		{OUTCOME_SUPPRESSED, "AdminBounce"},
		{OUTCOME_CANCELLED, "AdminBounce"},
		{OUTCOME_FAILED, "AdminBounce"},
	};
	struct sample s;

	sample_init(&s);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf line;

		buf_init(&line, 0);
		dlog_add_skip(
			&line, SLICE("n1"), &s.job, rows[i].state, SLICE("why"), SAMPLE_WALL_US);
		json_t *object = json_loadb(line.p, line.n, 0, NULL);

		cr_assert_not_null(object, "%s", rows[i].type);
		cr_expect_str_eq(json_string_value(json_object_get(object, "type")), rows[i].type);
		cr_expect_str_eq(json_string_value(json_object_get(object, "state")),
			outcome_word(rows[i].state));
		json_decref(object);
		buf_clear(&line);
	}
}

/* A reply of every byte there is: one line, valid JSON. */
Test(dlog_line, threat_C6_any_reply_is_one_valid_line)
{
	char bytes[256];
	struct sample s;
	struct buf line;

	for (int i = 0; i < 256; i++) {
		bytes[i] = (char)i;
	}
	sample_init(&s);
	buf_init(&line, 0);
	struct attempt attempt = sample_attempt(&s);

	attempt.evidence.text = slice_make(bytes, sizeof(bytes));
	attempt.recipient = slice_make(bytes, sizeof(bytes));
	attempt.route.mx = slice_make(bytes, sizeof(bytes));
	dlog_add_attempt(&line, slice_make(bytes, sizeof(bytes)), &attempt);
	cr_expect_eq(slice_find(buf_slice(&line), '\n'), line.n - 1);
	json_t *object = json_loadb(line.p, line.n, JSON_ALLOW_NUL, NULL);

	cr_expect_not_null(object);
	json_decref(object);
	buf_clear(&line);
}
