/*
 * What a server offers in its answer to EHLO (RFC 5321 section 4.1.1.1; SIZE:
 * RFC 1870; AUTH: RFC 4954).  A table of keywords; the few with parameters have a
 * function.
 *
 * A stranger writes this text: whatever is odd is passed over, a SIZE that is no
 * number sets no limit, and the number of lines is bounded by the reply parser.
 * "AUTH=LOGIN" is how servers older than RFC 2554 spell it.
 */
#include "mail/ehlo.h"

#include "base/codec.h"
#include "base/err.h"
#include "mail/address.h"

bool ehlo_is_name(struct slice name)
{
	char domain[ADDRESS_DOMAIN_MAX + 1];

	return codec_is_ascii(name) && slice_find(name, '.') < name.n &&
		address_parse_domain(name, domain) == ADDRESS_OK;
}

static void on_size(struct ehlo *ehlo, struct slice parameters)
{
	struct slice digits = slice_trim(parameters);

	for (size_t i = 0; i < digits.n; i++) {
		if (digits.p[i] < '0' || digits.p[i] > '9') {
			return;
		}
	}
	if (digits.n > 0 && !slice_number(digits, UINT64_MAX, &ehlo->size_bytes)) {
		ehlo->size_bytes = UINT64_MAX;
	}
}

static void on_auth(struct ehlo *ehlo, struct slice parameters)
{
	struct slice word;

	while (slice_split(&parameters, ' ', &word)) {
		if (slice_equal_nocase(word, SLICE("PLAIN"))) {
			ehlo->offers |= EHLO_AUTH_PLAIN;
		} else if (slice_equal_nocase(word, SLICE("LOGIN"))) {
			ehlo->offers |= EHLO_AUTH_LOGIN;
		}
	}
}

static const struct {
	const char *keyword;
	unsigned offer;
	void (*on_parameters)(struct ehlo *ehlo, struct slice parameters);
} keywords[] = {
	{"PIPELINING", EHLO_PIPELINING, NULL},
	{"STARTTLS", EHLO_STARTTLS, NULL},
	{"SIZE", EHLO_SIZE, on_size},
	{"8BITMIME", EHLO_8BITMIME, NULL},
	{"SMTPUTF8", EHLO_SMTPUTF8, NULL},
	{"DSN", EHLO_DSN, NULL},
	{"ENHANCEDSTATUSCODES", EHLO_ENHANCED, NULL},
	{"AUTH", 0, on_auth},
};

static void take_line(struct ehlo *ehlo, struct slice line)
{
	size_t end = slice_find(line, ' ');
	struct slice parameters = slice_from(line, end + 1);

	if (slice_starts_nocase(line, SLICE("AUTH="))) {
		end = 4;
		parameters = slice_from(line, end + 1);
	}
	for (size_t i = 0; i < ARRAY_LEN(keywords); i++) {
		if (!slice_equal_nocase(slice_first(line, end), slice_of(keywords[i].keyword))) {
			continue;
		}
		ehlo->offers |= keywords[i].offer;
		if (keywords[i].on_parameters != NULL) {
			keywords[i].on_parameters(ehlo, parameters);
		}
		return;
	}
}

struct ehlo ehlo_parse(struct slice text)
{
	struct ehlo ehlo = {0};
	struct slice line;

	(void)slice_split(&text, '\n', &line); /* the greeting */
	while (slice_split(&text, '\n', &line)) {
		take_line(&ehlo, slice_trim(line));
	}
	return ehlo;
}
