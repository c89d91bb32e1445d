/*
 * What is wrong between values that are each right: names that name nothing, times
 * that do not fit together, a resolver that anybody could answer for.
 *
 * Each check is one function of a topic and complains at the place of the value, so
 * the operator sees the line to change.
 */
#include <string.h>

#include "base/nearest.h"
#include "loaded.h"
#include "mail/ehlo.h"

struct check {
	struct loaded *loaded;
	const struct config *config;
	struct config_problems *problems;
};

void loaded_complain(struct loaded *loaded, struct config_problems *problems, const void *at,
	const char *format, ...)
{
	const struct config_setting *setting;
	struct config_place place = {NULL, 0, 0};
	struct buf text;
	va_list args;

	if (problems->count >= CONFIG_PROBLEMS_SHOWN) {
		problems->count++; /* it would not be shown: not worth a search of its place */
		return;
	}
	setting = config_settings_find(&loaded->settings, at);
	if (setting != NULL) {
		place = setting->place;
	}
	if (place.file == NULL) {
		place = config_tree_root(loaded->trees[loaded->tree_count - 1])->place;
		place.line = 0; /* a default is wrong: it stands nowhere in the file */
	}
	buf_init(&text, 0);
	va_start(args, format);
	buf_add_format_list(&text, format, args);
	va_end(args);
	config_problem_add(problems, place, "%s", buf_string(&text));
	buf_clear(&text);
}

#define COMPLAIN(check, at, ...) \
	loaded_complain((check)->loaded, (check)->problems, at, __VA_ARGS__)

/* "unknown source 'x'", and which one was probably meant. */
static void complain_no_source(const struct check *check, const void *at, const char *name)
{
	const struct config_sources *sources = &check->config->sources;
	struct nearest nearest;

	nearest_init(&nearest, slice_of(name));
	for (size_t i = 0; i < sources->count; i++) {
		nearest_offer(&nearest, sources->items[i]->name);
	}
	if (nearest.best != NULL) {
		COMPLAIN(check, at, "there is no source '%s', did you mean '%s'?", name,
			nearest.best);
	} else {
		COMPLAIN(check, at, "there is no source '%s': describe it below 'sources'", name);
	}
}

static void check_postgres(const struct check *check)
{
	struct slice dsn = slice_of(check->config->postgres.dsn);
	size_t scheme = slice_search(dsn, SLICE("://"));
	struct slice behind = slice_from(dsn, scheme + 3);
	struct slice user = slice_first(behind, slice_find(behind, '@'));

	if (slice_search(dsn, SLICE("password")) < dsn.n ||
		(scheme < dsn.n && user.n < behind.n && slice_find(user, ':') < user.n)) {
		COMPLAIN(check, &check->config->postgres.dsn,
			"the dsn has a password: put it into a file and name that in "
			"'password_file'");
	}
}

static void check_dns(const struct check *check)
{
	const struct config_dns *dns = &check->config->dns;

	for (size_t i = 0; i < dns->servers.count && !dns->allow_remote; i++) {
		if (!config_address_is_loopback(&dns->servers.items[i])) {
			COMPLAIN(check, &dns->servers,
				"a resolver off this machine can be answered for by others: run one "
				"here, or set 'allow_remote: true'");
			break;
		}
	}
	if (dns->min_ttl_us > dns->max_ttl_us) {
		COMPLAIN(check, &dns->min_ttl_us, "'min_ttl' is more than 'max_ttl': lower it");
	}
}

/* Does it stand in a file? */
static bool is_given(const struct check *check, const void *at)
{
	const struct config_setting *setting = config_settings_find(&check->loaded->settings, at);

	return setting != NULL && setting->place.file != NULL;
}

