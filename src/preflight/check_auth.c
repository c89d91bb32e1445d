/*
 * Who vouches for the mail (conformance P1-P4, G14): SPF of the return path for each
 * source, the DKIM keys as they are published, DMARC and what is aligned with it.
 *
 * Alignment is a matter of names alone: that SPF or a key does not hold is said by
 * their own checks.
 */
#include "base/mem.h"
#include "checks.h"
#include "mail/suffix.h"
#include "mail/zone.h"
#include "preflight/dmarc.h"
#include "preflight/spf.h"

#define SHOWN_MAX 5 /* sources named in one finding */
#define BITS_WANTED 2048

/* ---- SPF ---- */

struct spf_run {
	struct buf says;
	union endpoint *failed;
	size_t failed_count;
	size_t silent;
	size_t told;
	bool open;
};

static void take_spf(
	struct spf_run *run, const struct preflight_source *source, const struct spf_answer *answer)
{
	switch (answer->result) {
	case SPF_PENDING:
		run->open = true;
		return;
	case SPF_PASS:
		return;
	case SPF_TEMPERROR:
		run->silent++;
		break;
	default:
		run->failed[run->failed_count++] = source->address;
		break;
	}
	if (run->told++ < SHOWN_MAX) {
		buf_add_format(
			&run->says, "%s%.*s ", run->says.n > 0 ? "; " : "", SHOW(source->name));
		endpoint_add(&run->says, &source->address, false);
		buf_add_format(
			&run->says, ": %s, %s", spf_result_word(answer->result), answer->why);
	}
}

/* Behind a record: which it takes the place of, and what its owner should know. */
static void add_place(struct buf *out, size_t count, const char *version, struct slice notes)
{
	if (count > 1) {
		buf_add_format(out, "  (one in place of the %zu that begin with %s%s%.*s)", count,
			version, notes.n > 0 ? "; " : "", SHOW(notes));
	} else if (count > 0) {
		buf_add_format(out, "  (in place of what begins with %s%s%.*s)", version,
			notes.n > 0 ? "; " : "", SHOW(notes));
	}
	buf_add_byte(out, '\n');
}

static void tell_spf(const struct preflight_subject *subject, const struct spf_run *run,
	struct answers *answers, struct report *report)
{
	const struct dns_answer *texts = answers_find(answers, subject->bounce_domain, DNS_TXT);
	enum preflight_verdict verdict = run->failed_count > 0 ? PREFLIGHT_FAIL
		: run->silent > 0                              ? PREFLIGHT_UNKNOWN
							       : PREFLIGHT_PASS;
	struct finding *finding =
		report_add(report, PREFLIGHT_SPF, verdict, subject->bounce_domain);
	struct slice record;
	struct buf notes;
	struct buf text;
	size_t count;

	buf_add(&finding->says, buf_slice(&run->says));
	if (run->told > SHOWN_MAX) {
		buf_add_format(&finding->says, "; and %zu more", run->told - SHOWN_MAX);
	}
	if (verdict == PREFLIGHT_PASS) {
		buf_add_format(&finding->says, "%zu of %zu addresses pass", subject->source_count,
			subject->source_count);
	}
	if (run->failed_count == 0) {
		return;
	}
	count = spf_find_records(texts, &record);
	buf_init(&text, 0);
	buf_init(&notes, 0);
	spf_add_remedy(&text, texts, run->failed, run->failed_count, &notes);
	zone_add_txt(&finding->remedy, subject->bounce_domain, buf_slice(&text));
	add_place(&finding->remedy, count, "v=spf1", buf_slice(&notes));
	buf_clear(&notes);
	buf_clear(&text);
}

static void check_relays(const struct preflight_subject *subject, struct report *report)
{
	if (subject->relay_count > 0) {
		buf_add_format(
			&report_add(report, PREFLIGHT_SPF, PREFLIGHT_WARNING, subject->pool)->says,
			"%zu of its sources send by a relay, whose addresses are not known here: "
			"its own instructions say what SPF has to include",
			subject->relay_count);
	}
}

