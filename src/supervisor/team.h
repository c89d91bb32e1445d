/*
 * What the files of the supervisor share: the workers, and what each of them has.
 */
#ifndef SUPERVISOR_TEAM_H
#define SUPERVISOR_TEAM_H

#include "child.h"
#include "supervisor/supervisor.h"

struct owners;
struct notify;

struct seat {
	struct supervisor *supervisor;
	struct child *child;
	bool reloading; /* its answer is awaited */
};

/* A reload from the signal to the last answer. */
struct reload {
	const struct config *config; /* the new one; NULL = none is under way */
	size_t refused;
	bool again; /* one more was asked for meanwhile */
};

enum phase { PHASE_STARTING, PHASE_WORKING, PHASE_DRAINING, PHASE_ENDING, PHASE_OVER };

struct supervisor {
	struct loop *loop;
	const char *path;
	const struct config *started; /* what only a restart changes is as this has it */
	const struct config *config;
	struct supervisor_events events;
	enum phase phase;
	int status; /* how the program ends */
	struct seat *seats;
	size_t count;
	struct child **lefts; /* journals that nobody has, each with who reports it */
	size_t left_count;
	struct owners *owners;
	struct reload reload;
	struct notify *notify;
	struct timer watchdog;
	struct timer late; /* an end that takes too long */
};

/* left.c: a child for each journal of the spool that none of the workers has. */
void left_start(struct supervisor *supervisor);
void left_reap(struct supervisor *supervisor);
bool left_run(const struct supervisor *supervisor);

/* reload.c */
void reload_answer(struct seat *seat, const struct control_message *message); /* NULL: it ended */

#endif
