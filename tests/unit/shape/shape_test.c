/* Which source serves a site, and whether it may talk now. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "no_leaks.h"
#include "shape/lane.h"
#include "shape/place.h"
#include "shape/shape.h"

TestSuite(shape, .fini = no_leaks);

#define SECOND INT64_C(1000000)

static struct pool *pool_of(struct shape *shape, int count, const unsigned *weights)
{
	struct pool *pool = shape_pool(shape, slice_of("pool"));

	for (int i = 0; i < count; i++) {
		char name[16];

		snprintf(name, sizeof(name), "s%d", i);
		pool_add(pool, shape_source(shape, slice_of(name), NULL),
			weights != NULL ? weights[i] : 1);
	}
	return pool;
}

Test(shape, weights_hold_over_time_at_a_provider)
{
	struct shape *shape = shape_new();
	struct pool *pool = pool_of(shape, 3, (unsigned[]){1, 2, 5});
	struct provider *gmail = shape_provider(shape, slice_of("gmail"));
	int seen[3] = {0};

	for (int i = 0; i < 800; i++) {
		struct source *source =
			pool_choose(pool, gmail, slice_of("site"), slice_of(""), NULL);

		seen[source_name(source).p[1] - '0']++;
	}
	cr_assert_eq(seen[0], 100);
	cr_assert_eq(seen[1], 200);
	cr_assert_eq(seen[2], 500);
	shape_free(&shape);
}

Test(shape, a_small_site_sees_two_sources_and_always_the_same)
{
	struct shape *shape = shape_new();
	struct pool *pool = pool_of(shape, 20, NULL);
	int sites_of[20] = {0};

	shape_limit_others(shape, &(struct shape_limits){.sources_per_site = 2});
	for (int site = 0; site < 500; site++) {
		char name[16];
		bool seen[20] = {false};
		int count = 0;

		snprintf(name, sizeof(name), "site%d", site);
		for (int i = 0; i < 10; i++) {
			struct slice source = source_name(
				pool_choose(pool, NULL, slice_of(name), slice_of(""), NULL));

			seen[strtol(source.p + 1, NULL, 10)] = true;
		}
		for (int i = 0; i < 20; i++) {
			count += seen[i];
			sites_of[i] += seen[i];
		}
		cr_assert_eq(count, 2);
	}
	for (int i = 0; i < 20; i++) {
		cr_expect(sites_of[i] > 20 && sites_of[i] < 90, "source %d serves %d", i,
			sites_of[i]);
	}
	shape_free(&shape);
}

Test(shape, a_retry_goes_back_over_its_source_unless_it_is_held)
{
	struct shape *shape = shape_new();
	struct pool *pool = pool_of(shape, 5, NULL);
	struct source *third = shape_find_source(shape, slice_of("s3"));

	for (int i = 0; i < 20; i++) {
		cr_assert_eq(pool_choose(pool, NULL, slice_of("x"), slice_of("s3"), NULL), third);
	}
	source_hold(third, "held by an operator");
	cr_assert_neq(pool_choose(pool, NULL, slice_of("x"), slice_of("s3"), NULL), third);
	for (int i = 0; i < 5; i++) {
		char name[4];

		snprintf(name, sizeof(name), "s%d", i);
		source_hold(shape_find_source(shape, slice_of(name)), "all");
	}
	cr_assert_null(pool_choose(pool, NULL, slice_of("x"), slice_of(""), NULL));
	shape_free(&shape);
}

static bool is_odd(const void *context, const struct source *source)
{
	(void)context;
	return (source_name(source).p[1] - '0') % 2 == 1;
}

Test(shape, a_source_that_may_not_is_as_one_out_of_use)
{
	const struct pool_filter odd = {is_odd, NULL};
	struct shape *shape = shape_new();
	struct pool *pool = pool_of(shape, 5, NULL);
	struct provider *gmail = shape_provider(shape, slice_of("gmail"));

	shape_limit_others(shape, &(struct shape_limits){.sources_per_site = 1});
	for (int i = 0; i < 50; i++) {
		char site[16];

		snprintf(site, sizeof(site), "site%d", i);
		cr_assert(
			is_odd(NULL, pool_choose(pool, NULL, slice_of(site), slice_of(""), &odd)));
		cr_assert(is_odd(
			NULL, pool_choose(pool, NULL, slice_of(site), slice_of("s2"), &odd)));
		cr_assert(
			is_odd(NULL, pool_choose(pool, gmail, slice_of(site), slice_of(""), &odd)));
	}
	source_hold(shape_find_source(shape, slice_of("s1")), "held");
	cr_assert_not_null(pool_choose(pool, NULL, slice_of("x"), slice_of(""), &odd));
	source_hold(shape_find_source(shape, slice_of("s3")), "held");
	cr_assert_null(pool_choose(pool, NULL, slice_of("x"), slice_of(""), &odd));
	cr_assert(pool_is_open(pool), "the even ones");
	shape_free(&shape);
}

Test(shape, connections_are_counted_for_the_site_and_for_the_provider)
{
	struct shape *shape = shape_new();
	struct source *source = shape_source(shape, slice_of("s"), NULL);
	struct provider *provider = shape_provider(shape, slice_of("p"));
	struct lane_answer answer;
	struct lane *a;
	struct lane *b;

	provider_limit(
		provider, &(struct shape_limits){.connections = 3, .connections_per_site = 2});
	a = shape_lane(shape, source, provider, slice_of("a"));
	b = shape_lane(shape, source, provider, slice_of("b"));
	cr_assert_eq(shape_lane(shape, source, provider, slice_of("a")), a);
	lane_connecting(a, 0);
	lane_connecting(a, 0);
	lane_ask(a, LANE_CONNECT, 0, &answer);
	cr_assert_eq(answer.limit, LIMIT_SITE_CONNECTIONS);
	cr_assert_eq(answer.wait_us, LANE_WAIT_EVENT);
	lane_ask(b, LANE_CONNECT, 0, &answer);
	cr_assert_eq(answer.wait_us, 0);
	lane_connecting(b, 0);
	lane_ask(b, LANE_CONNECT, 0, &answer);
	cr_assert_eq(answer.limit, LIMIT_PROVIDER_CONNECTIONS);
	cr_assert_eq(answer.level, 3);
	cr_assert_eq(answer.usage, 3);
	lane_disconnected(a);
	lane_ask(b, LANE_CONNECT, 0, &answer);
	cr_assert_eq(answer.wait_us, 0);
	shape_free(&shape);
}

static void remember(void *owner, struct lane *lane);

/* Two sources with two connections each, and three in all; who waited is woken when one ends. */
Test(shape, sender_MS4_all_sources_together_have_a_cap_at_a_provider)
{
	struct shape *shape = shape_new();
	struct provider *provider = shape_provider(shape, slice_of("p"));
	struct lane *lanes[2];
	struct lane_answer answer;
	struct lane *woken = NULL;

	provider_limit(provider, &(struct shape_limits){.connections = 2, .connections_total = 3});
	shape_on_room(shape, remember, &woken);
	lanes[0] = shape_lane(
		shape, shape_source(shape, slice_of("s0"), NULL), provider, slice_of("a"));
	lanes[1] = shape_lane(
		shape, shape_source(shape, slice_of("s1"), NULL), provider, slice_of("b"));
	lane_connecting(lanes[0], 0);
	lane_connecting(lanes[0], 0);
	lane_ask(lanes[1], LANE_CONNECT, 0, &answer);
	cr_assert_eq(answer.wait_us, 0);
	lane_connecting(lanes[1], 0);
	lane_ask(lanes[1], LANE_CONNECT, 0, &answer);
	cr_assert_eq(answer.wait_us, LANE_WAIT_EVENT);
	cr_assert_eq(answer.limit, LIMIT_PROVIDER_TOTAL);
	cr_assert_eq(answer.level, 3);
	lane_wait_for_room(lanes[1], answer.limit);
	lane_disconnected(lanes[0]);
	cr_assert_eq(woken, lanes[1], "another source's connection made the room");
	lane_ask(lanes[1], LANE_CONNECT, 0, &answer);
	cr_assert_eq(answer.wait_us, 0);
	/* A provider that is not asked for a total has none. */
	provider_limit(provider, &(struct shape_limits){.connections = 2});
	lane_connecting(lanes[1], 0);
	lane_connecting(lanes[0], 0);
	lane_ask(lanes[0], LANE_CONNECT, 0, &answer);
	cr_assert_eq(answer.limit, LIMIT_PROVIDER_CONNECTIONS);
	shape_free(&shape);
}