void check_spf(
	const struct preflight_subject *subject, struct answers *answers, struct report *report)
{
	struct spf_run run = {0};

	check_relays(subject, report);
	if (subject->source_count == 0 || subject->bounce_domain.n == 0) {
		return;
	}
	buf_init(&run.says, 0);
	run.failed = mem_array(subject->source_count, sizeof(*run.failed));
	for (size_t i = 0; i < subject->source_count; i++) {
		const struct spf_question question = {
			.address = subject->sources[i].address,
			.domain = subject->bounce_domain,
			.local = SLICE("bounce"),
			.helo = subject->sources[i].ehlo,
		};
		struct spf_answer answer = spf_check(answers, &question);

		take_spf(&run, &subject->sources[i], &answer);
	}
	if (!run.open) {
		tell_spf(subject, &run, answers, report);
	}
	mem_free(run.failed);
	buf_clear(&run.says);
}

/* ---- DKIM ---- */

static void add_key_command(struct buf *out, const struct preflight_subject *subject)
{
	buf_add_format(out, "penguinctl key add %.*s %.*s k1\n", SHOW(subject->tenant),
		SHOW(subject->from_domain));
}

static void check_bits(const struct preflight_key *key, struct report *report)
{
	bool enough = key->ed25519 || key->bits >= BITS_WANTED;
	struct finding *finding = report_add(
		report, PREFLIGHT_DKIM_BITS, enough ? PREFLIGHT_PASS : PREFLIGHT_FAIL, key->name);

	buf_add_format(&finding->says, "%s, %u bits", key->ed25519 ? "Ed25519" : "RSA", key->bits);
	if (!enough) {
		buf_add_format(&finding->says, ": less than %d", BITS_WANTED);
	}
}

static void check_key(const struct preflight_subject *subject, const struct preflight_key *key,
	struct answers *answers, struct report *report)
{
	const struct dns_answer *answer = answers_find(answers, key->name, DNS_TXT);
	const char *fault;
	struct finding *finding;
	bool alone;

	if (answer == NULL) {
		return;
	}
	if (answer->status == DNS_TEMPORARY) {
		buf_add_text(
			&report_add(report, PREFLIGHT_DKIM_KEY, PREFLIGHT_UNKNOWN, key->name)->says,
			"the DNS does not answer");
		return;
	}
	fault = subject->published(key->key, answer);
	alone = answer->count <= 1;
	finding = report_add(report, PREFLIGHT_DKIM_KEY,
		fault != NULL   ? PREFLIGHT_FAIL
			: alone ? PREFLIGHT_PASS
				: PREFLIGHT_WARNING,
		key->name);
	buf_add_text(&finding->says, fault == NULL ? "the record holds our key" : fault);
	if (!alone) {
		buf_add_format(&finding->says,
			"; the name has %zu TXT records, and which of them counts is anybody's guess "
			"(RFC 6376 section 3.6.2.2)",
			answer->count);
	}
	if (fault != NULL || !alone) {
		buf_add(&finding->remedy, key->remedy);
		buf_add_text(&finding->remedy,
			alone ? "\n" : "  (alone: take away the other TXT records of this name)\n");
	}
}

void check_dkim(
	const struct preflight_subject *subject, struct answers *answers, struct report *report)
{
	bool rsa = false;
	struct finding *finding;

	for (size_t i = 0; i < subject->key_count; i++) {
		rsa |= !subject->keys[i].ed25519;
		check_key(subject, &subject->keys[i], answers, report);
		check_bits(&subject->keys[i], report);
	}
	if (rsa) {
		return;
	}
	finding = report_add(report, PREFLIGHT_DKIM_KEY, PREFLIGHT_FAIL, subject->from_domain);
	if (subject->key_count > 0) {
		buf_add_text(&finding->says, "only an Ed25519 key signs: many cannot verify it");
	} else {
		buf_add(&finding->says, subject->key_fault);
	}
	add_key_command(&finding->remedy, subject);
}

/* ---- DMARC ---- */

