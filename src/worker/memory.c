/*
 * limits.memory: what a worker holds of the jobs at hand, of compiled contents and of
 * composed messages is counted where it comes and goes, and compared here.  Jobs have
 * half of it by their credit (load.c), contents a quarter unless more are in use at
 * once; messages have what is left.  What is only kept for later goes first.
 *
 * When it is full nothing more is claimed, and nothing more composed while something
 * else is under way; so one message can always be sent, and that makes room.
 */
#include "contents.h"
#include "load.h"
#include "parts.h"

bool memory_is_over(const struct worker *worker)
{
	size_t used = permits_bytes(worker->permits) + contents_bytes(worker->contents) +
		worker->desk.bytes;

	return used >= worker->equipment->config->limits.memory_bytes;
}

bool memory_is_full(struct worker *worker)
{
	if (memory_is_over(worker)) {
		delivery_forget_spares(worker);
		contents_make_room(worker->contents);
	}
	return memory_is_over(worker);
}
