/*
 * How long an answer of the DNS is believed (conformance D15, RFC 2308).  Pure.
 */
#ifndef SRC_RESOLVE_LIFE_H
#define SRC_RESOLVE_LIFE_H

#include "base/time.h"
#include "resolve/resolver.h"

/* An answer that did not come is asked for again soon, but not for every message. */
#define LIFE_TEMPORARY_US (15 * TIME_SECOND_US)

static inline int64_t life_found_us(const struct resolver_settings *settings, uint32_t ttl_s)
{
	int64_t us = (int64_t)ttl_s * TIME_SECOND_US;

	us = us > settings->max_ttl_us ? settings->max_ttl_us : us;
	return us < settings->min_ttl_us ? settings->min_ttl_us : us;
}

/* The cap wins over the floor. */
static inline int64_t life_negative_us(const struct resolver_settings *settings, uint32_t ttl_s)
{
	int64_t us = life_found_us(settings, ttl_s);

	return us > settings->negative_max_ttl_us ? settings->negative_max_ttl_us : us;
}

#endif
