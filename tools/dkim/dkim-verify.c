/*
 * dkim-verify [-v] RECORDS PATH...: are these messages signed so that a receiver
 * passes them?  libopendkim says so, from the keys in RECORDS: lines "NAME TEXT", as
 * in "r1._domainkey.example.org v=DKIM1; k=rsa; p=...".
 *
 * A PATH is a message, or a directory, of which every *.eml is read, those of inner
 * directories too.  A line for each that fails (with -v for each), and "N passed,
 * N failed" at the end.  Exit 1 when one failed or there was none, 2 when it could
 * not be found out.
 */
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sign/judge.h"

struct run {
	struct judge *judge;
	unsigned passed;
	unsigned failed;
	bool verbose; /* a line for what passes too */
};

static bool read_file(const char *path, struct buf *out)
{
	FILE *file = fopen(path, "rb");
	char piece[65536];
	size_t n;
	bool fine;

	if (file == NULL) {
		perror(path);
		return false;
	}
	while ((n = fread(piece, 1, sizeof(piece), file)) > 0) {
		buf_add(out, slice_make(piece, n));
	}
	fine = ferror(file) == 0;
	if (!fine) {
		perror(path);
	}
	(void)fclose(file);
	return fine;
}

/* What a mailbox keeps with LF alone went over the wire with CRLF. */
static void restore_line_ends(struct buf *message)
{
	struct slice rest = buf_slice(message);
	struct slice line;
	struct buf out;

	if (rest.n == 0 || slice_search(rest, SLICE("\r\n")) < rest.n) {
		return;
	}
	buf_init(&out, 0);
	while (slice_split(&rest, '\n', &line)) {
		buf_add(&out, line);
		buf_add_text(&out, "\r\n");
	}
	buf_add(&out, line);
	buf_clear(message);
	*message = out;
}

static void verify_file(struct run *run, const char *path)
{
	struct buf message;
	struct buf why;
	bool good = false;

	buf_init(&message, 0);
	buf_init(&why, 0);
	if (read_file(path, &message)) {
		restore_line_ends(&message);
		good = judge_message(run->judge, buf_slice(&message), &why) > 0;
	} else {
		buf_add_text(&why, "not readable");
	}
	if (!good || run->verbose) {
		printf("%s %s: %s\n", good ? "pass" : "fail", path, buf_string(&why));
	}
	run->passed += good ? 1 : 0;
	run->failed += good ? 0 : 1;
	buf_clear(&why);
	buf_clear(&message);
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* False when it could not be looked at. */
static bool verify_entry(struct run *run, const FTSENT *entry)
{
	struct slice name = slice_of(entry->fts_name);

	switch (entry->fts_info) {
	case FTS_F:
		if (entry->fts_level == FTS_ROOTLEVEL || slice_ends_nocase(name, SLICE(".eml"))) {
			verify_file(run, entry->fts_path);
		}
		return true;
	case FTS_DNR:
	case FTS_ERR:
	case FTS_NS:
		fprintf(stderr, "%s: %s\n", entry->fts_path, strerror(entry->fts_errno));
		return false;
	default:
		return true;
	}
}

static bool verify_all(struct run *run, char **paths)
{
	FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
	const FTSENT *entry;
	bool fine = true;

	if (walk == NULL) {
		return false;
	}
	while ((entry = fts_read(walk)) != NULL) {
		fine = verify_entry(run, entry) && fine;
	}
	(void)fts_close(walk);
	return fine;
}

static bool read_records(const char *path, struct judge **ret_judge)
{
	struct buf records;
	struct buf why;
	bool fine;

	buf_init(&records, 0);
	buf_init(&why, 0);
	fine = read_file(path, &records);
	if (fine && err_is(judge_new(buf_slice(&records), ret_judge, &why))) {
		fprintf(stderr, "%s: %s\n", path, buf_string(&why));
		fine = false;
	}
	buf_clear(&why);
	buf_clear(&records);
	return fine;
}

int main(int argc, char **argv)
{
	struct run run = {0};
	int first = 1;
	bool fine;

	if (argc > 1 && strcmp(argv[1], "-v") == 0) {
		run.verbose = true;
		first++;
	}
	if (argc - first < 2) {
		fprintf(stderr, "usage: dkim-verify [-v] RECORDS PATH...\n");
		return 2;
	}
	if (!read_records(argv[first], &run.judge)) {
		return 2;
	}
	fine = verify_all(&run, argv + first + 1);
	judge_free(&run.judge);
	printf("%u passed, %u failed\n", run.passed, run.failed);
	if (!fine) {
		return 2;
	}
	return run.failed == 0 && run.passed > 0 ? 0 : 1;
}