static void remember(void *owner, struct lane *lane)
{
	*(struct lane **)owner = lane;
}

Test(shape, room_wakes_who_waited_first)
{
	struct shape *shape = shape_new();
	struct source *source = shape_source(shape, slice_of("s"), NULL);
	struct provider *provider = shape_provider(shape, slice_of("p"));
	struct lane *woken = NULL;
	struct lane *lanes[3];

	provider_limit(provider, &(struct shape_limits){.connections = 1});
	shape_on_room(shape, remember, &woken);
	for (int i = 0; i < 3; i++) {
		lanes[i] = shape_lane(
			shape, source, provider, slice_of((const char *[]){"a", "b", "c"}[i]));
	}
	lane_connecting(lanes[0], 0);
	lane_wait_for_room(lanes[1], LIMIT_PROVIDER_CONNECTIONS);
	lane_wait_for_room(lanes[2], LIMIT_PROVIDER_CONNECTIONS);
	lane_disconnected(lanes[0]);
	cr_assert_eq(woken, lanes[1]);
	lane_connecting(lanes[1], 0);
	lane_disconnected(lanes[1]);
	cr_assert_eq(woken, lanes[2]);
	shape_free(&shape);
}

Test(shape, messages_are_never_more_than_rate_times_time_and_burst)
{
	struct shape *shape = shape_new();
	struct source *source = shape_source(shape, slice_of("s"), NULL);
	struct provider *provider = shape_provider(shape, slice_of("p"));
	struct lane *lanes[2];
	int sent = 0;

	provider_limit(provider,
		&(struct shape_limits){
			.messages = 600, .messages_period_us = 60 * SECOND, .messages_burst = 5});
	lanes[0] = shape_lane(shape, source, provider, slice_of("a"));
	lanes[1] = shape_lane(shape, source, provider, slice_of("b"));
	for (int64_t now = 0; now < 30 * SECOND; now += SECOND / 250) {
		struct lane_answer answer;
		struct lane *lane = lanes[now / 7 % 2];

		lane_ask(lane, LANE_SEND, now, &answer);
		if (answer.wait_us == 0) {
			lane_sending(lane, now);
			sent++;
		} else {
			cr_assert_eq(answer.limit, LIMIT_PROVIDER_RATE);
		}
		cr_assert(sent <= now * 10 / SECOND + 5);
	}
	cr_assert(sent >= 299, "sent %d", sent);
	shape_free(&shape);
}

