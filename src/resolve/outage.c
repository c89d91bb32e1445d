/*
 * When more than half of the questions of ten seconds fail, the DNS may be away, or a
 * campaign may be full of broken domains.  One question tells which: for a name that
 * nobody has in a cache, below a domain that was found lately.  Any answer, "no such
 * name" too, means that the DNS works and the domains are to blame.  Until it comes
 * the outage is on, and the question is put again each second.
 *
 * Behind an outage that was one, work comes back slowly: room for 50 jobs at hand at
 * first, twice as many each second.
 */
#include "outage.h"

#include <string.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/time.h"

#include "pulse.h"

enum { NAME_BYTES = 253, RANDOM_BYTES = 6, ROOM_FIRST = 50, DOUBLINGS = 20 };

#define PROBE_US TIME_SECOND_US
#define BLINK_US (2 * TIME_SECOND_US)  /* shorter ones end without a ramp */
#define QUIET_US (10 * TIME_SECOND_US) /* not asked again so soon after a false alarm */

struct outage {
	struct loop *loop;
	struct dns *dns;
	struct pulse pulse;
	uint64_t answered; /* as of the last look */
	uint64_t failed;
	char found[NAME_BYTES + 1]; /* a domain that was found lately; "" = none yet */
	char missed[NAME_BYTES + 1];
	struct timer probe;
	bool asking;
	bool gone;        /* outage_free() was called while a question was out */
	int64_t since_us; /* the outage's beginning; 0 = there is none */
	int64_t back_us;  /* the ramp's beginning */
	int64_t quiet_us; /* no outage begins before */
	void (*on_outage)(void *owner, bool out);
	void *owner;
};

static void keep(char to[NAME_BYTES + 1], struct slice name)
{
	if (name.n <= NAME_BYTES) {
		memcpy(to, name.p, name.n);
		to[name.n] = '\0';
	}
}

void outage_found(struct outage *outage, struct slice domain)
{
	keep(outage->found, domain);
}

void outage_missed(struct outage *outage, struct slice domain)
{
	keep(outage->missed, domain);
}

static void tell(const struct outage *outage, bool out)
{
	if (outage->on_outage != NULL) {
		outage->on_outage(outage->owner, out);
	}
}

static void end(struct outage *outage)
{
	int64_t now_us = loop_now_us(outage->loop);
	bool blink = now_us - outage->since_us < BLINK_US;

	outage->since_us = 0;
	outage->back_us = blink ? 0 : now_us;
	outage->quiet_us = now_us + QUIET_US;
	outage->pulse = (struct pulse){0};
	tell(outage, false);
}

static void on_answer(void *owner, const struct dns_answer *answer)
{
	struct outage *outage = owner;

	outage->asking = false;
	if (outage->gone) {
		mem_free(outage);
	} else if (answer->status != DNS_TEMPORARY) {
		end(outage);
	} else {
		timer_set(&outage->probe, loop_now_us(outage->loop) + PROBE_US);
	}
}

static void on_probe(void *owner)
{
	struct outage *outage = owner;
	char random[RANDOM_BYTES];
	struct buf name;

	buf_init(&name, NAME_BYTES);
	if (outage->found[0] != '\0') {
		id_random_bytes(random, sizeof(random));
		buf_add_byte(&name, 'p');
		codec_hex(&name, slice_make(random, sizeof(random)));
		buf_add_byte(&name, '.');
		buf_add_text(&name, outage->found);
	}
	if (name.n == 0 || name.spoiled) {
		buf_reset(&name);
		buf_add_text(&name, outage->missed);
	}
	outage->asking = true;
	dns_find(outage->dns, buf_slice(&name), DNS_MX, on_answer, outage);
	buf_clear(&name);
}

void outage_look(struct outage *outage)
{
	int64_t now_us = loop_now_us(outage->loop);
	uint64_t answered, failed;

	dns_counts(outage->dns, &answered, &failed);
	pulse_note(&outage->pulse, answered - outage->answered, failed - outage->failed, now_us);
	outage->answered = answered;
	outage->failed = failed;
	if (outage->since_us == 0 && now_us >= outage->quiet_us && !outage->asking &&
		pulse_is_weak(&outage->pulse, now_us)) {
		outage->since_us = now_us;
		timer_set(&outage->probe, now_us);
		tell(outage, true);
	}
}

bool outage_is_on(const struct outage *outage)
{
	return outage->since_us != 0;
}

size_t outage_room(const struct outage *outage, size_t most)
{
	int64_t seconds = (loop_now_us(outage->loop) - outage->back_us) / TIME_SECOND_US;
	size_t room;

	if (outage->since_us != 0) {
		return 0;
	}
	if (outage->back_us == 0 || seconds >= DOUBLINGS) {
		return most;
	}
	room = (size_t)ROOM_FIRST << seconds;
	return room < most ? room : most;
}

void outage_watch(struct outage *outage, void (*on_outage)(void *owner, bool out), void *owner)
{
	outage->on_outage = on_outage;
	outage->owner = owner;
}

struct outage *outage_new(struct loop *loop, struct dns *dns)
{
	struct outage *outage = MEM_NEW(struct outage);

	outage->loop = loop;
	outage->dns = dns;
	timer_init(&outage->probe, loop, on_probe, outage);
	return outage;
}

void outage_free(struct outage **outage)
{
	struct outage *gone = *outage;

	if (gone == NULL) {
		return;
	}
	*outage = NULL;
	timer_stop(&gone->probe);
	if (gone->asking) {
		gone->gone = true;
	} else {
		mem_free(gone);
	}
}
