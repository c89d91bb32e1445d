/*
 * DMARC (RFC 7489): the record of a From domain, and what is aligned with it.  The
 * organisational domain is that of the public suffix list (section 3.2).
 */
#ifndef PREFLIGHT_DMARC_H
#define PREFLIGHT_DMARC_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/slice.h"
#include "preflight/answers.h"

enum dmarc_state {
	DMARC_PENDING, /* the DNS has to be asked first */
	DMARC_FOUND,
	DMARC_NONE,
	DMARC_SEVERAL,
	DMARC_TEMPORARY,
};

/* Below "_dmarc." at `domain`: the From domain's own, else its organisation's. */
struct dmarc_place {
	enum dmarc_state state;
	struct slice domain;
	struct slice record;            /* where there is one */
	const struct dns_answer *texts; /* all that stand there; NULL while not known */
};

struct dmarc_place dmarc_find(struct answers *answers, struct slice from_domain);

struct dmarc {
	struct slice policy; /* none, quarantine, reject */
	bool strict_dkim;
	bool strict_spf;
};

/*
 * False when receivers would take no notice of it; why says why.  What only a tag
 * loses (a value that is none) is appended to `flaws`, as sentences.
 */
bool dmarc_parse(struct slice record, struct dmarc *ret_dmarc, struct buf *why, struct buf *flaws);

/* Are the two the same (strict), or of one organisation (relaxed)? */
bool dmarc_aligned(struct slice from_domain, struct slice domain, bool strict);

/*
 * One record with what can be kept of those among `texts` (NULL: there is none): the
 * strictest policies and modes, and all addresses of reports.  Returns how many there are.
 */
size_t dmarc_add_remedy(struct buf *out, const struct dns_answer *texts);

#endif
