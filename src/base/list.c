/*
 * Doubly linked rings.  The head is a link too: no operation has a special case
 * for the ends.  A link that is off its list is zeroed, which list_linked() asks.
 * Invariant: link->prev->next == link->next->prev == link for every link on it,
 * and count is the number of links without the head.
 */
#include "base/list.h"

void list_init(struct list *list)
{
	list->head = (struct list_link){&list->head, &list->head};
	list->count = 0;
}

static void insert_after(struct list *list, struct list_link *at, struct list_link *link)
{
	link->prev = at;
	link->next = at->next;
	at->next->prev = link;
	at->next = link;
	list->count++;
}

void list_push(struct list *list, struct list_link *link)
{
	insert_after(list, list->head.prev, link);
}

void list_push_front(struct list *list, struct list_link *link)
{
	insert_after(list, &list->head, link);
}

void list_remove(struct list *list, struct list_link *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	*link = (struct list_link){NULL, NULL};
	list->count--;
}

struct list_link *list_first(const struct list *list)
{
	return list_next(list, &list->head);
}

struct list_link *list_next(const struct list *list, const struct list_link *link)
{
	return link->next != &list->head ? link->next : NULL;
}

struct list_link *list_pop(struct list *list)
{
	struct list_link *link = list_first(list);

	if (link != NULL) {
		list_remove(list, link);
	}
	return link;
}
