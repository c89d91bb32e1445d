/*
 * Encodings and clocks of base/: what was decoded encodes to the same again, and
 * what was made printable is UTF-8.
 */
#include "base/codec.h"

#include "base/id.h"
#include "base/time.h"
#include "fuzz.h"

#define OUT_MAX (1 << 20)

static void round_trip(struct slice text, bool (*decode)(struct buf *, struct slice),
	void (*encode)(struct buf *, struct slice))
{
	struct buf bytes, again;

	buf_init(&bytes, OUT_MAX);
	buf_init(&again, OUT_MAX);
	if (decode(&bytes, text)) {
		encode(&again, buf_slice(&bytes));
		must(slice_equal_nocase(buf_slice(&again), text));
	} else {
		must(bytes.n == 0);
	}
	buf_clear(&bytes);
	buf_clear(&again);
}

static void parse_times(struct slice text)
{
	int64_t us, again;
	struct buf out;
	struct id id;

	buf_init(&out, OUT_MAX);
	if (time_parse_duration(text, &us)) {
		time_add_duration(&out, us);
		must(time_parse_duration(buf_slice(&out), &again) && again == us);
	}
	buf_reset(&out);
	if (time_parse_rfc3339(text, &us)) {
		time_add_rfc3339(&out, us);
		must(time_parse_rfc3339(buf_slice(&out), &again) && again == us);
	}
	buf_reset(&out);
	if (id_parse(text, &id)) {
		id_add(&out, id);
		must(slice_equal_nocase(buf_slice(&out), text));
	}
	buf_clear(&out);
}

/* Any bytes come back, from one line and from many. */
static void through_base64(struct slice bytes, size_t line)
{
	struct buf text, again;

	buf_init(&text, OUT_MAX);
	buf_init(&again, OUT_MAX);
	codec_base64(&text, bytes, line);
	must(line == 0 || bytes.n == 0 || slice_ends(buf_slice(&text), SLICE("\r\n")));
	must(codec_base64_decode(&again, buf_slice(&text)));
	must(slice_equal(buf_slice(&again), bytes));
	must(codec_is_ascii(buf_slice(&text)));
	buf_clear(&text);
	buf_clear(&again);
}

/* The bytes are UTF-8 when each sequence is, and encodes again to itself. */
static void through_utf8(struct slice bytes)
{
	struct slice rest = bytes;
	bool ascii = true;
	struct buf out;

	buf_init(&out, OUT_MAX);
	while (rest.n > 0) {
		size_t length = codec_utf8(rest);

		if (length == 0) {
			break;
		}
		codec_utf8_add(&out, codec_utf8_point(rest, length));
		ascii = ascii && length == 1;
		rest = slice_from(rest, length);
	}
	must(codec_is_utf8(bytes) == (rest.n == 0));
	must(codec_is_ascii(bytes) == (rest.n == 0 && ascii));
	must(slice_equal(buf_slice(&out), slice_first(bytes, bytes.n - rest.n)));
	buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_make((const char *)data, size);
	struct buf out;

	round_trip(text, codec_base32_decode, codec_base32);
	round_trip(text, codec_hex_decode, codec_hex);
	through_base64(text, 0);
	through_base64(text, 76);
	through_utf8(text);
	parse_times(text);
	buf_init(&out, OUT_MAX);
	codec_printable(&out, text, SIZE_MAX);
	must(codec_is_utf8(buf_slice(&out)));
	buf_reset(&out);
	codec_json(&out, text);
	must(out.spoiled || codec_is_utf8(buf_slice(&out)));
	buf_reset(&out);
	codec_json_line(&out, text);
	must(out.spoiled ||
		(codec_is_utf8(buf_slice(&out)) && slice_find(buf_slice(&out), '\n') == out.n - 1));
	buf_reset(&out);
	codec_base64_decode(&out, text);
	buf_clear(&out);
	return 0;
}
