/*
 * The domains that mail is said to be from (conformance D7, Y5, MS2): that of From and
 * that of the return path are in a zone and can take mail; and the tracking domain
 * leads somewhere.
 */
#include "checks.h"
#include "mail/suffix.h"

struct domain {
	struct slice name;
	enum preflight_check mx; /* the check that says it can take mail */
	const struct preflight_subject *subject;
	struct answers *answers;
	struct report *report;
};

static struct finding *add(
	const struct domain *domain, enum preflight_check check, enum preflight_verdict verdict)
{
	return report_add(domain->report, check, verdict, domain->name);
}

static void silent(const struct domain *domain, enum preflight_check check)
{
	buf_add_text(&add(domain, check, PREFLIGHT_UNKNOWN)->says, "the DNS does not answer");
}

/* This machine, where it has a full name; else a name to be made. */
static void add_host(
	struct buf *out, const struct preflight_subject *subject, struct slice organisation)
{
	if (slice_find(subject->hostname, '.') < subject->hostname.n) {
		buf_add(out, subject->hostname);
	} else {
		buf_add_format(out, "mail.%.*s", SHOW(organisation));
	}
}

/* Bounces come to this machine; answers to wherever the organisation takes its mail. */
static void add_mx_remedy(struct buf *out, const struct domain *domain)
{
	struct slice organisation = suffix_organisation(domain->name);
	const struct dns_answer *mx = answers_find(domain->answers, organisation, DNS_MX);

	buf_add_format(out, "%.*s. IN MX 10 ", SHOW(domain->name));
	if (domain->mx == PREFLIGHT_MX_OF_FROM && mx != NULL && mx->count > 0 &&
		mx->records[0].name.n > 0) {
		buf_add(out, mx->records[0].name);
	} else {
		add_host(out, domain->subject, organisation);
	}
	buf_add_text(out, ".\n");
}

static void fail_mx(const struct domain *domain, const char *says)
{
	struct finding *finding = add(domain, domain->mx, PREFLIGHT_FAIL);

	buf_add_text(&finding->says, says);
	add_mx_remedy(&finding->remedy, domain);
}

static void tell(const struct domain *domain, enum found found, const char *yes, const char *no)
{
	switch (found) {
	case FOUND_YES:
		buf_add_text(&add(domain, domain->mx, PREFLIGHT_PASS)->says, yes);
		break;
	case FOUND_NO:
		fail_mx(domain, no);
		break;
	case FOUND_SILENT:
		silent(domain, domain->mx);
		break;
	case FOUND_OPEN:
		break;
	}
}

/* One host with an address is enough. */
static enum found find_host(const struct domain *domain, const struct dns_answer *mx)
{
	enum found worst = FOUND_NO;

	for (size_t i = 0; i < mx->count; i++) {
		enum found one = mx->records[i].name.n > 0
			? find_address(domain->answers, mx->records[i].name, NULL)
			: FOUND_NO;

		if (one == FOUND_YES) {
			return one;
		}
		worst = one > worst ? one : worst;
	}
	return worst;
}

static bool is_null_mx(const struct dns_answer *mx)
{
	for (size_t i = 0; i < mx->count; i++) {
		if (mx->records[i].name.n > 0) {
			return false;
		}
	}
	return mx->count > 0;
}

static void check_mx(const struct domain *domain)
{
	const struct dns_answer *mx = answers_find(domain->answers, domain->name, DNS_MX);
	struct finding *finding;

	/* For the remedy, so that it is there when it is wanted. */
	(void)answers_find(domain->answers, suffix_organisation(domain->name), DNS_MX);
	if (mx == NULL) {
		return;
	}
	if (mx->status == DNS_TEMPORARY) {
		silent(domain, domain->mx);
		return;
	}
	if (is_null_mx(mx)) {
		finding = add(domain, PREFLIGHT_NOT_NULL_MX, PREFLIGHT_FAIL);
		buf_add_text(&finding->says, "its MX record says that it takes no mail");
		add_mx_remedy(&finding->remedy, domain);
		buf_add_format(
			&finding->remedy, "and without: %.*s. IN MX 0 .\n", SHOW(domain->name));
		return;
	}
	buf_add_text(&add(domain, PREFLIGHT_NOT_NULL_MX, PREFLIGHT_PASS)->says,
		"its MX record is no refusal");
	if (mx->count > 0) {
		tell(domain, find_host(domain, mx), "it has an MX",
			"none of its MX hosts has an address");
	} else {
		tell(domain, find_address(domain->answers, domain->name, NULL), "it has an address",
			"it has neither an MX nor an address");
	}
}

static void check_soa(const struct domain *domain)
{
	struct slice organisation = suffix_organisation(domain->name);
	const struct dns_answer *own = answers_find(domain->answers, domain->name, DNS_SOA);
	const struct dns_answer *above = answers_find(domain->answers, organisation, DNS_SOA);
	struct finding *finding;

	if (own == NULL || above == NULL) {
		return;
	}
	if (own->count > 0 || above->count > 0) {
		buf_add_text(&add(domain, PREFLIGHT_SOA, PREFLIGHT_PASS)->says, "it is in a zone");
	} else if (own->status == DNS_TEMPORARY || above->status == DNS_TEMPORARY) {
		silent(domain, PREFLIGHT_SOA);
	} else {
		finding = add(domain, PREFLIGHT_SOA, PREFLIGHT_FAIL);
		buf_add_format(&finding->says, "neither it nor %.*s has an SOA record",
			SHOW(organisation));
		buf_add_format(&finding->remedy,
			"%.*s. IN SOA ns1.%.*s. hostmaster.%.*s. 1 3600 600 1209600 300\n",
			SHOW(organisation), SHOW(organisation), SHOW(organisation));
	}
}

static void check_tracking(
	const struct preflight_subject *subject, struct answers *answers, struct report *report)
{
	enum found found = find_address(answers, subject->tracking_domain, NULL);
	enum preflight_verdict verdict = found == FOUND_YES ? PREFLIGHT_PASS
		: found == FOUND_SILENT                     ? PREFLIGHT_UNKNOWN
							    : PREFLIGHT_FAIL;
	struct finding *finding;

	if (found == FOUND_OPEN) {
		return;
	}
	finding = report_add(report, PREFLIGHT_TRACKING, verdict, subject->tracking_domain);
	buf_add_text(&finding->says,
		found == FOUND_YES              ? "it has an address"
			: found == FOUND_SILENT ? "the DNS does not answer"
						: "it has no address");
	if (found == FOUND_NO) {
		buf_add_format(&finding->remedy, "%.*s. IN CNAME ", SHOW(subject->tracking_domain));
		add_host(&finding->remedy, subject, suffix_organisation(subject->tracking_domain));
		buf_add_text(&finding->remedy, ".\n");
	}
}

void check_domains(
	const struct preflight_subject *subject, struct answers *answers, struct report *report)
{
	struct domain domains[] = {
		{subject->from_domain, PREFLIGHT_MX_OF_FROM, subject, answers, report},
		{subject->bounce_domain, PREFLIGHT_MX_OF_BOUNCE, subject, answers, report},
	};

	for (size_t i = 0; i < ARRAY_LEN(domains); i++) {
		if (domains[i].name.n > 0) {
			check_mx(&domains[i]);
			check_soa(&domains[i]);
		}
	}
	if (subject->tracking_domain.n > 0) {
		check_tracking(subject, answers, report);
	}
}
