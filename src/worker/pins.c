/*
 * The text form of pins.  It is stored for days and read by later versions, so
 * fields have names, and one that is not known makes the whole line unreadable
 * rather than half understood.
 *
 * The DKIM part comes last and is taken as it is: its form is sign/'s.
 */
#include "pins.h"

void pins_add(struct buf *out, const struct pins *pins)
{
	buf_add_format(out, "t=%u", pins->token_key);
	if (pins->doubt) {
		buf_add_text(out, " u=1");
	}
	if (pins->tracking_domain.n > 0) {
		buf_add_text(out, " h=");
		buf_add(out, pins->tracking_domain);
	}
	if (pins->keys.n > 0) {
		buf_add_byte(out, ' ');
		buf_add(out, pins->keys);
	}
}

static bool read_token_key(struct slice text, uint8_t *ret_key)
{
	uint64_t number = 0;

	if (!slice_number(text, 255, &number)) {
		return false;
	}
	*ret_key = (uint8_t)number;
	return true;
}

bool pins_parse(struct slice text, struct pins *ret_pins)
{
	struct pins pins = {0};
	struct slice rest = text;
	struct slice part;

	while (rest.p != NULL) {
		struct slice whole = rest;

		slice_split(&rest, ' ', &part);
		if (slice_starts(part, SLICE("d="))) {
			pins.keys = whole;
			break;
		}
		if (slice_starts(part, SLICE("h="))) {
			pins.tracking_domain = slice_from(part, 2);
		} else if (slice_equal(part, SLICE("u=1"))) {
			pins.doubt = true;
		} else if (!slice_starts(part, SLICE("t=")) ||
			!read_token_key(slice_from(part, 2), &pins.token_key)) {
			return false;
		}
	}
	*ret_pins = pins;
	return true;
}