static const struct {
	const char *label;
	int64_t fail_at_s;
	int64_t asked_at_s;
	int64_t wait_s;
} backoff[] = {
	{"ten seconds at first", 0, 0, 10},
	{"then nothing to wait for", -1, 10, 0},
	{"twenty after the second", 10, 10, 20},
	{"a failure while away is the same failure", 15, 15, 15},
	{"forty after the third", 30, 30, 40},
	{"at most what was said", 70, 70, 60},
};

Test(shape, failures_in_a_row_double_the_absence)
{
	struct shape *shape = shape_new();
	struct source *source = shape_source(shape, slice_of("s"), NULL);
	struct lane *lane = shape_lane(shape, source, NULL, slice_of("a"));
	struct lane_answer answer;

	for (size_t i = 0; i < sizeof(backoff) / sizeof(backoff[0]); i++) {
		if (backoff[i].fail_at_s >= 0) {
			lane_failed(lane, backoff[i].fail_at_s * SECOND, 60 * SECOND, 0,
				slice_of("no answer"));
		}
		lane_ask(lane, LANE_CONNECT, backoff[i].asked_at_s * SECOND, &answer);
		cr_expect_eq(answer.wait_us, backoff[i].wait_s * SECOND, "%s: %lld",
			backoff[i].label, (long long)answer.wait_us);
	}
	cr_assert_eq(answer.limit, LIMIT_SUSPENDED);
	cr_assert(slice_equal(answer.text, slice_of("no answer")));
	lane_worked(lane);
	lane_failed(lane, 200 * SECOND, 60 * SECOND, 0, slice_of("x"));
	lane_ask(lane, LANE_CONNECT, 200 * SECOND, &answer);
	cr_assert_eq(answer.wait_us, 10 * SECOND);
	shape_free(&shape);
}

Test(shape, permits_are_what_the_sources_may_send_soon)
{
	struct shape *shape = shape_new();
	struct pool *pool = pool_of(shape, 3, NULL);
	struct provider *provider = shape_provider(shape, slice_of("p"));

	cr_assert_eq(pool_permits(pool, provider, 0, 60 * SECOND, 500), 500);
	provider_limit(provider,
		&(struct shape_limits){
			.messages = 60, .messages_period_us = 60 * SECOND, .messages_burst = 1});
	cr_assert_eq(pool_permits(pool, provider, 0, 60 * SECOND, 500), 183);
	source_hold(shape_find_source(shape, slice_of("s0")), "held");
	cr_assert_eq(pool_permits(pool, provider, 0, 60 * SECOND, 500), 122);
	cr_assert_eq(pool_permits(pool, NULL, 0, 60 * SECOND, 500), 500);
	shape_free(&shape);
}

