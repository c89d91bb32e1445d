/*
 * The names of a source (conformance D12, S5, P5, Y4, MS5): its address has a PTR, one
 * of whose names leads back to it and does not look like a customer's line; and the
 * name it says in EHLO leads to the address.
 *
 * Each fault is told once, at the check it belongs to: without a PTR nothing is said
 * about where its name leads.
 */
#include "checks.h"
#include "mail/suffix.h"

#define NAMES_MAX 10 /* of one PTR, as SPF has it */

struct names {
	const struct preflight_source *source;
	const struct dns_answer *ptr;
	struct slice back;    /* a PTR name that leads back; empty = none */
	struct slice subject; /* "s1 192.0.2.7" */
	struct report *report;
};

static enum found find_of_type(struct answers *answers, struct slice name, enum dns_type type,
	const union endpoint *address)
{
	const struct dns_answer *answer = answers_find(answers, name, type);

	if (answer == NULL) {
		return FOUND_OPEN;
	}
	for (size_t i = 0; i < answer->count; i++) {
		if (address == NULL || endpoint_equal(&answer->records[i].endpoint, address)) {
			return FOUND_YES;
		}
	}
	return answer->status == DNS_TEMPORARY ? FOUND_SILENT : FOUND_NO;
}

enum found find_address(struct answers *answers, struct slice name, const union endpoint *address)
{
	enum found v4;
	enum found v6;

	if (address != NULL) {
		return find_of_type(answers, name,
			address->any.sa_family == AF_INET6 ? DNS_AAAA : DNS_A, address);
	}
	v4 = find_of_type(answers, name, DNS_A, NULL);
	if (v4 == FOUND_YES || v4 == FOUND_OPEN) {
		return v4;
	}
	v6 = find_of_type(answers, name, DNS_AAAA, NULL);
	return v6 == FOUND_NO ? v4 : v6;
}

void add_address_record(struct buf *out, struct slice name, const union endpoint *address)
{
	buf_add_format(
		out, "%.*s. IN %s ", SHOW(name), address->any.sa_family == AF_INET6 ? "AAAA" : "A");
	endpoint_add(out, address, false);
	buf_add_byte(out, '\n');
}

static void add_ptr_record(struct buf *out, const union endpoint *address, struct slice name)
{
	answers_reverse_name(address, out);
	buf_add_format(out, ". IN PTR %.*s.\n", SHOW(name));
}

static void add_ehlo_yaml(struct buf *out, const struct preflight_source *source, struct slice ehlo)
{
	buf_add_format(out, "penguin-mta.yaml: sources: {%.*s: {ehlo: %.*s}}\n", SHOW(source->name),
		SHOW(ehlo));
}

static struct finding *add(
	const struct names *names, enum preflight_check check, enum preflight_verdict verdict)
{
	return report_add(names->report, check, verdict, names->subject);
}

static void silent(const struct names *names, enum preflight_check check, struct slice name)
{
	buf_add_format(&add(names, check, PREFLIGHT_UNKNOWN)->says,
		"the DNS does not answer for %.*s", SHOW(name));
}

/* Looks for a PTR name that leads back. */
static void check_back(struct names *names, struct answers *answers)
{
	const struct preflight_source *source = names->source;
	enum found found = FOUND_NO;
	struct slice name = SLICE("");
	struct finding *finding;

	for (size_t i = 0; i < names->ptr->count && i < NAMES_MAX; i++) {
		enum found one;

		name = names->ptr->records[i].name;
		one = find_address(answers, name, &source->address);
		if (one == FOUND_YES) {
			names->back = name;
			return;
		}
		found = one > found ? one : found;
	}
	if (found == FOUND_OPEN) {
		return;
	}
	if (found == FOUND_SILENT) {
		silent(names, PREFLIGHT_FCRDNS, name);
		return;
	}
	name = names->ptr->records[0].name;
	finding = add(names, PREFLIGHT_FCRDNS, PREFLIGHT_FAIL);
	buf_add_format(&finding->says, "its PTR's name %.*s does not lead back to it", SHOW(name));
	add_address_record(&finding->remedy, name, &source->address);
}

