/*
 * A report for people, and for programs.  For people: a line a finding, whatever words of
 * the DNS are in it, and below what did not pass its reason and, marked with =>, what
 * to publish or to change.  For programs: one object with a member for each check (true,
 * false, or null where it was not checked or the DNS does not answer), and the findings
 * with the same words.
 */
#include "base/codec.h"
#include "base/time.h"
#include "preflight/report.h"

#define SHOW(slice) (int)(slice).n, (slice).p

static void pad(struct buf *out, size_t from, size_t width)
{
	while (out->n - from < width) {
		buf_add_byte(out, ' ');
	}
}

static void add_remedy_lines(struct buf *out, struct slice remedy)
{
	struct slice line;

	while (remedy.n > 0) {
		slice_split(&remedy, '\n', &line);
		if (line.n > 0) {
			buf_add_format(out, "           => %.*s\n", SHOW(line));
		}
	}
}

static void add_finding(struct buf *out, const struct finding *finding, size_t width)
{
	size_t start = out->n;

	buf_add_text(out, preflight_verdict_word(finding->verdict));
	pad(out, start, 9);
	buf_add_text(out, preflight_check_word(finding->check));
	pad(out, start, 9 + 27);
	codec_printable(out, slice_of(finding->subject), SIZE_MAX);
	pad(out, start, 9 + 27 + width + 2);
	codec_printable(out, buf_slice(&finding->says), SIZE_MAX);
	buf_add_byte(out, '\n');
	if (finding->verdict != PREFLIGHT_PASS) {
		buf_add_format(
			out, "           because %s\n", preflight_check_reason(finding->check));
		add_remedy_lines(out, buf_slice(&finding->remedy));
	}
}

void report_add_text(const struct report *report, const struct report_head *head, struct buf *out)
{
	size_t width = 0;

	for (size_t i = 0; i < report_count(report); i++) {
		size_t n = slice_of(report_at(report, i)->subject).n;

		width = n > width ? n : width;
	}
	buf_add_format(out, "preflight %.*s (return path %.*s, pool %.*s): %s\n\n",
		SHOW(head->from_domain), SHOW(head->bounce_domain), SHOW(head->pool),
		preflight_verdict_word(report_verdict(report)));
	for (size_t i = 0; i < report_count(report); i++) {
		add_finding(out, report_at(report, i), width);
	}
}

static void add_member(struct buf *out, const char *name)
{
	buf_add_format(out, "%s\"%s\":", out->p[out->n - 1] == '{' ? "" : ",", name);
}

static void add_string(struct buf *out, const char *name, struct slice value)
{
	add_member(out, name);
	if (value.n > 0) {
		codec_json(out, value);
	} else {
		buf_add_text(out, "null");
	}
}

/* The two numbers say more than a verdict; "generic" is the one name that says a fault. */
static void add_check(const struct report *report, const struct report_head *head,
	enum preflight_check check, struct buf *out)
{
	bool any;
	enum preflight_verdict verdict = report_of(report, check, &any);
	bool fine = verdict < PREFLIGHT_UNKNOWN;

	add_member(out, preflight_check_word(check));
	if (check == PREFLIGHT_DKIM_BITS || check == PREFLIGHT_HEADERS) {
		size_t number = check == PREFLIGHT_HEADERS ? head->header_bytes : head->dkim_bits;

		buf_add_text(out, number > 0 ? "" : "null");
		if (number > 0) {
			buf_add_number(out, number);
		}
	} else if (!any || verdict == PREFLIGHT_UNKNOWN) {
		buf_add_text(out, "null");
	} else {
		buf_add_text(out, fine != (check == PREFLIGHT_PTR_GENERIC) ? "true" : "false");
	}
}

static void add_json_finding(struct buf *out, const struct finding *finding)
{
	bool passed = finding->verdict == PREFLIGHT_PASS;

	buf_add_text(out, out->p[out->n - 1] == '[' ? "{" : ",{");
	add_string(out, "check", slice_of(preflight_check_word(finding->check)));
	add_string(out, "severity",
		preflight_check_hard(finding->check) ? SLICE("hard") : SLICE("warning"));
	add_string(out, "verdict", slice_of(preflight_verdict_word(finding->verdict)));
	add_string(out, "subject", slice_of(finding->subject));
	add_string(out, "says", buf_slice(&finding->says));
	add_string(out, "reason",
		passed ? SLICE("") : slice_of(preflight_check_reason(finding->check)));
	add_string(out, "remedy", slice_trim(buf_slice(&finding->remedy)));
	buf_add_byte(out, '}');
}

void report_add_json(const struct report *report, const struct report_head *head, struct buf *out)
{
	struct buf at;

	buf_init(&at, 0);
	time_add_rfc3339(&at, head->checked_us);
	buf_add_byte(out, '{');
	add_string(out, "verdict", slice_of(preflight_verdict_word(report_verdict(report))));
	add_string(out, "tenant", head->tenant);
	add_string(out, "from_domain", head->from_domain);
	add_string(out, "bounce_domain", head->bounce_domain);
	add_string(out, "tracking_domain", head->tracking_domain);
	add_string(out, "selectors", head->selectors);
	add_string(out, "pool_name", head->pool);
	for (unsigned check = 0; check < PREFLIGHT_CHECK_COUNT; check++) {
		add_check(report, head, (enum preflight_check)check, out);
	}
	add_string(out, "checked_at", buf_slice(&at));
	add_member(out, "ttl");
	buf_add_number(out, head->ttl_s);
	buf_add_text(out, ",\"findings\":[");
	for (size_t i = 0; i < report_count(report); i++) {
		add_json_finding(out, report_at(report, i));
	}
	buf_add_text(out, "]}\n");
	buf_clear(&at);
}
