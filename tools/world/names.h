/*
 * What the world's DNS knows, and how it answers: records by name or pattern, and
 * the ways a name server can fail.  Packets in, packets out; no socket and no clock
 * (only the files of dkim_dir are read here).
 */
#ifndef WORLD_NAMES_H
#define WORLD_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "fields.h"
#include "tally.h"
#include "wire.h"

/* In the order of the words of `fault:` in the configuration. */
enum name_fault {
	NAME_FAULT_NONE,
	NAME_FAULT_SERVFAIL,
	NAME_FAULT_REFUSED,
	NAME_FAULT_NXDOMAIN,
	NAME_FAULT_FORMERR,
	NAME_FAULT_NOTIMP,
	NAME_FAULT_TIMEOUT,    /* no answer */
	NAME_FAULT_TRUNCATE,   /* TC over UDP, the whole answer over TCP */
	NAME_FAULT_WRONG_ID,   /* an answer to another question */
	NAME_FAULT_SHORT_DATA, /* RDATA of one octet */
	NAME_FAULT_LONG_DATA,  /* RDLENGTH beyond the end of the packet */
	NAME_FAULT_NAME_LOOP,  /* two compression pointers to each other */
	NAME_FAULT_NAME_SELF,  /* a compression pointer to itself */
};

/* One entry of `domains:`.  Texts may be templates over the pattern's captures. */
struct name_entry {
	struct slice domain; /* a pattern */
	struct texts mx;     /* "10 mx1.test", or "mx1.test"; "0 ." is the null MX */
	struct texts a;
	struct texts aaaa;
	struct texts txt;
	struct texts ptr;
	struct slice cname;
	bool soa; /* the name is a zone's: it has an SOA */
	uint64_t ttl;
	uint64_t negative_ttl;
	int64_t delay_us;
	unsigned fault;       /* enum name_fault */
	uint32_t fault_types; /* bits in the order of `types:`; 0 = all */
	uint64_t fault_first; /* only so many questions for each name and type; 0 = all */
	struct tally *asked;
	struct name_entry *same; /* the next entry for the same plain name */
};

struct names;

struct names_settings {
	struct name_entry *entries;
	size_t count;
	struct slice dkim_dir; /* files NAME or NAME.txt with the text of a TXT record; "" = none */
	uint64_t negative_ttl;
	unsigned unknown; /* names without an entry: 0 = NXDOMAIN, 1 = REFUSED */
};

/* Borrows the entries for its life. */
struct names *names_new(const struct names_settings *settings);
void names_free(struct names **names);

struct names_answer {
	bool silent;
	int64_t delay_us;
	enum wire_rcode rcode;
};

/*
 * Appends the packet that answers the question (nothing when silent).  over_tcp
 * tells how it came.  now_us serves the counting of faults.
 */
struct names_answer names_answer(struct names *names, const struct wire_question *question,
	bool over_tcp, int64_t now_us, struct buf *out);

#endif