Test(shape, a_source_has_limits_of_its_own_over_all_destinations)
{
	struct shape *shape = shape_new();
	struct source *source = shape_source(shape, slice_of("s"), NULL);
	struct lane *a = shape_lane(shape, source, NULL, slice_of("a"));
	struct lane *b = shape_lane(shape, source, NULL, slice_of("b"));
	struct lane *woken = NULL;
	struct lane_answer answer;

	shape_on_room(shape, remember, &woken);
	source_limit(source,
		&(struct shape_limits){
			.connections = 1, .messages = 1, .messages_period_us = 10 * SECOND});
	lane_connecting(a, 0);
	lane_ask(b, LANE_CONNECT, 0, &answer);
	cr_assert_eq(answer.limit, LIMIT_SOURCE_CONNECTIONS);
	lane_wait_for_room(b, answer.limit);
	lane_sending(a, 0);
	lane_ask(b, LANE_SEND, SECOND, &answer);
	cr_assert_eq(answer.limit, LIMIT_SOURCE_RATE);
	cr_assert_eq(answer.wait_us, 9 * SECOND);
	lane_disconnected(a);
	cr_assert_eq(woken, b);
	shape_free(&shape);
}

static enum lane_limit asked(struct lane *lane)
{
	struct lane_answer answer;

	lane_ask(lane, LANE_CONNECT, 0, &answer);
	return answer.limit;
}

Test(shape, sites_that_have_not_answered_leave_a_quarter_of_a_source_to_the_others)
{
	struct shape *shape = shape_new();
	struct source *source = shape_source(shape, slice_of("s"), NULL);
	struct lane *mute = shape_lane(shape, source, NULL, slice_of("mute"));
	struct lane *fresh = shape_lane(shape, source, NULL, slice_of("fresh"));
	struct lane *good = shape_lane(shape, source, NULL, slice_of("good"));
	struct lane *woken = NULL;

	shape_on_room(shape, remember, &woken);
	source_limit(source, &(struct shape_limits){.connections = 4});
	lane_connecting(good, 0);
	lane_connecting(mute, 0);
	lane_connecting(mute, 0);
	cr_assert_eq(asked(fresh), LIMIT_SOURCE_STRANGERS);
	lane_wait_for_room(fresh, LIMIT_SOURCE_STRANGERS);
	lane_worked(good);
	cr_assert_eq(woken, fresh, "who proves itself makes room for the next");
	cr_assert_eq(asked(fresh), LIMIT_NONE);
	lane_connecting(fresh, 0);
	cr_assert_eq(asked(good), LIMIT_SOURCE_CONNECTIONS);
	lane_disconnected(good);
	cr_assert_eq(asked(good), LIMIT_NONE);
	cr_assert_eq(asked(fresh), LIMIT_SOURCE_STRANGERS);
	shape_free(&shape);
}

Test(shape, room_that_a_stranger_may_not_use_goes_to_the_next_in_line)
{
	struct shape *shape = shape_new();
	struct source *source = shape_source(shape, slice_of("s"), NULL);
	struct lane *mute = shape_lane(shape, source, NULL, slice_of("mute"));
	struct lane *fresh = shape_lane(shape, source, NULL, slice_of("fresh"));
	struct lane *good = shape_lane(shape, source, NULL, slice_of("good"));
	struct lane *woken = NULL;

	shape_on_room(shape, remember, &woken);
	source_limit(source, &(struct shape_limits){.connections = 4});
	lane_worked(good);
	lane_connecting(good, 0);
	for (int i = 0; i < 3; i++) {
		lane_connecting(mute, 0);
	}
	lane_wait_for_room(fresh, asked(fresh));
	lane_wait_for_room(good, asked(good));
	lane_disconnected(good);
	cr_assert_eq(woken, good);
	lane_disconnected(mute);
	cr_assert_eq(woken, fresh);
	lane_worked(mute);
	lane_failed(mute, 0, SECOND, 0, slice_of("x"));
	lane_connecting(fresh, 0);
	cr_assert_eq(asked(fresh), LIMIT_SOURCE_STRANGERS, "who failed is a stranger again");
	shape_free(&shape);
}