static void check_retry(const struct check *check)
{
	const struct config_retry *retry = &check->config->retry;
	const struct config_keys *keys = &check->config->keys;

	if (retry->first_us > retry->max_us) {
		COMPLAIN(check, &retry->first_us, "'first' is more than 'max': lower it");
	}
	if (retry->first_us >= retry->expire_us) {
		COMPLAIN(check, &retry->expire_us,
			"jobs expire before their first retry: raise 'expire' above 'first'");
	}
	if (keys->expire_us > 0 && keys->expire_us < retry->expire_us + CONFIG_SIGNATURE_REST_US) {
		COMPLAIN(check,
			is_given(check, &keys->expire_us) ? &keys->expire_us : &retry->expire_us,
			"signatures would be over before the last attempt is judged: 'keys.expire' "
			"must be a day more than 'retry.expire', or 0");
	}
}

/*
 * A worker that cannot renew must have the answer to its last final dot before the
 * lease is over, or somebody else starts what it may have sent.
 */
static void check_lease(const struct check *check)
{
	const struct config_lease *lease = &check->config->lease;
	const struct config_timeouts *timeouts = &check->config->timeouts;
	int64_t dot_us = config_timeout_us(timeouts, timeouts->final_dot_us);

	if (lease->renew_us > lease->duration_us / 3) {
		COMPLAIN(check, &lease->renew_us,
			"'renew' is more than a third of 'duration': lower it, one lost renewal "
			"must not cost the lease");
	}
	if (lease->duration_us < dot_us + lease->renew_us + lease->autonomy_us) {
		COMPLAIN(check, &lease->duration_us,
			"'duration' is less than final_dot + renew + autonomy: raise it, or two "
			"workers could send the same job");
	}
}

static void check_relay(const struct check *check, const struct config_source *source)
{
	const struct config_relay *relay = &source->relay;

	if ((relay->username == NULL) != (relay->password_file == NULL)) {
		COMPLAIN(check, source,
			"'username' and 'password_file' of a relay come together: give both or "
			"none");
	}
	if (relay->username != NULL && relay->tls < CONFIG_TLS_REQUIRED) {
		COMPLAIN(check, &relay->tls,
			"a password goes over TLS only: write 'required' or 'verified'");
	}
	if (relay->host.host == NULL && relay->username != NULL) {
		COMPLAIN(check, source, "the relay has a username and no 'host': add it");
	}
}

static void check_address(const struct check *check, struct map *seen,
	const struct config_source *source, const struct config_address *address)
{
	struct slice bytes = {(const char *)address, sizeof(*address)};
	const struct config_source *other =
		address->version != 0 ? map_put(seen, bytes, (void *)source) : NULL;

	if (other != NULL) {
		COMPLAIN(check, address,
			"source '%s' has this address already: limits and warm-up are kept by "
			"source, so an address belongs to one",
			other->name);
	}
}

/* By hash: there may be thousands of sources. */
static void check_addresses(const struct check *check)
{
	const struct config_sources *sources = &check->config->sources;
	struct map *seen = map_new();

	for (size_t i = 0; i < sources->count; i++) {
		const struct config_source *source = sources->items[i];

		check_address(check, seen, source, &source->ipv4);
		check_address(check, seen, source, &source->ipv6);
	}
	map_free(&seen);
}

/* A short `hostname` may be all that a machine has: then EHLO says the address. */
static void check_ehlo(const struct check *check, const struct config_source *source)
{
	if (strcmp(source->ehlo, check->config->hostname) != 0 &&
		!ehlo_is_name(slice_of(source->ehlo))) {
		COMPLAIN(check, &source->ehlo,
			"'%s' is no full name: EHLO needs one of two labels or more, such as "
			"mx1.example.com",
			source->ehlo);
	}
}

static void check_sources(const struct check *check)
{
	const struct config_sources *sources = &check->config->sources;

	for (size_t i = 0; i < sources->count; i++) {
		const struct config_source *source = sources->items[i];

		if (source->ipv4.version == 0 && source->ipv6.version == 0 &&
			source->relay.host.host == NULL) {
			COMPLAIN(check, source,
				"source '%s' has no address: give it 'ipv4', 'ipv6' or a relay with "
				"a host",
				source->name);
		}
		check_ehlo(check, source);
		check_relay(check, source);
	}
	check_addresses(check);
}

