/*
 * The other workers that are live.  All should send by the same settings: those whose hash
 * is another are told, once when it becomes so and once when it ends.  And nobody on another
 * machine may have our node's name: whoever was there first stays.
 */
#include "intake_private.h"

#include "base/log.h"
#include "base/time.h"

enum { SHORT = 8 }; /* digits of a hash for people */

enum { PEER_NODE, PEER_NAME, PEER_MACHINE, PEER_CONFIG, PEER_ELDER, PEER_STARTED };

static bool is_rival(
	const struct intake *intake, const struct pg_answer *answer, size_t statement, size_t row)
{
	struct slice machine = pg_text(answer, statement, row, PEER_MACHINE);

	return machine.n > 0 && intake->settings.machine.n > 0 &&
		!slice_equal(machine, intake->settings.machine) &&
		slice_equal(pg_text(answer, statement, row, PEER_NODE), intake->settings.node) &&
		pg_bool(answer, statement, row, PEER_ELDER);
}

static void tell_rival(
	const struct intake *intake, const struct pg_answer *answer, size_t statement, size_t row)
{
	struct buf since;
	struct buf text;

	buf_init(&since, 0);
	buf_init(&text, 0);
	time_add_rfc3339(&since, pg_number(answer, statement, row, PEER_STARTED));
	buf_add_format(&text,
		"another machine sends as this node since %s: give each machine its own 'node'; if "
		"that one is gone for good, say 'penguinctl node dead ",
		buf_string(&since));
	buf_add(&text, intake->settings.node);
	buf_add_text(&text, "'");
	log_error(NULL, "node_taken", "node=%s machine=%s text=%s",
		log_quote(intake->settings.node),
		log_quote(pg_text(answer, statement, row, PEER_MACHINE)),
		log_quote(buf_slice(&text)));
	buf_clear(&text);
	buf_clear(&since);
}

static bool differs(
	const struct intake *intake, const struct pg_answer *answer, size_t statement, size_t row)
{
	struct slice config = pg_text(answer, statement, row, PEER_CONFIG);

	return config.n > 0 && intake->settings.config.n > 0 &&
		!slice_equal(config, intake->settings.config);
}

/* NODE/NAME=HASH of each that differs, with a blank before. */
static void list_differing(const struct intake *intake, const struct pg_answer *answer,
	size_t statement, struct buf *out)
{
	for (size_t row = 0; row < pg_rows(answer, statement); row++) {
		if (!differs(intake, answer, statement, row)) {
			continue;
		}
		buf_add_byte(out, ' ');
		buf_add(out, pg_text(answer, statement, row, PEER_NODE));
		buf_add_byte(out, '/');
		buf_add(out, pg_text(answer, statement, row, PEER_NAME));
		buf_add_byte(out, '=');
		buf_add(out, slice_first(pg_text(answer, statement, row, PEER_CONFIG), SHORT));
	}
}

/* Once for each state of things. */
static void tell_differing(struct intake *intake, const struct pg_answer *answer, size_t statement)
{
	struct slice ours = slice_first(intake->settings.config, SHORT);
	uint64_t state = 0;
	struct buf text;

	buf_init(&text, 0);
	list_differing(intake, answer, statement, &text);
	if (text.n > 0) {
		buf_add(&text, ours);
		state = map_hash(buf_slice(&text)) | 1;
		buf_cut(&text, text.n - ours.n);
	}
	if (state != intake->lease.differing && state != 0) {
		log_error(NULL, "settings_differ", "ours=%s others=%s text=%s", log_quote(ours),
			log_quote(slice_trim(buf_slice(&text))),
			log_quote(SLICE("nodes send by different settings: 'penguinctl node list' "
					"shows which, 'penguin-mta --dump-config' how")));
	} else if (state != intake->lease.differing) {
		log_info(NULL, "settings_alike", "ours=%s", log_quote(ours));
	}
	intake->lease.differing = state;
	buf_clear(&text);
}

bool peers_look(struct intake *intake, const struct pg_answer *answer, size_t statement)
{
	for (size_t row = 0; row < pg_rows(answer, statement); row++) {
		if (is_rival(intake, answer, statement, row)) {
			tell_rival(intake, answer, statement, row);
			intake_give_up(intake);
			intake->events.on_rival(intake->owner);
			return false;
		}
	}
	tell_differing(intake, answer, statement);
	return true;
}