static struct place_answer place_at(const struct shape *shape, const char *site, int64_t now_us)
{
	struct place_answer answer;

	shape_ask_place(shape, slice_of(site), now_us, 20 * SECOND, &answer);
	return answer;
}

Test(shape, a_site_that_takes_no_mail_holds_a_probe_and_grows_when_it_is_back)
{
	struct shape *shape = shape_new();
	struct source *source = shape_source(shape, slice_of("s"), NULL);
	struct lane *lane = shape_lane(shape, source, NULL, slice_of("a"));
	unsigned messages = 0;

	cr_assert_eq(place_at(shape, "nobody", 0).standing, STANDING_NEW);
	cr_assert_eq(place_at(shape, "a", 0).standing, STANDING_NEW);
	lane_connecting(lane, SECOND);
	cr_assert_eq(place_at(shape, "a", 21 * SECOND).room, UINT32_MAX);
	cr_assert_eq(place_at(shape, "a", 22 * SECOND).standing, STANDING_SILENT);
	cr_assert_eq(place_at(shape, "a", 22 * SECOND).room, PLACE_PROBE);
	cr_assert_eq(place_at(shape, "a", 22 * SECOND).wait_us, 0, "it is being tried");
	lane_worked(lane);
	cr_assert_eq(place_at(shape, "a", 22 * SECOND).standing, STANDING_WELL);
	cr_assert_eq(place_at(shape, "a", 22 * SECOND).room, UINT32_MAX, "it never failed");
	lane_disconnected(lane);
	lane_failed(lane, 22 * SECOND, 60 * SECOND, 0, slice_of("no answer"));
	cr_assert_eq(place_at(shape, "a", 24 * SECOND).wait_us, 8 * SECOND);
	cr_assert_eq(place_at(shape, "a", 40 * SECOND).standing, STANDING_SILENT);
	cr_assert_eq(place_at(shape, "a", 40 * SECOND).room, PLACE_PROBE);
	while (place_at(shape, "a", 40 * SECOND).room != UINT32_MAX) {
		unsigned before = place_at(shape, "a", 40 * SECOND).room;

		lane_worked(lane);
		cr_assert_gt(place_at(shape, "a", 40 * SECOND).room, before);
		messages++;
	}
	cr_assert(messages > 100 && messages < 300, "%u", messages);
	shape_free(&shape);
}

Test(shape, one_lane_that_works_is_enough_for_a_site)
{
	struct shape *shape = shape_new();
	struct lane *blocked =
		shape_lane(shape, shape_source(shape, slice_of("s"), NULL), NULL, slice_of("a"));
	struct lane *good =
		shape_lane(shape, shape_source(shape, slice_of("t"), NULL), NULL, slice_of("a"));

	lane_worked(good);
	lane_failed(blocked, 0, 60 * SECOND, 0, slice_of("blocked"));
	cr_assert_eq(place_at(shape, "a", SECOND).standing, STANDING_WELL);
	cr_assert_eq(place_at(shape, "a", SECOND).room, UINT32_MAX);
	shape_drop_lane(shape, &good);
	cr_assert_eq(place_at(shape, "a", SECOND).standing, STANDING_SILENT);
	shape_free(&shape);
}

Test(shape, sites_of_a_provider_are_silent_together)
{
	struct shape *shape = shape_new();
	struct source *source = shape_source(shape, slice_of("s"), NULL);
	struct provider *provider = shape_provider(shape, slice_of("p"));
	struct lane *a = shape_lane(shape, source, provider, slice_of("a"));
	struct lane *b;

	lane_connecting(a, SECOND);
	lane_failed(a, 3 * SECOND, SECOND, 0, slice_of("no answer"));
	lane_disconnected(a);
	cr_assert(!provider_is_silent(provider, 21 * SECOND, 20 * SECOND));
	cr_assert(provider_is_silent(provider, 22 * SECOND, 20 * SECOND));
	b = shape_lane(shape, source, provider, slice_of("b"));
	cr_assert_eq(place_at(shape, "b", 22 * SECOND).standing, STANDING_SILENT);
	cr_assert_eq(place_at(shape, "b", 22 * SECOND).provider, provider);
	lane_worked(b);
	cr_assert(!provider_is_silent(provider, 100 * SECOND, 0));
	cr_assert_eq(place_at(shape, "b", 22 * SECOND).standing, STANDING_WELL);
	cr_assert_eq(
		place_at(shape, "a", 22 * SECOND).standing, STANDING_SILENT, "it failed itself");
	shape_free(&shape);
}