static void check_pool(const struct check *check, const struct config_pool *pool)
{
	const struct config_members *members = &pool->sources;

	if (members->count == 0) {
		COMPLAIN(check, pool, "pool '%s' is empty: name its sources", pool->name);
	}
	for (size_t i = 0; i < members->count; i++) {
		if (members->items[i]->source == NULL) {
			complain_no_source(check, members->items[i], members->items[i]->name);
		}
	}
}

static void check_pools(const struct check *check)
{
	const struct config_pools *pools = &check->config->pools;

	for (size_t i = 0; i < pools->count; i++) {
		check_pool(check, pools->items[i]);
	}
}

static void check_routes(const struct check *check)
{
	const struct config_routes *routes = &check->config->routes;

	for (size_t i = 0; i < routes->count; i++) {
		const struct config_route *route = routes->items[i];
		const char *star = strrchr(route->name, '*');

		if ((route->host.host == NULL) == (route->relay == NULL)) {
			COMPLAIN(check, route, "a route has either 'host' or 'relay': give one");
		}
		if (route->relay != NULL && route->source == NULL) {
			complain_no_source(check, &route->relay, route->relay);
		} else if (route->relay != NULL && route->source->relay.host.host == NULL) {
			COMPLAIN(check, &route->relay,
				"source '%s' has no relay: give it one, or use 'host' here",
				route->relay);
		}
		if (star != NULL && (star != route->name || (star[1] != '\0' && star[1] != '.'))) {
			COMPLAIN(check, route,
				"'%s' is no pattern: write example.com, *.example.com or *",
				route->name);
		}
	}
}

static void check_pace(const struct check *check, const struct config_pace *pace)
{
	if (pace->suspend_us > pace->suspend_max_us) {
		COMPLAIN(
			check, &pace->suspend_us, "'suspend' is more than 'suspend_max': lower it");
	}
}

static void check_providers(const struct check *check)
{
	const struct config_providers *providers = &check->config->providers;

	for (size_t i = 0; i < providers->count; i++) {
		const struct config_provider *provider = providers->items[i];

		if (provider->mx.count == 0 && provider->domains.count == 0) {
			COMPLAIN(check, provider,
				"provider '%s' matches nothing: give it 'mx' or "
				"'domains'",
				provider->name);
		}
		if (strcmp(provider->name, "other") == 0) {
			COMPLAIN(check, provider,
				"'other' means every site without a provider: set 'default_site', "
				"or take another name");
		}
		check_pace(check, &provider->pace);
	}
	check_pace(check, &check->config->default_site);
}

static void check_tokens(const struct check *check)
{
	const struct config_tokens *tokens = &check->config->tokens;
	bool found = tokens->sign_with == NULL;

	for (size_t i = 0; i < tokens->keys.count; i++) {
		const struct config_token_key *key = tokens->keys.items[i];

		if (key->id == 0) {
			COMPLAIN(check, key, "'%s' is no key id: write a number from 1 to 255",
				key->name);
		}
		found = found || strcmp(key->name, tokens->sign_with) == 0;
	}
	if (!found) {
		COMPLAIN(check, &tokens->sign_with,
			"there is no key '%s': describe it below 'tokens.keys'", tokens->sign_with);
	}
}

void loaded_check(struct loaded *loaded, struct config_problems *problems)
{
	struct check check = {loaded, &loaded->config, problems};

	check_postgres(&check);
	check_dns(&check);
	check_retry(&check);
	check_lease(&check);
	check_sources(&check);
	check_pools(&check);
	check_routes(&check);
	check_providers(&check);
	check_tokens(&check);
}
