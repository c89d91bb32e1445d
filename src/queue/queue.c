/*
 * Two classes (transactional, and the rest), each a ring of lines, each line the
 * jobs of one tenant in the order they came.  The line at the front of the ring
 * sends while it has deficit left, then goes to the back with its weight added:
 * deficit round robin with a message as the unit.  A line without jobs is not in
 * the ring and keeps no deficit, so idle time is not saved up.
 *
 * Every tenth pop prefers the class that is not preferred otherwise: mail that is
 * never urgent must not starve behind mail that always is.
 */
#include "queue/queue.h"

#include "base/map.h"
#include "base/mem.h"

#define CLASSES 2
#define OTHER_EVERY 10

struct line {
	struct list_link link; /* in its ring, while it has jobs */
	struct list jobs;
	struct id tenant;
	unsigned weight;
	unsigned deficit;
};

struct class
{
	struct list ring;
	struct map *lines; /* by tenant */
};

struct queue {
	struct class classes[CLASSES];
	size_t count;
	unsigned pops;
};

struct queue *queue_new(void)
{
	struct queue *queue = MEM_NEW(struct queue);

	for (int i = 0; i < CLASSES; i++) {
		list_init(&queue->classes[i].ring);
		queue->classes[i].lines = map_new();
	}
	return queue;
}

void queue_free(struct queue **queue)
{
	if (*queue == NULL) {
		return;
	}
	for (int i = 0; i < CLASSES; i++) {
		size_t at = 0;
		struct slice key;
		void *line;

		while (map_next((*queue)->classes[i].lines, &at, &key, &line)) {
			mem_free(line);
		}
		map_free(&(*queue)->classes[i].lines);
	}
	mem_free(*queue);
	*queue = NULL;
}

size_t queue_count(const struct queue *queue)
{
	return queue->count;
}

static struct class *class_of(struct queue *queue, const struct job *job)
{
	return &queue->classes[job->batch->campaign->priority == 0 ? 0 : 1];
}

void queue_push(struct queue *queue, struct job *job)
{
	struct class *class = class_of(queue, job);
	const struct tenant *tenant = job->batch->campaign->tenant;
	struct line *line = map_get(class->lines, id_slice(&tenant->id));

	if (line == NULL) {
		line = MEM_NEW(struct line);
		line->tenant = tenant->id;
		list_init(&line->jobs);
		map_put(class->lines, id_slice(&line->tenant), line);
	}
	line->weight = tenant->weight > 0 ? (unsigned)tenant->weight : 1;
	list_push(&line->jobs, &job->link);
	if (!list_linked(&line->link)) {
		line->deficit = line->weight;
		list_push(&class->ring, &line->link);
	}
	queue->count++;
}

/* An empty line goes, so that a lane does not remember every tenant it ever saw. */
static void line_leave(struct class *class, struct line *line)
{
	list_remove(&class->ring, &line->link);
	map_remove(class->lines, id_slice(&line->tenant));
	mem_free(line);
}

static struct job *class_pop(struct class *class)
{
	struct list_link *first = list_first(&class->ring);
	struct line *line;
	struct job *job;

	if (first == NULL) {
		return NULL;
	}
	line = LIST_OWNER(first, struct line, link);
	job = LIST_OWNER(list_pop(&line->jobs), struct job, link);
	line->deficit--;
	if (line->jobs.count == 0) {
		line_leave(class, line);
	} else if (line->deficit == 0) {
		line->deficit = line->weight;
		list_remove(&class->ring, &line->link);
		list_push(&class->ring, &line->link);
	}
	return job;
}

struct job *queue_pop(struct queue *queue)
{
	int preferred = ++queue->pops % OTHER_EVERY == 0 ? 1 : 0;
	struct job *job = class_pop(&queue->classes[preferred]);

	if (job == NULL) {
		job = class_pop(&queue->classes[1 - preferred]);
	}
	if (job != NULL) {
		queue->count--;
	}
	return job;
}

/* Off the list before the caller sees it: what is picked may go on another list at once. */
static size_t line_pick(struct line *line, bool (*pick)(void *owner, struct job *job), void *owner)
{
	size_t picked = 0;

	for (size_t left = line->jobs.count; left > 0; left--) {
		struct list_link *link = list_pop(&line->jobs);

		if (pick(owner, LIST_OWNER(link, struct job, link))) {
			picked++;
		} else {
			list_push(&line->jobs, link);
		}
	}
	return picked;
}

static size_t class_pick(
	struct class *class, bool (*pick)(void *owner, struct job *job), void *owner)
{
	struct list_link *link = list_first(&class->ring);
	size_t picked = 0;

	while (link != NULL) {
		struct list_link *next = list_next(&class->ring, link);
		struct line *line = LIST_OWNER(link, struct line, link);

		picked += line_pick(line, pick, owner);
		if (line->jobs.count == 0) {
			line_leave(class, line);
		}
		link = next;
	}
	return picked;
}

void queue_pick(struct queue *queue, bool (*pick)(void *owner, struct job *job), void *owner)
{
	for (int i = 0; i < CLASSES; i++) {
		queue->count -= class_pick(&queue->classes[i], pick, owner);
	}
}
