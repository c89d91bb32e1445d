/* The parts of a structured message. */
#ifndef SRC_COMPOSE_BODY_H
#define SRC_COMPOSE_BODY_H

#include "run.h"

/* The Content-* fields, the empty line and the body, to the end of the message. */
void run_body(struct run *run);

#endif
