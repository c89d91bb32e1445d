/*
 * The DKIM keys of the domains mail is sent from, each checked against its
 * published record before the first message goes.
 */
#ifndef WORKER_KEYS_H
#define WORKER_KEYS_H

#include "parts.h"

struct keys *keys_new(struct worker *worker);
void keys_free(struct keys **keys); /* no plan may be waiting */

/* Ends in flow_on_keys(), in this call when the answer is known. */
void keys_find(struct keys *keys, struct plan *plan);

/* Compares all keys there are with DNS, and says what is wrong before anybody needs them. */
void keys_sweep(struct keys *keys);

/* Keys may have changed on disk or in DNS: everything is looked at again. */
void keys_reload(struct keys *keys);

#endif
