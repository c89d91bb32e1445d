/* Rings of links. */
#include <criterion/criterion.h>

#include "base/list.h"
#include "no_leaks.h"

TestSuite(list, .fini = no_leaks);

struct item {
	char name;
	struct list_link link;
};

static void expect(const struct list *list, const char *want)
{
	char got[16] = "";
	size_t n = 0;

	for (struct list_link *at = list_first(list); at != NULL; at = list_next(list, at)) {
		got[n++] = LIST_OWNER(at, struct item, link)->name;
	}
	cr_expect_str_eq(got, want);
	cr_expect_eq(list->count, strlen(want));
}

Test(list, keeps_order)
{
	struct item items[4] = {{'a', {0}}, {'b', {0}}, {'c', {0}}, {'d', {0}}};
	struct list list;

	list_init(&list);
	expect(&list, "");
	cr_expect_null(list_pop(&list));
	list_push(&list, &items[1].link);
	list_push(&list, &items[2].link);
	list_push_front(&list, &items[0].link);
	list_push(&list, &items[3].link);
	expect(&list, "abcd");
	list_remove(&list, &items[1].link);
	expect(&list, "acd");
	cr_expect(!list_linked(&items[1].link));
	cr_expect(list_linked(&items[2].link));
	list_push(&list, &items[1].link);
	expect(&list, "acdb");
	cr_expect_eq(list_pop(&list), &items[0].link);
	cr_expect(!list_linked(&items[0].link));
	list_remove(&list, &items[1].link);
	expect(&list, "cd");
	cr_expect_eq(list_pop(&list), &items[2].link);
	cr_expect_eq(list_pop(&list), &items[3].link);
	expect(&list, "");
}
