/*
 * What preflight is to look at, gathered: the tenant's domains from Postgres, the pool's
 * sources from the configuration, the keys from their directory, and a message of the
 * campaign as it would go out.
 */
#ifndef CTL_SUBJECT_H
#define CTL_SUBJECT_H

#include "base/arena.h"
#include "command.h"
#include "compose/message.h"
#include "preflight/preflight.h"
#include "sign/keyring.h"

struct subject {
	struct arena *arena; /* of its texts and arrays */
	struct preflight_subject about;
	struct preflight_content content;
	struct preflight_setting settings[3];
	struct slice sender_id;
	struct slice selectors;
	unsigned dkim_bits;
	struct keyring *keyring;
	struct key_set *keys; /* NULL = none */
	struct message message;
};

void subject_init(struct subject *subject);
void subject_clear(struct subject *subject);

/* 0, or the exit code after it was said.  `tenant` is an id. */
MUST_USE int subject_of_domain(struct ctl *ctl, const char *tenant, const char *domain,
	const char *pool, struct subject *subject);
MUST_USE int subject_of_campaign(
	struct ctl *ctl, const char *tenant, const char *campaign, struct subject *subject);

/* A message of the campaign into subject->content, once the rest is known (sample.c). */
MUST_USE int subject_compose(struct ctl *ctl, const char *tenant, const char *campaign,
	const struct content *content, struct subject *subject);

#endif
