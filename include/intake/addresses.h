/*
 * The addresses that a worker sends from: each is one worker's at a time, of all nodes.
 */
#ifndef INTAKE_ADDRESSES_H
#define INTAKE_ADDRESSES_H

#include "base/slice.h"

struct intake;

enum address_owner {
	ADDRESS_OURS,
	ADDRESS_TAKEN, /* another has it; it is asked for again as long as it is wanted */
	ADDRESS_LEFT,  /* given back */
};

/* Who has it that is taken; lives for the call. */
struct address_other {
	struct slice node;
	struct slice worker;
	struct slice source; /* what it is called there */
};

/*
 * The worker wants to send from this address, an IP address as text, or not any more: then
 * nothing may be open from it.  The event on_address says what came of it.
 */
void intake_want_address(struct intake *intake, struct slice address, struct slice source);
void intake_leave_address(struct intake *intake, struct slice address);

#endif
