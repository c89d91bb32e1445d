/*
 * The jobs at hand for one lane, in the order they shall go: transactional mail
 * (priority 0) first, but every tenth message is of the others; within a class by
 * deficit round robin over tenants, by weight; within a tenant as they came.
 * Pure; a push and a pop cost the same however many wait.
 */
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "model/job.h"

struct queue;

struct queue *queue_new(void);
void queue_free(struct queue **queue); /* must be empty */

size_t queue_count(const struct queue *queue);

/* Borrows the job by its link until it is popped or taken. */
void queue_push(struct queue *queue, struct job *job);

/* NULL when empty. */
struct job *queue_pop(struct queue *queue);

/* Takes out every job the caller picks (held, cancelled), calling pick once for each. */
void queue_pick(struct queue *queue, bool (*pick)(void *owner, struct job *job), void *owner);

#endif
