/*
 * Encodings and clocks of base/: what was decoded encodes to the same again, and
 * what was made printable is UTF-8.
 */
#include "base/codec.h"

#include <stdlib.h>

#include "base/id.h"
#include "base/time.h"

#define OUT_MAX (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds) {
		abort();
	}
}

static void round_trip(struct slice text, bool (*decode)(struct buf *, struct slice),
	void (*encode)(struct buf *, struct slice))
{
	struct buf bytes, again;

	buf_init(&bytes, OUT_MAX);
	buf_init(&again, OUT_MAX);
	if (decode(&bytes, text)) {
		encode(&again, buf_slice(&bytes));
		check(slice_equal_nocase(buf_slice(&again), text));
	} else {
		check(bytes.n == 0);
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
		check(time_parse_duration(buf_slice(&out), &again) && again == us);
	}
	buf_reset(&out);
	if (time_parse_rfc3339(text, &us)) {
		time_add_rfc3339(&out, us);
		check(time_parse_rfc3339(buf_slice(&out), &again) && again == us);
	}
	buf_reset(&out);
	if (id_parse(text, &id)) {
		id_add(&out, id);
		check(slice_equal_nocase(buf_slice(&out), text));
	}
	buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_make((const char *)data, size);
	struct buf out;

	round_trip(text, codec_base32_decode, codec_base32);
	round_trip(text, codec_hex_decode, codec_hex);
	parse_times(text);
	buf_init(&out, OUT_MAX);
	codec_printable(&out, text, SIZE_MAX);
	check(codec_is_utf8(buf_slice(&out)));
	buf_reset(&out);
	codec_json(&out, text);
	check(out.spoiled || codec_is_utf8(buf_slice(&out)));
	buf_reset(&out);
	codec_json_line(&out, text);
	check(out.spoiled ||
		(codec_is_utf8(buf_slice(&out)) && slice_find(buf_slice(&out), '\n') == out.n - 1));
	buf_reset(&out);
	codec_base64_decode(&out, text);
	buf_clear(&out);
	return 0;
}
