/*
 * From 354 to the final dot: written down, signed, on the disk, through the gate.
 */
#ifndef WORKER_LAUNCH_H
#define WORKER_LAUNCH_H

#include "parts.h"

void launch_go(struct delivery *delivery);   /* 354 came */
void launch_gate(struct delivery *delivery); /* a large body is out */

void launch_sign_some(void *owner);              /* a worker; at most 5 ms of it */
void launch_release_some(struct worker *worker); /* the disk has got more intents */

/* Its session has ended; where it waits it waits no longer. */
void launch_cancel(struct delivery *delivery);

/* None of those that wait may leave any more. */
void launch_abort_all(struct worker *worker);

#endif
