/*
 * Intrusive doubly linked lists.  A user wraps them once per use with its own
 * types (lane_list_push(struct lane_list *, struct lane *)), so that an object
 * cannot land on the wrong kind of list.  A zeroed link is on no list.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_link {
	struct list_link *prev;
	struct list_link *next;
};

/* The head is a link of its own in a ring; it must be set up before use. */
struct list {
	struct list_link head;
	size_t count;
};

#define LIST_OWNER(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

void list_init(struct list *list);
void list_push(struct list *list, struct list_link *link); /* at the end */
void list_push_front(struct list *list, struct list_link *link);
void list_remove(struct list *list, struct list_link *link); /* must be on it */

/* NULL at the end, or when empty.  _pop takes it off. */
struct list_link *list_first(const struct list *list);
struct list_link *list_next(const struct list *list, const struct list_link *link);
struct list_link *list_pop(struct list *list);

static inline bool list_linked(const struct list_link *link)
{
	return link->next != NULL;
}

#endif
