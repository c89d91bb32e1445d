/*
 * libopendkim as the judge of signatures, for tests: the public keys come from a
 * text, not from DNS.
 */
#ifndef TESTS_JUDGE_H
#define TESTS_JUDGE_H

#include <opendkim/dkim.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/slice.h"

struct judge {
	DKIM_LIB *library;
	char path[64];
};

/* `records`: lines "SELECTOR._domainkey.DOMAIN v=DKIM1; ...". */
static inline void judge_init(struct judge *judge, struct slice records)
{
	unsigned method = DKIM_QUERY_FILE;
	FILE *file;
	int fd;

	snprintf(judge->path, sizeof(judge->path), "%s", "/tmp/penguin-judge-XXXXXX");
	fd = mkstemp(judge->path);
	file = fdopen(fd, "w");
	fwrite(records.p, 1, records.n, file);
	fclose(file);
	judge->library = dkim_init(NULL, NULL);
	dkim_options(
		judge->library, DKIM_OP_SETOPT, DKIM_OPTS_QUERYMETHOD, &method, sizeof(method));
	dkim_options(judge->library, DKIM_OP_SETOPT, DKIM_OPTS_QUERYINFO, judge->path,
		strlen(judge->path));
}

static inline void judge_clear(struct judge *judge)
{
	dkim_close(judge->library);
	unlink(judge->path);
}

/* How many signatures of the message pass; -1 when any fails or there is none. */
static inline int judge_message(struct judge *judge, struct slice message)
{
	DKIM_SIGINFO **signatures;
	DKIM_STAT status;
	int count = 0;
	int passed = 0;
	DKIM *dkim = dkim_verify(judge->library, (const u_char *)"test", NULL, &status);

	if (dkim == NULL) {
		return -1;
	}
	dkim_chunk(dkim, (u_char *)message.p, message.n);
	dkim_chunk(dkim, NULL, 0);
	dkim_eom(dkim, NULL);
	if (dkim_getsiglist(dkim, &signatures, &count) == DKIM_STAT_OK) {
		for (int i = 0; i < count; i++) {
			dkim_sig_process(dkim, signatures[i]);
			passed += (dkim_sig_getflags(signatures[i]) & DKIM_SIGFLAG_PASSED) != 0 &&
				dkim_sig_getbh(signatures[i]) == DKIM_SIGBH_MATCH;
		}
	}
	dkim_free(dkim);
	return count > 0 && passed == count ? passed : -1;
}

#endif
