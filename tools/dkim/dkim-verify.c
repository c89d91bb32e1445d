/*
 * dkim-verify: libopendkim's verdict on messages in files, against public keys in
 * a text, not in DNS.  For demo and tests: what was received is judged by another
 * implementation than the one that signed it.
 *
 *	dkim-verify RECORDS MESSAGE-OR-DIRECTORY ...
 *
 * RECORDS has a line for each key: "SELECTOR._domainkey.DOMAIN v=DKIM1; ...".  A
 * directory is searched for *.eml.  One line for each message that fails; last
 * "N passed, N failed".  Exit 0 only when there was one and all passed.
 */
#include <fts.h>
#include <opendkim/dkim.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

struct tally {
	DKIM_LIB *library;
	unsigned passed;
	unsigned failed;
};

static bool feed(DKIM *dkim, FILE *file)
{
	unsigned char bytes[65536];
	size_t n;

	while ((n = fread(bytes, 1, sizeof(bytes), file)) > 0) {
		if (dkim_chunk(dkim, bytes, n) != DKIM_STAT_OK) {
			return false;
		}
	}
	return dkim_chunk(dkim, NULL, 0) == DKIM_STAT_OK && dkim_eom(dkim, NULL) == DKIM_STAT_OK;
}

/* NULL when every signature passes, else why not. */
static const char *judge(DKIM *dkim)
{
	DKIM_SIGINFO **signatures;
	int count = 0;

	if (dkim_getsiglist(dkim, &signatures, &count) != DKIM_STAT_OK || count == 0) {
		return "no signature";
	}
	for (int i = 0; i < count; i++) {
		(void)dkim_sig_process(dkim, signatures[i]);
		if ((dkim_sig_getflags(signatures[i]) & DKIM_SIGFLAG_PASSED) == 0 ||
			dkim_sig_getbh(signatures[i]) != DKIM_SIGBH_MATCH) {
			return dkim_sig_geterrorstr(dkim_sig_geterror(signatures[i]));
		}
	}
	return NULL;
}

static void verify(struct tally *tally, const char *path, FILE *file)
{
	const char *why = "cannot be read";
	DKIM_STAT status;
	DKIM *dkim = dkim_verify(tally->library, (const unsigned char *)"verify", NULL, &status);

	if (dkim != NULL) {
		(void)feed(dkim, file);
		why = judge(dkim);
	}
	if (why == NULL) {
		tally->passed++;
	} else {
		tally->failed++;
		(void)printf("%s: %s\n", path, why);
	}
	(void)dkim_free(dkim);
}

static bool is_message(const FTSENT *entry)
{
	size_t n = strlen(entry->fts_name);

	return entry->fts_info == FTS_F &&
		(entry->fts_level == FTS_ROOTLEVEL ||
			(n > 4 && strcmp(entry->fts_name + n - 4, ".eml") == 0));
}

static void walk(struct tally *tally, char **paths)
{
	FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *entry;

	while (tree != NULL && (entry = fts_read(tree)) != NULL) {
		FILE *file = is_message(entry) ? fopen(entry->fts_accpath, "re") : NULL;

		if (file != NULL) {
			verify(tally, entry->fts_path, file);
			(void)fclose(file);
		}
	}
	if (tree != NULL) {
		(void)fts_close(tree);
	}
}

int main(int argc, char **argv)
{
	struct tally tally = {.library = NULL};
	unsigned method = DKIM_QUERY_FILE;

	if (argc < 3) {
		(void)fputs("usage: dkim-verify RECORDS MESSAGE-OR-DIRECTORY ...\n", stderr);
		return EX_USAGE;
	}
	tally.library = dkim_init(NULL, NULL);
	(void)dkim_options(
		tally.library, DKIM_OP_SETOPT, DKIM_OPTS_QUERYMETHOD, &method, sizeof(method));
	(void)dkim_options(
		tally.library, DKIM_OP_SETOPT, DKIM_OPTS_QUERYINFO, argv[1], strlen(argv[1]));
	walk(&tally, argv + 2);
	dkim_close(tally.library);
	(void)printf("%u passed, %u failed\n", tally.passed, tally.failed);
	return tally.failed == 0 && tally.passed > 0 ? EX_OK : EXIT_FAILURE;
}
