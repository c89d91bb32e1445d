/* The order of jobs at hand, and the sharing of credit. */
#include <criterion/criterion.h>
#include <string.h>

#include "no_leaks.h"
#include "queue/credit.h"
#include "queue/queue.h"

TestSuite(queue, .fini = no_leaks);

#define TENANTS 4

static struct tenant tenants[TENANTS];
static struct campaign campaigns[TENANTS][2]; /* urgent, other */
static struct batch batches[TENANTS][2];

static void set_up(const int *weights)
{
	for (int t = 0; t < TENANTS; t++) {
		memset(tenants[t].id.bytes, t + 1, sizeof(tenants[t].id.bytes));
		tenants[t].weight = weights[t];
		for (int urgent = 0; urgent < 2; urgent++) {
			campaigns[t][urgent].tenant = &tenants[t];
			campaigns[t][urgent].priority = urgent == 0 ? 0 : 5;
			batches[t][urgent].campaign = &campaigns[t][urgent];
		}
	}
}

static int tenant_of(const struct job *job)
{
	return job->batch->campaign->tenant->id.bytes[0] - 1;
}

Test(queue, shares_follow_the_weights_while_all_have_work)
{
	static struct job jobs[TENANTS][400];
	int seen[TENANTS] = {0};
	struct queue *queue = queue_new();

	set_up((int[]){1, 1, 2, 4});
	for (int t = 0; t < TENANTS; t++) {
		for (int i = 0; i < 400; i++) {
			jobs[t][i].batch = &batches[t][1];
			queue_push(queue, &jobs[t][i]);
		}
	}
	for (int i = 0; i < 800; i++) {
		seen[tenant_of(queue_pop(queue))]++;
	}
	cr_assert_eq(seen[0], 100);
	cr_assert_eq(seen[1], 100);
	cr_assert_eq(seen[2], 200);
	cr_assert_eq(seen[3], 400);
	cr_assert_eq(queue_count(queue), 800);
	while (queue_pop(queue) != NULL) {
	}
	cr_assert_eq(queue_count(queue), 0);
	queue_free(&queue);
}

Test(queue, a_tenant_keeps_its_order)
{
	struct job jobs[3] = {{.attempts = 0}, {.attempts = 1}, {.attempts = 2}};
	struct queue *queue = queue_new();

	set_up((int[]){1, 1, 1, 1});
	for (int i = 0; i < 3; i++) {
		jobs[i].batch = &batches[0][1];
		queue_push(queue, &jobs[i]);
	}
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(queue_pop(queue), &jobs[i]);
	}
	cr_assert_null(queue_pop(queue));
	queue_free(&queue);
}

Test(queue, urgent_mail_goes_first_and_starves_nobody)
{
	static struct job urgent[200];
	static struct job other[200];
	struct queue *queue = queue_new();
	int others = 0;

	set_up((int[]){1, 1, 1, 1});
	for (int i = 0; i < 200; i++) {
		urgent[i].batch = &batches[0][0];
		other[i].batch = &batches[1][1];
		queue_push(queue, &other[i]);
		queue_push(queue, &urgent[i]);
	}
	for (int i = 0; i < 100; i++) {
		others += tenant_of(queue_pop(queue)) == 1;
	}
	cr_assert_eq(others, 10);
	while (queue_pop(queue) != NULL) {
	}
	queue_free(&queue);
}

static bool pick_odd(void *owner, struct job *job)
{
	int *picked = owner;

	if (job->attempts % 2 == 1) {
		(*picked)++;
		return true;
	}
	return false;
}

Test(queue, picking_takes_some_and_leaves_the_order)
{
	static struct job jobs[10];
	struct queue *queue = queue_new();
	int picked = 0;

	set_up((int[]){1, 1, 1, 1});
	for (int i = 0; i < 10; i++) {
		jobs[i].attempts = i;
		jobs[i].batch = &batches[i % 2][1];
		queue_push(queue, &jobs[i]);
	}
	queue_pick(queue, pick_odd, &picked);
	cr_assert_eq(picked, 5);
	cr_assert_eq(queue_count(queue), 5);
	for (int i = 0; i < 10; i += 2) {
		cr_assert_eq(queue_pop(queue), &jobs[i]);
	}
	queue_free(&queue);
}

#define A .tenant = {{1}}
#define B .tenant = {{2}}

static const struct {
	const char *label;
	unsigned credit, limit;
	struct credit_ask asks[3];
	unsigned granted[3];
} shares[] = {
	{"all that is wanted fits", 1000, 1000,
		{{A, .priority = 5, .weight = 1, .wanted = 10},
			{B, .priority = 5, .weight = 1, .wanted = 20}},
		{10, 20, 0}},
	{"by weight when it does not", 400, 1000,
		{{A, .priority = 5, .weight = 1, .wanted = 900},
			{B, .priority = 5, .weight = 2, .wanted = 900}},
		{100, 200, 0}},
	{"the last tenth is for urgent mail", 100, 1000,
		{{A, .priority = 5, .weight = 1, .wanted = 900},
			{B, .priority = 0, .weight = 1, .wanted = 30}},
		{0, 30, 0}},
	{"who holds much gets little", 300, 1000,
		{{A, .priority = 5, .weight = 1, .held = 200, .wanted = 900},
			{B, .priority = 5, .weight = 1, .wanted = 900}},
		{0, 200, 0}},
	{"what one cannot use goes to the others", 400, 1000,
		{{A, .priority = 5, .weight = 1, .wanted = 10},
			{B, .priority = 5, .weight = 1, .wanted = 900}},
		{10, 290, 0}},
	{"many asks of one tenant share its share", 300, 1000,
		{{A, .priority = 5, .weight = 1, .wanted = 900},
			{A, .priority = 5, .weight = 1, .wanted = 900},
			{B, .priority = 5, .weight = 1, .wanted = 900}},
		{50, 50, 100}},
	{"who asks for little gets it, and the tenant's other asks share the rest", 300, 1000,
		{{A, .priority = 5, .weight = 1, .held = 100, .wanted = 900},
			{A, .priority = 5, .weight = 1, .held = 100, .wanted = 2},
			{A, .priority = 5, .weight = 1, .held = 100, .wanted = 900}},
		{99, 2, 99}},
	{"what a tenant holds counts once, however many asks it has", 300, 1000,
		{{A, .priority = 5, .weight = 1, .held = 100, .wanted = 900},
			{A, .priority = 5, .weight = 1, .held = 100, .wanted = 900},
			{B, .priority = 5, .weight = 1, .held = 100, .wanted = 900}},
		{50, 50, 100}},
	{"no credit, no grant", 0, 1000, {{.priority = 0, .weight = 1, .wanted = 5}}, {0, 0, 0}},
};

Test(queue, credit_is_shared)
{
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		struct credit_ask asks[3];

		memcpy(asks, shares[i].asks, sizeof(asks));
		credit_share(asks, 3, shares[i].credit, shares[i].limit);
		for (int a = 0; a < 3; a++) {
			cr_expect_eq(asks[a].granted, shares[i].granted[a], "%s: ask %d got %u",
				shares[i].label, a, asks[a].granted);
		}
	}
}
