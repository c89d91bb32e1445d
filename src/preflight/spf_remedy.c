/*
 * The record to publish: what is there already, put in order, with our addresses first.
 *
 * Two records of one name are none for every receiver (RFC 7208 section 4.5), but each
 * was put there for somebody who sends: so all their terms come together in one.  Only
 * `all` cannot be there twice, and then the one counts that lets the least through.
 * What has to be left out is told, for somebody meant something by it.
 */
#include <stdarg.h>

#include "base/codec.h"
#include "spf_term.h"

#define SHOW(slice) (int)(slice).n, (slice).p
#define LOOKUPS_MAX 10

struct merge {
	struct buf mechanisms; /* a blank before each */
	struct buf modifiers;
	struct buf *notes;
	struct slice all; /* empty = none yet */
	enum spf_result all_result;
	struct slice redirect; /* of a record without `all` */
	bool explained;
};

static void PRINTF_LIKE(2, 3) note(struct merge *merge, const char *format, ...)
{
	va_list args;
	struct buf text;

	buf_init(&text, 0);
	va_start(args, format);
	buf_add_format_list(&text, format, args);
	va_end(args);
	buf_add_text(merge->notes, merge->notes->n > 0 ? "; " : "");
	codec_printable(merge->notes, buf_slice(&text), SIZE_MAX); /* it may hold a line end */
	buf_clear(&text);
}

static bool has_all(struct slice record)
{
	struct slice rest = slice_from(record, SPF_VERSION);
	struct slice text;
	struct spf_term term;

	while (spf_term_next(&rest, &text)) {
		if (spf_term_parse(text, &term) == NULL && term.kind == SPF_ALL) {
			return true;
		}
	}
	return false;
}

/* "+mx" and "mx" are the same. */
static void add_once(struct buf *terms, struct slice text)
{
	struct slice rest = buf_slice(terms);
	struct slice other;

	text = slice_starts(text, SLICE("+")) ? slice_from(text, 1) : text;
	while (spf_term_next(&rest, &other)) {
		if (slice_equal_nocase(other, text)) {
			return;
		}
	}
	buf_add_byte(terms, ' ');
	buf_add(terms, text);
}

/* No, softly no, nothing, yes. */
static unsigned permits(enum spf_result result)
{
	return result == SPF_FAIL ? 0 : result == SPF_SOFTFAIL ? 1 : result == SPF_NEUTRAL ? 2 : 3;
}

static void take_all(struct merge *merge, const struct spf_term *term)
{
	if (merge->all.n == 0 || permits(term->result) < permits(merge->all_result)) {
		merge->all = term->text;
		merge->all_result = term->result;
	}
}

/* Another record's redirect may not stand beside this one: what it lets through is included. */
static void include_redirect(struct merge *merge)
{
	struct buf include;

	if (merge->redirect.n == 0) {
		return;
	}
	buf_init(&include, 0);
	buf_add_format(&include, "include:%.*s", SHOW(merge->redirect));
	add_once(&merge->mechanisms, buf_slice(&include));
	buf_clear(&include);
	merge->redirect = SLICE("");
}

static void take_modifier(struct merge *merge, const struct spf_term *term, bool alone)
{
	if (term->kind == SPF_REDIRECT) {
		if (alone) {
			merge->redirect = term->domain;
		} else {
			note(merge, "'%.*s' is left out: it counts only without all, and once",
				SHOW(term->text));
		}
	} else if (term->kind == SPF_EXP && merge->explained) {
		note(merge, "'%.*s' is left out: it counts only once", SHOW(term->text));
	} else {
		merge->explained |= term->kind == SPF_EXP;
		add_once(&merge->modifiers, term->text);
	}
}

static void take_record(struct merge *merge, struct slice record)
{
	struct slice rest = slice_from(record, SPF_VERSION);
	struct slice text;
	struct spf_term term;
	bool alone = !has_all(record); /* a redirect would count */
	bool over = false;

	include_redirect(merge);
	while (spf_term_next(&rest, &text)) {
		const char *fault = spf_term_parse(text, &term);

		if (fault != NULL) {
			note(merge, "'%.*s' is left out: it %s", SHOW(text), fault);
		} else if (term.kind >= SPF_REDIRECT) {
			take_modifier(merge, &term, alone);
			alone &= term.kind != SPF_REDIRECT;
		} else if (over) {
			note(merge, "'%.*s' is left out: behind all it says nothing", SHOW(text));
		} else if (term.kind == SPF_ALL) {
			take_all(merge, &term);
			over = true;
		} else {
			add_once(&merge->mechanisms, text);
		}
	}
}

/* Does it begin with terms that let the address send, before any that could say no? */
static bool begins_with(struct slice terms, const union endpoint *address)
{
	struct slice text;

	while (spf_term_next(&terms, &text)) {
		struct spf_term term;

		(void)spf_term_parse(text, &term);
		if ((term.kind != SPF_IP4 && term.kind != SPF_IP6) || term.result != SPF_PASS) {
			return false;
		}
		if (spf_in_network(address, &term.address, &term)) {
			return true;
		}
	}
	return false;
}

static void add_addresses(
	struct buf *out, const struct merge *merge, const union endpoint *addresses, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!begins_with(buf_slice(&merge->mechanisms), &addresses[i])) {
			buf_add_text(
				out, addresses[i].any.sa_family == AF_INET6 ? " ip6:" : " ip4:");
			endpoint_add(out, &addresses[i], false);
		}
	}
}

static void count_lookups(struct merge *merge)
{
	struct slice rest = buf_slice(&merge->mechanisms);
	unsigned count = merge->redirect.n > 0 ? 1 : 0;
	struct slice text;
	struct spf_term term;

	while (spf_term_next(&rest, &text)) {
		(void)spf_term_parse(text, &term);
		count += term.kind != SPF_IP4 && term.kind != SPF_IP6 ? 1 : 0;
	}
	if (count > LOOKUPS_MAX) {
		note(merge,
			"%u of its terms ask the DNS, and only %d may: take out who sends no more",
			count, LOOKUPS_MAX);
	}
}

void spf_add_remedy(struct buf *out, const struct dns_answer *texts,
	const union endpoint *addresses, size_t count, struct buf *notes)
{
	struct merge merge = {.notes = notes};
	size_t records = 0;

	buf_init(&merge.mechanisms, 0);
	buf_init(&merge.modifiers, 0);
	for (size_t i = 0; i < texts->count; i++) {
		if (spf_is_record(texts->records[i].text)) {
			take_record(&merge, texts->records[i].text);
			records++;
		}
	}
	if (merge.all.n > 0) {
		include_redirect(&merge);
	}
	count_lookups(&merge);
	buf_add_text(out, "v=spf1");
	add_addresses(out, &merge, addresses, count);
	buf_add(out, buf_slice(&merge.mechanisms));
	if (merge.redirect.n > 0) {
		buf_add_format(out, " redirect=%.*s", SHOW(merge.redirect));
	}
	buf_add(out, buf_slice(&merge.modifiers));
	if (merge.all.n > 0) {
		buf_add_byte(out, ' ');
		buf_add(out, merge.all);
	}
	buf_add_text(out, records == 0 ? " -all" : "");
	buf_clear(&merge.mechanisms);
	buf_clear(&merge.modifiers);
}
