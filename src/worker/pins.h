/*
 * What a job pins at its first attempt, so that every attempt has the same bytes:
 * the token key, the tracking domain, the DKIM keys; and whether an attempt of
 * unknown end came before, which every later one is told.  One line of text, carried
 * in penguin.batches.keys: "t=1 u=1 h=track.example.org d=example.org;s=a,b".
 */
#ifndef WORKER_PINS_H
#define WORKER_PINS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

struct pins {
	uint8_t token_key;            /* 0 = none was pinned, nor anything else but the doubt */
	bool doubt;                   /* an attempt may have been delivered */
	struct slice tracking_domain; /* empty = none */
	struct slice keys;            /* as key_set_pins() wrote it; empty = none */
};

void pins_add(struct buf *out, const struct pins *pins);

/* Views into the text; false when it is not of the form (then nothing is pinned). */
bool pins_parse(struct slice text, struct pins *ret_pins);

#endif
