/*
 * The text of an answer to EHLO: what is offered is what a second reader finds, which
 * cuts the text into words and compares them one by one.
 */
#include "mail/ehlo.h"

#include "fuzz.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Does the line begin with the word, in any case, and is it over or followed by `end`? */
static bool has_word(struct slice line, const char *word, char end)
{
	size_t i = 0;

	for (; word[i] != '\0'; i++) {
		char c = i < line.n ? line.p[i] : '\0';

		if (word[i] != (c >= 'a' && c <= 'z' ? c - 32 : c)) {
			return false;
		}
	}
	return i == line.n || line.p[i] == end;
}

static void find_size(struct ehlo *found, struct slice line)
{
	__uint128_t size = 0;
	size_t from = 4;

	while (from < line.n && is_blank(line.p[from])) {
		from++;
	}
	for (size_t i = from; i < line.n; i++) {
		if (line.p[i] < '0' || line.p[i] > '9') {
			return;
		}
		size = size > UINT64_MAX ? size : size * 10 + (unsigned)(line.p[i] - '0');
	}
	if (from < line.n) {
		found->size_bytes = size > UINT64_MAX ? UINT64_MAX : (uint64_t)size;
	}
}

static void find_auth(struct ehlo *found, struct slice line)
{
	for (size_t i = 5; i < line.n; i++) {
		if (i == 5 || line.p[i - 1] == ' ') {
			struct slice word = slice_from(line, i);

			found->offers |= has_word(word, "PLAIN", ' ') ? EHLO_AUTH_PLAIN : 0;
			found->offers |= has_word(word, "LOGIN", ' ') ? EHLO_AUTH_LOGIN : 0;
		}
	}
}

static void find_line(struct ehlo *found, struct slice line)
{
	static const struct {
		const char *word;
		enum ehlo_offer offer;
	} plain[] = {
		{"PIPELINING", EHLO_PIPELINING},
		{"STARTTLS", EHLO_STARTTLS},
		{"SIZE", EHLO_SIZE},
		{"8BITMIME", EHLO_8BITMIME},
		{"SMTPUTF8", EHLO_SMTPUTF8},
		{"DSN", EHLO_DSN},
		{"ENHANCEDSTATUSCODES", EHLO_ENHANCED},
	};

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		found->offers |= has_word(line, plain[i].word, ' ') ? plain[i].offer : 0;
	}
	if (has_word(line, "SIZE", ' ')) {
		find_size(found, line);
	}
	if (has_word(line, "AUTH", ' ') || has_word(line, "AUTH", '=')) {
		find_auth(found, line);
	}
}

static struct ehlo find(struct slice text)
{
	struct ehlo found = {0};
	size_t start = 0;

	for (size_t at = 0; at <= text.n; at++) {
		size_t from = start;
		size_t to = at;

		if (at < text.n && text.p[at] != '\n') {
			continue;
		}
		while (from < to && is_blank(text.p[from])) {
			from++;
		}
		while (to > from && is_blank(text.p[to - 1])) {
			to--;
		}
		if (start > 0) {
			find_line(&found, slice_make(text.p + from, to - from));
		}
		start = at + 1;
	}
	return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_make((const char *)data, size);
	struct ehlo ehlo = ehlo_parse(text);
	struct ehlo found = find(text);

	must(ehlo.offers == found.offers && ehlo.size_bytes == found.size_bytes);
	return 0;
}
