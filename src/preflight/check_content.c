/*
 * A message of the campaign as it would go out (conformance P11, P14, G8, G17): can it be
 * made, is one click enough to unsubscribe (RFC 8058), and is its header of a size that
 * receivers take?
 */
#include "checks.h"
#include "mail/header.h"

enum { SHOWN_MAX = 5 }; /* jobs named in one finding */

struct headers {
	struct slice unsubscribe;
	struct slice post;
	size_t largest;
	struct slice largest_name;
};

static struct headers read_headers(struct slice block)
{
	struct headers found = {.unsubscribe = SLICE("")};
	struct header_field field;

	while (header_next(&block, &field)) {
		if (slice_equal_nocase(field.name, SLICE("List-Unsubscribe"))) {
			found.unsubscribe = field.value;
		} else if (slice_equal_nocase(field.name, SLICE("List-Unsubscribe-Post"))) {
			found.post = slice_trim(field.value);
		}
		if (field.whole.n > found.largest) {
			found.largest = field.whole.n;
			found.largest_name = field.name;
		}
	}
	return found;
}

/* URIs in angle brackets; how many of them are https. */
static unsigned count_https(struct slice value)
{
	unsigned count = 0;

	while (value.n > 0) {
		struct slice uri;

		value = slice_from(value, slice_find(value, '<') + 1);
		uri = slice_trim(slice_first(value, slice_find(value, '>')));
		count += slice_starts_nocase(uri, SLICE("https://")) ? 1 : 0;
		value = slice_from(value, slice_find(value, '>') + 1);
	}
	return count;
}

static const char *unsubscribe_fault(const struct headers *headers)
{
	unsigned https = count_https(headers->unsubscribe);

	if (headers->unsubscribe.n == 0) {
		return "there is no List-Unsubscribe";
	}
	if (https != 1) {
		return https == 0 ? "List-Unsubscribe has no https address"
				  : "List-Unsubscribe has more than one https address";
	}
	if (!slice_equal(headers->post, SLICE("List-Unsubscribe=One-Click"))) {
		return headers->post.n == 0
			? "there is no List-Unsubscribe-Post"
			: "List-Unsubscribe-Post is not 'List-Unsubscribe=One-Click'";
	}
	return NULL;
}

static void check_unsubscribe(const struct preflight_subject *subject,
	const struct headers *headers, struct report *report)
{
	const char *fault = unsubscribe_fault(headers);
	struct finding *finding = report_add(report, PREFLIGHT_LIST_UNSUB,
		fault == NULL ? PREFLIGHT_PASS : PREFLIGHT_FAIL, subject->from_domain);
	struct buf value;

	buf_add_text(&finding->says, fault == NULL ? "one click is enough" : fault);
	if (fault == NULL) {
		return;
	}
	buf_init(&value, 0);
	buf_add_format(&value, "t.%.*s", SHOW(subject->from_domain));
	add_tenant_setting(&finding->remedy, subject, "tracking_domain", buf_slice(&value));
	buf_add_format(&finding->remedy,
		"or in the content: \"unsubscribe\": {\"url\": \"https://%.*s/"
		"unsubscribe/{{penguin.job}}\"} (of a raw one: both header fields)\n",
		SHOW(subject->from_domain));
	buf_clear(&value);
}

static void check_size(const struct preflight_subject *subject, const struct headers *headers,
	struct report *report)
{
	const struct preflight_content *content = subject->content;
	size_t size = content->headers.n + content->signature_bytes;
	bool fine = size <= HEADER_BLOCK_MAX && headers->largest <= HEADER_FIELD_MAX;
	struct finding *finding = report_add(report, PREFLIGHT_HEADERS,
		fine ? PREFLIGHT_PASS : PREFLIGHT_FAIL, subject->from_domain);

	buf_add_format(&finding->says, "%zu octets", size);
	if (!fine) {
		buf_add_format(&finding->says, "; the largest field, %.*s, has %zu",
			SHOW(headers->largest_name), headers->largest);
		buf_add_format(&finding->remedy,
			"in the content: shorten %.*s, so that all fields have at most %d octets "
			"and each at most %d\n",
			SHOW(headers->largest_name), HEADER_BLOCK_MAX, HEADER_FIELD_MAX);
	}
}

/* There is no message to look at. */
static void tell_fault(const struct preflight_subject *subject, struct report *report)
{
	static const struct {
		enum preflight_check check;
		enum preflight_verdict verdict;
		const char *says;
		const char *remedy;
	} kinds[] = {
		[PREFLIGHT_FAULT_CONTENT] = {PREFLIGHT_COMPOSE, PREFLIGHT_FAIL,
			"no message can be composed",
			"mend the content as said, then: penguinctl content add FILE\n"},
		[PREFLIGHT_FAULT_HEADER_SIZE] = {PREFLIGHT_HEADERS, PREFLIGHT_FAIL,
			"no message can be composed",
			"in the content: shorten its header fields, then: penguinctl content add "
			"FILE\n"},
		[PREFLIGHT_FAULT_NO_VALUES] = {PREFLIGHT_COMPOSE, PREFLIGHT_WARNING,
			"no job waits, and without merge values no message can be composed",
			"enqueue a job, then check again\n"},
	};
	const struct preflight_content *content = subject->content;
	struct finding *finding = report_add(report, kinds[content->kind].check,
		kinds[content->kind].verdict, subject->from_domain);

	buf_add_format(&finding->says, "%s: %.*s", kinds[content->kind].says, SHOW(content->fault));
	buf_add_text(&finding->remedy, kinds[content->kind].remedy);
}

/* A campaign need not wait for the one address that is none. */
static void tell_jobs(const struct preflight_subject *subject, struct report *report)
{
	const struct preflight_content *content = subject->content;
	struct finding *finding = report_add(report, PREFLIGHT_COMPOSE,
		content->failed_count == 0 ? PREFLIGHT_PASS : PREFLIGHT_WARNING,
		subject->from_domain);

	if (content->failed_count == 0) {
		buf_add_format(
			&finding->says, "%zu of the jobs that wait were tried", content->job_count);
		return;
	}
	buf_add_format(&finding->says, "%zu of %zu jobs cannot be composed", content->failed_count,
		content->job_count);
	for (size_t i = 0; i < content->failed_count && i < SHOWN_MAX; i++) {
		buf_add_format(&finding->says, "; %.*s: %.*s", SHOW(content->failed[i].id),
			SHOW(content->failed[i].fault));
	}
	buf_add_text(&finding->remedy,
		"such a job will end as failed, the others are sent: enqueue it again under "
		"another id, with what is said mended\n");
}

void check_content(const struct preflight_subject *subject, struct report *report)
{
	const struct preflight_content *content = subject->content;
	struct headers headers;

	if (content->failed_count > 0 || content->fault.n == 0) {
		tell_jobs(subject, report);
	}
	if (content->fault.n > 0) {
		tell_fault(subject, report);
		return;
	}
	headers = read_headers(content->headers);
	check_size(subject, &headers, report);
	if (content->marketing) {
		check_unsubscribe(subject, &headers, report);
	}
}
