/* The evaluators of preflight, by what they look at; for the files of this folder. */
#ifndef SRC_PREFLIGHT_CHECKS_H
#define SRC_PREFLIGHT_CHECKS_H

#include "preflight/preflight.h"

void check_spf(
	const struct preflight_subject *subject, struct answers *answers, struct report *report);
void check_dkim(
	const struct preflight_subject *subject, struct answers *answers, struct report *report);
void check_dmarc(
	const struct preflight_subject *subject, struct answers *answers, struct report *report);
void check_domains(
	const struct preflight_subject *subject, struct answers *answers, struct report *report);
void check_tenant(const struct preflight_subject *subject, struct report *report);
void check_content(const struct preflight_subject *subject, struct report *report);

enum found {
	FOUND_NO,
	FOUND_YES,
	FOUND_OPEN,   /* not known yet */
	FOUND_SILENT, /* the DNS does not answer */
};

/* Has the name this address?  With NULL: any address at all? */
enum found find_address(struct answers *answers, struct slice name, const union endpoint *address);

/* Does the PTR's name look like those that providers make for whole networks? */
bool ptr_is_generic(struct slice name, const union endpoint *address);

/* "NAME. IN A 192.0.2.7" and a newline. */
void add_address_record(struct buf *out, struct slice name, const union endpoint *address);

/* Settings of a tenant have no command: the statement that changes one, and a newline. */
void add_tenant_setting(struct buf *out, const struct preflight_subject *subject, const char *key,
	struct slice value);

#define SHOW(slice) (int)(slice).n, (slice).p

#endif
