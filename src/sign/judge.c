/*
 * The judge: libopendkim's verifier, whose questions for keys are answered from a
 * map.  It was written by others, from the same RFC 6376 and 8463, and it is what
 * many receivers run: what it passes is signed right.
 *
 * Every signature of a message is looked at, and the message is good only if each
 * is; the library itself would stop at the first good one.
 */
#include "sign/judge.h"

#include <stdbool.h>
#include <string.h>

#include <opendkim/dkim.h>

#include "base/map.h"
#include "base/mem.h"

#define NAME_MAX_BYTES 512 /* selector, "._domainkey.", domain */

struct judge {
	DKIM_LIB *library;
	struct map *records; /* lower-case name to its text */
};

static void add_lower(struct buf *out, struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		buf_add_byte(out, c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
	}
}

/* False when the line is neither a record nor nothing. */
static bool add_record(struct judge *judge, struct slice line)
{
	size_t end = 0;
	struct slice text;
	struct buf name;

	line = slice_trim(line);
	if (line.n == 0 || line.p[0] == '#') {
		return true;
	}
	while (end < line.n && line.p[end] != ' ' && line.p[end] != '\t') {
		end++;
	}
	text = slice_trim(slice_from(line, end));
	if (text.n == 0) {
		return false;
	}
	buf_init(&name, 0);
	add_lower(&name, slice_first(line, end));
	if (slice_ends(buf_slice(&name), SLICE("."))) {
		buf_cut(&name, name.n - 1);
	}
	mem_free(map_put(judge->records, buf_slice(&name), slice_string(text)));
	buf_clear(&name);
	return true;
}

static const char *find_record(const struct judge *judge, DKIM_SIGINFO *signature)
{
	const char *text;
	struct buf name;

	buf_init(&name, NAME_MAX_BYTES);
	add_lower(&name, slice_of((const char *)dkim_sig_getselector(signature)));
	buf_add_text(&name, "._domainkey.");
	add_lower(&name, slice_of((const char *)dkim_sig_getdomain(signature)));
	text = name.spoiled ? NULL : map_get(judge->records, buf_slice(&name));
	buf_clear(&name);
	return text;
}

static DKIM_CBSTAT on_key(DKIM *dkim, DKIM_SIGINFO *signature, u_char *buffer, size_t size)
{
	const char *text = find_record(dkim_get_user_context(dkim), signature);

	if (text == NULL) {
		return DKIM_CBSTAT_NOTFOUND;
	}
	if (strlen(text) >= size) {
		return DKIM_CBSTAT_ERROR;
	}
	memcpy(buffer, text, strlen(text) + 1);
	return DKIM_CBSTAT_CONTINUE;
}

struct err judge_new(struct slice records, struct judge **ret_judge, struct buf *why)
{
	struct judge *judge = MEM_NEW(struct judge);
	struct slice line;
	size_t number = 0;

	judge->records = map_new();
	judge->library = dkim_init(NULL, NULL);
	if (judge->library == NULL || dkim_set_key_lookup(judge->library, on_key) != DKIM_STAT_OK) {
		buf_add_text(why, "libopendkim cannot be used");
		judge_free(&judge);
		return err_os(0);
	}
	while (records.p != NULL) {
		slice_split(&records, '\n', &line);
		number++;
		if (!add_record(judge, line)) {
			buf_add_format(why, "line %zu: not 'NAME TEXT'", number);
			judge_free(&judge);
			return err_input();
		}
	}
	*ret_judge = judge;
	return ERR_OK;
}

void judge_free(struct judge **judge)
{
	size_t at = 0;
	struct slice name;
	void *text;

	if (*judge == NULL) {
		return;
	}
	while (map_next((*judge)->records, &at, &name, &text)) {
		mem_free(text);
	}
	map_free(&(*judge)->records);
	if ((*judge)->library != NULL) {
		dkim_close((*judge)->library);
	}
	mem_free(*judge);
	*judge = NULL;
}

static bool judge_signature(DKIM *dkim, DKIM_SIGINFO *signature, struct buf *why)
{
	DKIM_STAT status = dkim_sig_process(dkim, signature);
	int error = dkim_sig_geterror(signature);
	const char *text = error > 0 ? dkim_sig_geterrorstr(error) : NULL;
	bool good = status == DKIM_STAT_OK && error <= 0 &&
		(dkim_sig_getflags(signature) & DKIM_SIGFLAG_PASSED) != 0 &&
		dkim_sig_getbh(signature) == DKIM_SIGBH_MATCH;

	buf_add_format(why, "%sd=%s s=%s: ", why->n > 0 ? "; " : "",
		(const char *)dkim_sig_getdomain(signature),
		(const char *)dkim_sig_getselector(signature));
	if (good) {
		buf_add_text(why, "pass");
	} else if (dkim_sig_getbh(signature) == DKIM_SIGBH_MISMATCH) {
		buf_add_text(why, "the body is not the one that was signed");
	} else if (text != NULL || status != DKIM_STAT_OK) {
		buf_add_text(why, text != NULL ? text : dkim_getresultstr(status));
	} else {
		buf_add_text(why, "not judged");
	}
	return good;
}

static unsigned judge_signatures(DKIM *dkim, struct buf *why)
{
	DKIM_SIGINFO **signatures = NULL;
	unsigned passed = 0;
	int count = 0;

	if (dkim_getsiglist(dkim, &signatures, &count) != DKIM_STAT_OK || count <= 0) {
		buf_add_text(why, "no signature");
		return 0;
	}
	for (int i = 0; i < count; i++) {
		passed += judge_signature(dkim, signatures[i], why) ? 1 : 0;
	}
	return passed == (unsigned)count ? passed : 0;
}

/* The last line ends on the wire, whatever was kept; the library would not judge it else. */
static DKIM_STAT feed(DKIM *dkim, struct slice message)
{
	static const char end[] = "\r\n";
	DKIM_STAT status = dkim_chunk(dkim, (u_char *)message.p, message.n);

	if (status == DKIM_STAT_OK && !slice_ends(message, SLICE("\r\n"))) {
		status = dkim_chunk(dkim, (u_char *)end, 2);
	}
	return status == DKIM_STAT_OK ? dkim_chunk(dkim, NULL, 0) : status;
}

unsigned judge_message(struct judge *judge, struct slice message, struct buf *why)
{
	DKIM_STAT status = DKIM_STAT_OK;
	unsigned passed = 0;
	DKIM *dkim;

	if (message.n == 0) {
		buf_add_text(why, "no message"); /* the library would fall over it */
		return 0;
	}
	dkim = dkim_verify(judge->library, (const u_char *)"judge", NULL, &status);
	if (dkim == NULL || dkim_set_user_context(dkim, judge) != DKIM_STAT_OK) {
		buf_add_text(why, "libopendkim cannot be used");
		return 0;
	}
	status = feed(dkim, message);
	if (status == DKIM_STAT_OK || status == DKIM_STAT_NOSIG) {
		(void)dkim_eom(dkim, NULL);
		passed = judge_signatures(dkim, why);
	} else {
		buf_add_text(why, dkim_getresultstr(status));
	}
	(void)dkim_free(dkim);
	return passed;
}