static void check_generic(const struct names *names)
{
	const struct preflight_source *source = names->source;
	struct slice good = source->ehlo;
	struct finding *finding;
	struct buf made;

	for (size_t i = 0; i < names->ptr->count; i++) {
		if (!ptr_is_generic(names->ptr->records[i].name, &source->address)) {
			return;
		}
	}
	buf_init(&made, 0);
	if (ptr_is_generic(good, &source->address)) {
		buf_add_format(&made, "mail.%.*s", SHOW(suffix_organisation(good)));
		good = buf_slice(&made);
	}
	finding = add(names, PREFLIGHT_PTR_GENERIC, PREFLIGHT_FAIL);
	buf_add_format(&finding->says, "its PTR's name %.*s looks like a customer's line",
		SHOW(names->ptr->records[0].name));
	add_ptr_record(&finding->remedy, &source->address, good);
	add_address_record(&finding->remedy, good, &source->address);
	if (made.n > 0) {
		add_ehlo_yaml(&finding->remedy, source, good);
	}
	buf_clear(&made);
}

static void check_ptr(struct names *names, struct answers *answers)
{
	const union endpoint *address = &names->source->address;
	struct finding *finding;
	struct buf reverse;

	buf_init(&reverse, 0);
	answers_reverse_name(address, &reverse);
	names->ptr = answers_find(answers, buf_slice(&reverse), DNS_PTR);
	if (names->ptr == NULL) {
		buf_clear(&reverse);
		return;
	}
	if (names->ptr->status == DNS_TEMPORARY) {
		silent(names, PREFLIGHT_PTR, buf_slice(&reverse));
	} else if (names->ptr->count == 0) {
		finding = add(names, PREFLIGHT_PTR, PREFLIGHT_FAIL);
		buf_add_text(&finding->says, "the address has no PTR record");
		add_ptr_record(&finding->remedy, address, names->source->ehlo);
	} else {
		check_back(names, answers);
		check_generic(names);
	}
	buf_clear(&reverse);
}

static void check_ehlo(const struct names *names, struct answers *answers)
{
	const struct preflight_source *source = names->source;
	bool dotted = slice_find(source->ehlo, '.') < source->ehlo.n;
	enum found found =
		dotted ? find_address(answers, source->ehlo, &source->address) : FOUND_NO;
	struct finding *finding;

	if (found == FOUND_YES || found == FOUND_OPEN) {
		return;
	}
	if (found == FOUND_SILENT) {
		silent(names, PREFLIGHT_EHLO, source->ehlo);
		return;
	}
	finding = add(names, PREFLIGHT_EHLO, PREFLIGHT_FAIL);
	buf_add_format(&finding->says, "its EHLO name %.*s %s", SHOW(source->ehlo),
		dotted ? "does not lead to it" : "is no full host name");
	if (dotted) {
		add_address_record(&finding->remedy, source->ehlo, &source->address);
	}
	if (names->back.n > 0) {
		buf_add_text(&finding->remedy, dotted ? "or " : "");
		add_ehlo_yaml(&finding->remedy, source, names->back);
	}
}

static void check_one(
	const struct preflight_source *source, struct answers *answers, struct report *report)
{
	struct names names = {.source = source, .report = report};
	struct buf subject;

	buf_init(&subject, 0);
	buf_add_format(&subject, "%.*s ", SHOW(source->name));
	endpoint_add(&subject, &source->address, false);
	names.subject = buf_slice(&subject);
	check_ptr(&names, answers);
	check_ehlo(&names, answers);
	buf_clear(&subject);
}

/* What no source failed is said once for all of them. */
static void add_passed(const struct preflight_subject *subject, struct report *report)
{
	static const struct {
		enum preflight_check check;
		const char *says;
	} passed[] = {
		{PREFLIGHT_PTR, "each address has a PTR record"},
		{PREFLIGHT_FCRDNS, "each PTR leads back to its address"},
		{PREFLIGHT_PTR_GENERIC, "no PTR looks like a customer's line"},
		{PREFLIGHT_EHLO, "each EHLO name leads to its address"},
	};
	bool no_ptr;
	bool any;

	(void)report_of(report, PREFLIGHT_PTR, &no_ptr);
	for (size_t i = 0; i < ARRAY_LEN(passed); i++) {
		(void)report_of(report, passed[i].check, &any);
		if (!any && !(no_ptr && passed[i].check != PREFLIGHT_EHLO)) {
			buf_add_text(
				&report_add(report, passed[i].check, PREFLIGHT_PASS, subject->pool)
					 ->says,
				passed[i].says);
		}
	}
}

void preflight_evaluate_sources(
	const struct preflight_subject *subject, struct answers *answers, struct report *report)
{
	for (size_t i = 0; i < subject->source_count; i++) {
		check_one(&subject->sources[i], answers, report);
	}
	if (subject->source_count > 0) {
		add_passed(subject, report);
	}
}