static void tell_record(const struct dmarc_place *place, struct report *report, const char *fault)
{
	struct finding *finding =
		report_add(report, PREFLIGHT_DMARC_RECORD, PREFLIGHT_FAIL, place->domain);
	struct buf name;
	struct buf text;
	size_t count;

	buf_init(&name, 0);
	buf_init(&text, 0);
	buf_add_format(&name, "_dmarc.%.*s", SHOW(place->domain));
	buf_add_format(&finding->says, "%s: %s", buf_string(&name), fault);
	count = dmarc_add_remedy(&text, place->texts);
	zone_add_txt(&finding->remedy, buf_slice(&name), buf_slice(&text));
	add_place(&finding->remedy, count, "v=DMARC1", SLICE(""));
	buf_clear(&text);
	buf_clear(&name);
}

static void read_record(
	const struct dmarc_place *place, struct dmarc *ret_dmarc, struct report *report)
{
	struct finding *finding;
	struct buf why;
	struct buf flaws;

	buf_init(&why, 0);
	buf_init(&flaws, 0);
	if (!dmarc_parse(place->record, ret_dmarc, &why, &flaws)) {
		tell_record(place, report, buf_string(&why));
	} else {
		finding = report_add(report, PREFLIGHT_DMARC_RECORD,
			flaws.n > 0 ? PREFLIGHT_WARNING : PREFLIGHT_PASS, place->domain);
		buf_add_format(&finding->says, "p=%.*s", SHOW(ret_dmarc->policy));
		if (flaws.n > 0) {
			buf_add_format(&finding->says, "; passed over: %s", buf_string(&flaws));
		}
	}
	buf_clear(&flaws);
	buf_clear(&why);
}

static void check_alignment(
	const struct preflight_subject *subject, const struct dmarc *dmarc, struct report *report)
{
	bool spf = dmarc_aligned(subject->from_domain, subject->bounce_domain, dmarc->strict_spf);
	bool dkim = false;
	struct finding *finding;

	for (size_t i = 0; i < subject->key_count; i++) {
		dkim |= dmarc_aligned(
			subject->from_domain, subject->keys[i].domain, dmarc->strict_dkim);
	}
	finding = report_add(report, PREFLIGHT_DMARC_ALIGNED,
		spf && dkim           ? PREFLIGHT_PASS
			: spf || dkim ? PREFLIGHT_WARNING
				      : PREFLIGHT_FAIL,
		subject->from_domain);
	if (spf && dkim) {
		buf_add_text(&finding->says, "return path and signature");
	}
	if (subject->bounce_domain.n == 0) {
		buf_add_text(&finding->says, "there is no return path to be aligned");
	} else if (!spf) {
		struct buf value;

		buf_init(&value, 0);
		buf_add_format(
			&value, "bounce.%.*s", SHOW(suffix_organisation(subject->from_domain)));
		buf_add_format(&finding->says, "the return path's %.*s is not aligned (%s)",
			SHOW(subject->bounce_domain),
			dmarc->strict_spf ? "aspf=s" : "another organisation");
		if (!dmarc->strict_spf) {
			add_tenant_setting(
				&finding->remedy, subject, "bounce_domain", buf_slice(&value));
		}
		buf_clear(&value);
	}
	if (!dkim) {
		buf_add_format(&finding->says, "%sthe signature's domain is not aligned (%s)",
			spf ? "" : "; ", dmarc->strict_dkim ? "adkim=s" : "another organisation");
		add_key_command(&finding->remedy, subject);
	}
}

void check_dmarc(
	const struct preflight_subject *subject, struct answers *answers, struct report *report)
{
	struct dmarc_place place = dmarc_find(answers, subject->from_domain);
	struct dmarc dmarc = {.policy = SLICE("none")};

	switch (place.state) {
	case DMARC_PENDING:
		return;
	case DMARC_TEMPORARY:
		buf_add_text(
			&report_add(report, PREFLIGHT_DMARC_RECORD, PREFLIGHT_UNKNOWN, place.domain)
				 ->says,
			"the DNS does not answer");
		return;
	case DMARC_NONE:
		tell_record(&place, report, "there is no DMARC record");
		break;
	case DMARC_SEVERAL:
		tell_record(&place, report, "there is more than one DMARC record");
		break;
	case DMARC_FOUND:
		read_record(&place, &dmarc, report);
		break;
	}
	if (subject->key_count > 0) {
		check_alignment(subject, &dmarc, report);
	}
}
