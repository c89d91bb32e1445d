/*
 * What the tenant has set for its messages.  A setting that is wrong spoils every job of
 * every campaign, and no other check can say so: the domain is none, so that there is
 * nothing to ask the DNS, and the content is not to blame.  The remedy names a value that
 * would do; what it is made of is the From domain.
 */
#include "checks.h"
#include "mail/suffix.h"

enum { SENDER_ID_LEAST = 5, SENDER_ID_MOST = 15 };

void add_tenant_setting(struct buf *out, const struct preflight_subject *subject, const char *key,
	struct slice value)
{
	buf_add_format(out,
		"SQL: UPDATE penguin.tenants SET settings = settings || "
		"'{\"%s\": \"%.*s\"}' WHERE tenant_id = '%.*s'\n",
		key, SHOW(value), SHOW(subject->tenant));
}

/* The organisation's letters, as many as a sender id may have. */
static void add_sender_id(struct buf *out, struct slice organisation)
{
	size_t start = out->n;

	for (size_t i = 0; i < organisation.n && out->n - start < SENDER_ID_MOST; i++) {
		if (organisation.p[i] != '.' && organisation.p[i] != '-') {
			buf_add_byte(out, organisation.p[i]);
		}
	}
	if (out->n - start < SENDER_ID_LEAST) {
		buf_add_text(out, "mail");
	}
}

static void add_better(struct buf *out, const struct preflight_subject *subject, struct slice key)
{
	struct slice organisation = suffix_organisation(subject->from_domain);

	if (slice_equal(key, SLICE("bounce_domain"))) {
		buf_add_format(out, "bounce.%.*s", SHOW(organisation));
	} else if (slice_equal(key, SLICE("tracking_domain"))) {
		buf_add_format(out, "t.%.*s", SHOW(subject->from_domain));
	} else {
		add_sender_id(out, organisation);
	}
}

static void mend(struct finding *finding, const struct preflight_subject *subject, const char *key)
{
	struct buf value;

	buf_init(&value, 0);
	add_better(&value, subject, slice_of(key));
	add_tenant_setting(&finding->remedy, subject, key, buf_slice(&value));
	buf_clear(&value);
}

void check_tenant(const struct preflight_subject *subject, struct report *report)
{
	bool bounce = false; /* it is told already */
	struct finding *finding;

	for (size_t i = 0; i < subject->setting_count; i++) {
		const struct preflight_setting *setting = &subject->settings[i];

		finding = report_add(report, PREFLIGHT_SETTINGS, PREFLIGHT_FAIL, subject->tenant);
		buf_add_format(&finding->says, "%s '%.*s' %s", setting->key, SHOW(setting->value),
			setting->fault);
		mend(finding, subject, setting->key);
		bounce |= slice_equal(slice_of(setting->key), SLICE("bounce_domain"));
	}
	if (subject->bounce_domain.n == 0 && !bounce) {
		finding =
			report_add(report, PREFLIGHT_MX_OF_BOUNCE, PREFLIGHT_FAIL, subject->tenant);
		buf_add_text(&finding->says,
			"the tenant has no bounce domain: no message can be composed");
		mend(finding, subject, "bounce_domain");
	} else if (subject->setting_count == 0) {
		finding = report_add(report, PREFLIGHT_SETTINGS, PREFLIGHT_PASS, subject->tenant);
		buf_add_text(&finding->says, "messages can be made with them");
	}
}
