/*
 * penguinctl preflight: would large receivers take the mail of this campaign, or of this
 * domain?  Gathers (subject.c), asks the DNS on a loop of its own, and shows the report:
 * 0, 78 at a hard failure, 75 when the DNS does not answer.
 *
 * Campaign start asks the same first.
 */
#include <string.h>
#include <sysexits.h>

#include "base/time.h"
#include "resolve/servers.h"
#include "subject.h"

struct run {
	struct loop *loop;
	struct report *report;
	uint32_t ttl_s;
};

static void on_done(void *owner, struct report *take, uint32_t ttl_s)
{
	struct run *run = owner;

	run->report = take;
	run->ttl_s = ttl_s;
	loop_stop(run->loop);
}

/* Asks until there is a report; 0, or the exit code. */
static int ask(struct ctl *ctl, const struct subject *subject, struct run *run)
{
	struct dns *dns = NULL;
	struct buf why;
	int code = 0;

	buf_init(&why, 0);
	run->loop = loop_new();
	if (servers_open(run->loop, ctl->config, &dns, &why)) {
		(void)preflight_start(
			run->loop, dns, &subject->about, preflight_evaluate, on_done, run);
		loop_run(run->loop);
	} else {
		code = ctl_fail(EX_CONFIG, "%s", buf_string(&why));
	}
	dns_close(&dns);
	loop_drain(run->loop);
	loop_free(&run->loop);
	buf_clear(&why);
	return code;
}

static void show(const struct subject *subject, const struct run *run, bool json)
{
	const struct preflight_subject *about = &subject->about;
	const struct report_head head = {
		.tenant = about->tenant,
		.from_domain = about->from_domain,
		.bounce_domain = about->bounce_domain,
		.tracking_domain = about->tracking_domain,
		.pool = about->pool,
		.selectors = subject->selectors,
		.dkim_bits = subject->dkim_bits,
		.header_bytes = subject->content.headers.n > 0
			? subject->content.headers.n + subject->content.signature_bytes
			: 0,
		.checked_us = time_wall_us(),
		.ttl_s = run->ttl_s,
	};
	struct buf out;

	buf_init(&out, 0);
	if (json) {
		report_add_json(run->report, &head, &out);
		ctl_json(slice_trim(buf_slice(&out)));
	} else {
		report_add_text(run->report, &head, &out);
		ctl_print("%s", buf_string(&out));
	}
	buf_clear(&out);
}

static int code_of(enum preflight_verdict verdict)
{
	switch (verdict) {
	case PREFLIGHT_FAIL:
		return EX_CONFIG;
	case PREFLIGHT_UNKNOWN:
		return EX_TEMPFAIL;
	default:
		return 0;
	}
}

int ctl_preflight_campaign(
	struct ctl *ctl, const char *tenant, const char *campaign, const char **ret_verdict)
{
	struct run run = {0};
	struct subject subject;
	int code = ctl_need_config(ctl);

	*ret_verdict = "not checked";
	if (code != 0) {
		return code;
	}
	subject_init(&subject);
	code = subject_of_campaign(ctl, tenant, campaign, &subject);
	code = code != 0 ? code : ask(ctl, &subject, &run);
	if (code == 0) {
		enum preflight_verdict verdict = report_verdict(run.report);

		if (verdict != PREFLIGHT_PASS) {
			show(&subject, &run, false);
		}
		*ret_verdict = preflight_verdict_word(verdict);
		code = code_of(verdict);
	}
	report_free(&run.report);
	subject_clear(&subject);
	return code;
}

/* Is there a campaign of that name or id? */
static int find_campaign(struct ctl *ctl, const char *tenant, const char *name, bool *ret_found,
	char id[ID_TEXT + 1])
{
	int64_t created_us;
	int code = ctl_run(ctl, SQL_CAMPAIGN_SHOW, (const char *const[]){tenant, NULL});

	*ret_found = strchr(name, '.') == NULL;
	for (size_t i = 0; code == 0 && i < pg_sync_rows(ctl->pg); i++) {
		*ret_found |= strcmp(pg_sync_text(ctl->pg, i, 1), name) == 0 ||
			strcmp(pg_sync_text(ctl->pg, i, 2), name) == 0;
	}
	return code == 0 && *ret_found ? ctl_campaign(ctl, tenant, name, id, &created_us) : code;
}

static int gather(struct ctl *ctl, struct subject *subject)
{
	const char *name = ctl->arguments[0];
	char tenant[ID_TEXT + 1];
	char campaign[ID_TEXT + 1];
	bool found = false;
	int code = ctl_tenant(ctl, ctl_option(ctl, "tenant", NULL), tenant);

	code = code != 0 ? code : find_campaign(ctl, tenant, name, &found, campaign);
	if (code != 0) {
		return code;
	}
	return found
		? subject_of_campaign(ctl, tenant, campaign, subject)
		: subject_of_domain(ctl, tenant, name, ctl_option(ctl, "pool", "default"), subject);
}

int preflight(struct ctl *ctl)
{
	struct run run = {0};
	struct subject subject;
	int code = ctl_need_config(ctl);

	if (code != 0) {
		return code;
	}
	subject_init(&subject);
	code = gather(ctl, &subject);
	code = code != 0 ? code : ask(ctl, &subject, &run);
	if (code == 0) {
		show(&subject, &run, ctl_option(ctl, "json", NULL) != NULL);
		code = code_of(report_verdict(run.report));
	}
	report_free(&run.report);
	subject_clear(&subject);
	return code;
}
