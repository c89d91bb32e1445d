/*
 * Would large receivers take this mail (conformance 2.1-2.5)?  Asked before a campaign
 * starts, of what the DNS says and of a message as it would go out.
 *
 * preflight_evaluate() is pure: it looks at answers and asks for more by looking.
 * preflight_start() asks the DNS until it has heard enough.
 */
#ifndef PREFLIGHT_PREFLIGHT_H
#define PREFLIGHT_PREFLIGHT_H

#include "io/dns.h"
#include "preflight/answers.h"
#include "preflight/report.h"

/* An address that mail comes from; a source with both families is two of them. */
struct preflight_source {
	struct slice name;
	union endpoint address;
	struct slice ehlo;
};

struct preflight_key {
	struct slice domain; /* d= */
	struct slice name;   /* of its record */
	struct slice remedy; /* the record to publish, in zone-file form */
	unsigned bits;
	bool ed25519;
	const void *key; /* for `published` */
};

/* A setting of the tenant that is wrong. */
struct preflight_setting {
	const char *key;
	struct slice value;
	const char *fault; /* the end of a sentence */
};

/* A job that waits and cannot be composed. */
struct preflight_job {
	struct slice id;
	struct slice fault;
};

enum preflight_fault {
	PREFLIGHT_FAULT_CONTENT,
	PREFLIGHT_FAULT_HEADER_SIZE,
	PREFLIGHT_FAULT_NO_VALUES, /* it may only be that no job waits, whose values it needs */
};

/* A message of the campaign, as it would go out, and what jobs that wait say of it. */
struct preflight_content {
	bool marketing;
	struct slice fault; /* why there is none; empty = there is one */
	enum preflight_fault kind;
	struct slice headers;   /* fields that end with CRLF each */
	size_t signature_bytes; /* what signing adds to them */
	size_t job_count;       /* that were looked at */
	const struct preflight_job *failed;
	size_t failed_count;
};

/* Domains are lower-case A-labels.  What is not there (count 0, NULL, empty) is not checked. */
struct preflight_subject {
	struct slice tenant; /* its id, for remedies */
	struct slice from_domain;
	struct slice bounce_domain;
	struct slice tracking_domain;
	struct slice hostname; /* of this machine */
	struct slice pool;
	const struct preflight_setting *settings; /* that are wrong; their domains are empty */
	size_t setting_count;
	const struct preflight_source *sources;
	size_t source_count;
	size_t relay_count; /* sources of the pool whose relay sends from addresses of its own */
	struct slice pool_fault; /* why the pool has neither, and in pool_remedy the YAML */
	struct slice pool_remedy;
	const struct preflight_key *keys;
	size_t key_count;
	struct slice key_fault; /* why there are none */
	/* NULL when the record holds the key, else what is wrong, as the end of a sentence. */
	const char *(*published)(const void *key, const struct dns_answer *answer);
	const struct preflight_content *content;
};

/*
 * The addresses that a source sends from: none where it has a relay, IPv6 only where
 * somebody switched it on, or it has nothing else.  Returns how many; texts are the
 * configuration's.
 */
struct config;
struct config_source;
size_t preflight_sources(const struct config *config, const struct config_source *source,
	struct preflight_source ret_sources[2]);

/* Complete once nothing is open in `answers`; until then only its questions count. */
void preflight_evaluate(
	const struct preflight_subject *subject, struct answers *answers, struct report *report);

/* Only of the sources: ptr, fcrdns, ptr_generic, ehlo_matches. */
void preflight_evaluate_sources(
	const struct preflight_subject *subject, struct answers *answers, struct report *report);

struct preflight;

typedef void (*preflight_evaluator)(
	const struct preflight_subject *subject, struct answers *answers, struct report *report);

/*
 * The subject is borrowed until on_done, which gets the report to keep (and free) and
 * how long the DNS lets it be believed.  The preflight is gone after that call.
 */
struct preflight *preflight_start(struct loop *loop, struct dns *dns,
	const struct preflight_subject *subject, preflight_evaluator evaluate,
	void (*on_done)(void *owner, struct report *take, uint32_t ttl_s), void *owner);

/* on_done will not come, and the subject is free; sets NULL. */
void preflight_cancel(struct preflight **preflight);

#endif
