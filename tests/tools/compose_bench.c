/*
 * compose_bench [SECONDS]: what composing one message of about 10 KB costs, and one
 * of its tokens, in microseconds of CPU.  HTML and text with merge variables and a
 * loop, as a newsletter has; a line a figure.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/time.h"
#include "compose/message.h"

static const char head[] =
	"{\"from\":{\"email\":\"news@shop.example\",\"name\":\"{{shop}} News\"},"
	"\"to_name\":\"{{first}} {{last}}\",\"subject\":\"{{first}}, your offers of the week\","
	"\"list_id\":\"news.shop.example\",\"text\":\"Dear {{first}},\\n\\n";

static const char paragraph[] =
	"This week we have put together what you may like: fresh tea, cups of many sizes "
	"and a kettle that whistles.\\n";

static const char row[] =
	"<tr><td style=\\\"padding:8px;font-family:Arial,sans-serif\\\">Dear {{first}}, this week we "
	"have put together what you may like: fresh tea from {{city}}.</td></tr>\\n";

static const struct slice vars = SLICE(
	"{\"shop\":\"Tea & Co\",\"first\":\"J\xc3\xb6rg\",\"last\":\"M\xc3\xbcller\",\"city\":\"Assam\","
	"\"items\":[{\"n\":\"Tea\",\"p\":\"3.10\"},{\"n\":\"Cup\",\"p\":\"7.00\"},{\"n\":\"Pot\",\"p\":"
	"\"19.00\"}]}");

static struct content *make_content(void)
{
	struct content_source source = {0};
	struct content *content;
	struct buf body;
	struct buf faults;

	buf_init(&body, 0);
	buf_init(&faults, 0);
	buf_add_text(&body, head);
	for (int i = 0; i < 12; i++) {
		buf_add_text(&body, paragraph);
	}
	buf_add_text(&body, "{{penguin.unsubscribe_url}}\\n\",\"html\":\"<html><body><table>\\n");
	for (int i = 0; i < 38; i++) {
		buf_add_text(&body, row);
	}
	buf_add_text(&body,
		"{{#items}}<tr><td>{{n}}</td><td>{{p}}</td></tr>\\n{{/items}}</table>"
		"<a href='{{penguin.unsubscribe_url}}'>unsubscribe</a></body></html>\\n\"}");
	source.body = buf_slice(&body);
	content = content_new(&source, &faults);
	if (content == NULL) {
		fprintf(stderr, "%s", buf_string(&faults));
		exit(1);
	}
	buf_clear(&body);
	buf_clear(&faults);
	return content;
}

static void bench_messages(struct composer *composer, uint8_t key, int64_t limit_us)
{
	struct compose_settings settings = {
		.bounce_domain = SLICE("bounce.shop.example"),
		.tracking_domain = SLICE("t.shop.example"),
	};
	struct compose_input input = {
		.settings = &settings,
		.recipient = SLICE("joerg@example.net"),
		.vars = vars,
		.first_us = INT64_C(1764000000000000),
		.variant = COMPOSE_VARIANT_BY_JOB,
		.token_key = key,
	};
	struct content *content = make_content();
	struct message message;
	int64_t start = time_cpu_us();
	int64_t spent = 0;
	unsigned count = 0;

	message_init(&message);
	while (spent < limit_us) {
		input.job.bytes[15] = (uint8_t)count++;
		if (composer_make(composer, content, &input, &message) != FAILURE_NONE) {
			fprintf(stderr, "%s\n", message.fault);
			exit(1);
		}
		spent = time_cpu_us() - start;
	}
	printf("compose_us %.1f size_bytes %zu count %u\n", (double)spent / count, message.bytes.n,
		count);
	message_clear(&message);
	content_unref(&content);
}

static void bench_tokens(struct token_ring *ring, uint8_t key, int64_t limit_us)
{
	struct id id = {{0}};
	char text[TOKEN_TEXT + 1];
	int64_t start = time_cpu_us();
	int64_t spent = 0;
	unsigned count = 0;

	while (spent < limit_us) {
		id.bytes[15] = (uint8_t)count++;
		if (!token_make(ring, key, TOKEN_RETURN_PATH, id, id, text)) {
			exit(1);
		}
		spent = time_cpu_us() - start;
	}
	printf("token_us %.2f count %u\n", (double)spent / count, count);
}

int main(int argc, char **argv)
{
	struct token_ring *ring = token_ring_new();
	struct composer *composer;
	int64_t limit_us = (argc > 1 ? strtol(argv[1], NULL, 10) : 3) * TIME_SECOND_US;

	if (err_is(token_ring_add(ring, 1, SLICE("a secret of the benchmark")))) {
		return 1;
	}
	composer = composer_new(ring, COMPOSER_OUTPUT_MAX);
	bench_messages(composer, 1, limit_us);
	bench_tokens(ring, 1, limit_us / 4);
	composer_free(&composer);
	token_ring_free(&ring);
	return 0;
}
