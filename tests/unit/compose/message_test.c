/* compose/content and compose/message: faults of content, and what a message says. */
#include "compose/message.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/err.h"
#include "base/mem.h"
#include "mail/header.h"
#include "mail/verp.h"
#include "no_leaks.h"

static struct token_ring *ring;
static struct composer *composer;
static struct message message;
static struct compose_settings settings;
static struct compose_input input;

static void setup(void)
{
	ring = token_ring_new();
	cr_assert(!err_is(token_ring_add(ring, 7, SLICE("0123456789abcdef"))));
	composer = composer_new(ring, COMPOSER_OUTPUT_MAX);
	message_init(&message);
	settings = (struct compose_settings){
		.bounce_domain = SLICE("bounce.example.org"),
		.tracking_domain = SLICE("t.example.org"),
	};
	input = (struct compose_input){
		.settings = &settings,
		.recipient = SLICE("Ann@Example.NET"),
		.first_us = INT64_C(1764000000000000),
		.variant = COMPOSE_VARIANT_BY_JOB,
		.token_key = 7,
	};
	cr_assert(id_parse(SLICE("0192f3a0-0000-7000-8000-00000000000a"), &input.tenant));
	cr_assert(id_parse(SLICE("0192f3a0-0000-7000-8000-00000000000b"), &input.campaign));
	cr_assert(id_parse(SLICE("0192f3a0-1234-7abc-8def-0123456789ab"), &input.job));
}

static void teardown(void)
{
	message_clear(&message);
	composer_free(&composer);
	token_ring_free(&ring);
}

TestSuite(message, .init = setup, .fini = no_leaks);

#define FROM "\"from\":{\"email\":\"news@shop.example\",\"name\":\"Shop\"},"
#define BASE FROM "\"subject\":\"Hi {{n}}\",\"text\":\"Dear {{n}}\\n\""

static struct content *compile(struct slice body, bool raw, struct buf *faults)
{
	struct content_source source = {.body = body, .raw = raw};

	return content_new(&source, faults);
}

/* Composes; the message, NUL-ended, or its fault. */
static const char *make(struct slice body, bool raw)
{
	struct content *content;
	enum failure failure;
	struct buf faults;

	buf_init(&faults, 0);
	content = compile(body, raw, &faults);
	cr_assert_not_null(content, "%s", buf_string(&faults));
	failure = composer_make(composer, content, &input, &message);
	cr_expect((failure == FAILURE_NONE) == (message.bytes.n > 0));
	content_unref(&content);
	buf_clear(&faults);
	return failure == FAILURE_NONE ? buf_string(&message.bytes) : message.fault;
}

static const char *make_json(const char *body)
{
	return make(slice_of(body), false);
}

static bool says(const char *text, const char *part)
{
	return strstr(text, part) != NULL;
}

Test(message, gen_G11_plain_text)
{
	struct token token;

	input.vars = SLICE("{\"n\":\"Ann\"}");
	cr_expect_str_eq(make_json("{" BASE ",\"kind\":\"transactional\"}"),
		"From: Shop <news@shop.example>\r\n"
		"To: Ann@example.net\r\n"
		"Subject: Hi Ann\r\n"
		"Date: Mon, 24 Nov 2025 16:00:00 +0000\r\n"
		"Message-ID: <0192f3a0-1234-7abc-8def-0123456789ab@shop.example>\r\n"
		"Auto-Submitted: auto-generated\r\n"
		"MIME-Version: 1.0\r\n"
		"Content-Type: text/plain; charset=utf-8\r\n"
		"Content-Transfer-Encoding: quoted-printable\r\n"
		"\r\n"
		"Dear Ann\r\n");
	cr_expect(slice_equal(message_body(&message), SLICE("Dear Ann\r\n")));
	cr_expect(slice_ends(message_headers(&message), SLICE("quoted-printable\r\n")));
	cr_expect(!message.utf8);
	cr_expect(verp_parse(&message.mail_from, &token));
	cr_expect(token.purpose == TOKEN_RETURN_PATH);
	cr_expect(token_verify(ring, &token, input.tenant));
	cr_expect(id_equal(token.job, input.job));
	teardown();
}

Test(message, gen_G8_unsubscribe)
{
	const char *text = make_json("{" BASE "}");

	cr_expect(says(text, "List-Unsubscribe: <https://t.example.org/u/"));
	cr_expect(says(text, "@bounce.example.org?subject=unsubscribe>\r\n"));
	cr_expect(says(text, "\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"));
	cr_expect(slice_find(slice_of(strstr(text, "\r\nList-Unsubscribe: ") + 2), '\n') >
			slice_search(slice_of(strstr(text, "\r\nList-Unsubscribe: ") + 2),
				SLICE("?subject=unsubscribe>")),
		"on one line");
	cr_expect(!says(text, "Auto-Submitted"));
	settings.tracking_domain = SLICE("");
	text = make_json("{" BASE "}");
	cr_expect(says(text, "List-Unsubscribe: <mailto:"));
	cr_expect(!says(text, "https:"));
	cr_expect(!says(text, "List-Unsubscribe-Post"), "one click needs https");
	text = make_json("{" FROM "\"subject\":\"x\",\"text\":\"{{penguin.unsubscribe_url}}\"}");
	cr_expect(says(strstr(text, "\r\n\r\n"), "mailto:"));
	text = make_json("{" BASE ",\"unsubscribe\":{\"url\":\"https://app.example/u?{{id}}\"}}");
	cr_expect(says(text, "List-Unsubscribe: <https://app.example/u?>,"));
	input.vars = SLICE("{\"url\":\"http://app.example/\"}");
	text = make_json("{" BASE ",\"unsubscribe\":{\"url\":\"{{{url}}}\"}}");
	cr_expect_str_eq(text, "unsubscribe.url: it must be one https address");
	teardown();
}

/* The app's own link may hold what is provided, and is the same in header and text. */
Test(message, gen_G8_the_apps_own_link)
{
	static const struct {
		const char *url;
		const char *made;
	} rows[] = {
		{"{{penguin.job}}", "0192f3a0-1234-7abc-8def-0123456789ab"},
		{"{{penguin.campaign}}", "0192f3a0-0000-7000-8000-00000000000b"},
		{"{{penguin.email}}", "Ann@example.net"},
		{"{{n}}/{{penguin.job}}", "5/0192f3a0-1234-7abc-8def-0123456789ab"},
		{"x{{penguin.unsubscribe_url}}", "x"},
	};

	input.vars = SLICE("{\"n\":5}");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf body;
		struct buf link;
		const char *text;

		buf_init(&body, 0);
		buf_init(&link, 0);
		buf_add_format(&body,
			"{" FROM "\"subject\":\"x\",\"text\":\"{{penguin.unsubscribe_url}}\","
			"\"unsubscribe\":{\"url\":\"https://a.example/%s\"}}",
			rows[i].url);
		text = make_json(buf_string(&body));
		buf_add_format(&link,
			"\r\nList-Unsubscribe: <https://a.example/%s>, <mailto:", rows[i].made);
		cr_expect(says(text, buf_string(&link)), "%s", text);
		buf_reset(&link);
		buf_add_format(&link, "https://a.example/%s\r\n", rows[i].made);
		cr_expect(slice_equal(message_body(&message), buf_slice(&link)), "%s", text);
		buf_clear(&body);
		buf_clear(&link);
	}
	teardown();
}

Test(message, gen_G10_list_and_feedback)
{
	const char *text;

	settings.feedback_sender = SLICE("penguins");
	text = make_json(
		"{" BASE ",\"list_id\":{\"id\":\"n.shop.example\",\"name\":\"The News\"}}");
	cr_expect(says(text, "\r\nList-ID: The News <n.shop.example>\r\n"));
	cr_expect(says(text,
		"\r\nFeedback-ID: 0192f3a0-0000-7000-8000-00000000000b:"
		"0192f3a0-0000-7000-8000-00000000000a:marketing:penguins\r\n"));
	settings.feedback_sender = SLICE("a:bcdef");
	cr_expect(says(make_json("{" BASE "}"), "sender id 'a:bcdef' must have 5 to 15"));
	settings.feedback_sender = SLICE("abcd");
	cr_expect(says(make_json("{" BASE "}"), "sender id 'abcd' must have 5 to 15"));
	teardown();
}

Test(message, smtp_R4_gen_G3_same_bytes_each_time)
{
	struct buf first;

	input.vars = SLICE("{\"n\":\"J\xc3\xb6rg\"}");
	buf_init(&first, 0);
	buf_add_text(&first, make_json("{" BASE ",\"html\":\"<b>{{n}}</b>\"}"));
	input.first_us += 999999; /* the same second */
	composer_free(&composer);
	composer = composer_new(ring, COMPOSER_OUTPUT_MAX);
	cr_expect_str_eq(make_json("{" BASE ",\"html\":\"<b>{{n}}</b>\"}"), buf_string(&first));
	input.job.bytes[15] ^= 1;
	cr_expect_str_neq(make_json("{" BASE ",\"html\":\"<b>{{n}}</b>\"}"), buf_string(&first));
	buf_clear(&first);
	teardown();
}

Test(message, no_value_adds_a_header)
{
	static const struct {
		const char *vars;
		bool fails;
	} rows[] = {
		{"{\"n\":\"x\\r\\nBcc: all@example.org\"}", true},
		{"{\"n\":\"x\\nBcc: all@example.org\"}", true},
		{"{\"n\":\"x\\rBcc: all@example.org\"}", true},
		{"{\"n\":\"x\\u0000y\"}", true},
		{"{\"n\":\"x\\n\"}", false},
		{"{\"n\":\"x\\u2028Bcc: all@example.org\"}", false},
		{"{\"n\":\"x\\u0085Bcc: all@example.org\"}", false},
		{"{\"n\":\"=?utf-8?q?=0D=0ABcc:_all?=\"}", false},
	};
	static const char *const places[] = {
		"\"from\":{\"email\":\"a@b.example\",\"name\":\"{{n}}\"},\"subject\":\"s\"",
		FROM "\"subject\":\"{{n}}\"",
		FROM "\"subject\":\"s\",\"to_name\":\"{{n}}\"",
		FROM
		"\"subject\":\"s\",\"reply_to\":{\"email\":\"a@b.example\",\"name\":\"{{n}}\"}",
		FROM "\"subject\":\"s\",\"headers\":{\"X-A\":\"{{n}}\"}",
	};

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		for (size_t j = 0; j < ARRAY_LEN(rows); j++) {
			struct buf body;
			const char *text;

			buf_init(&body, 0);
			buf_add_format(&body, "{%s,\"text\":\"t\"}", places[i]);
			input.vars = slice_of(rows[j].vars);
			text = make_json(buf_string(&body));
			cr_expect(!says(text, "\nBcc") && !says(text, "\rBcc"));
			cr_expect(rows[j].fails == !says(text, "Message-ID:"), "%s with %s: %s",
				places[i], rows[j].vars, text);
			buf_clear(&body);
		}
	}
	teardown();
}

Test(message, recipients)
{
	cr_expect(says(make_json("{" BASE "}"), "To: Ann@example.net\r\n"));
	input.recipient = SLICE("\xce\xb4@b\xc3\xbc"
				"cher.example");
	cr_expect(says(make_json("{" BASE "}"), "To: \xce\xb4@xn--bcher-kva.example\r\n"));
	cr_expect(message.utf8);
	input.recipient = SLICE("a@[192.0.2.1]");
	cr_expect(says(make_json("{" BASE "}"), "recipient: address literals"));
	input.recipient = SLICE("a@b\r\nRCPT TO:<x@y>");
	cr_expect_str_eq(make_json("{" BASE "}"), "recipient: the address has a control character");
	teardown();
}

Test(message, bad_inputs)
{
	input.vars = SLICE("{\"n\":}");
	cr_expect(says(make_json("{" BASE "}"), "merge variables: not JSON at octet 5"));
	input.vars = SLICE("[]");
	cr_expect(says(make_json("{" BASE "}"), "they must be a JSON object"));
	input.vars = SLICE("{}");
	input.token_key = 8;
	cr_expect_str_eq(make_json("{" BASE "}"), "token key 8 is not configured");
	input.token_key = 7;
	settings.bounce_domain = SLICE("");
	cr_expect(says(make_json("{" BASE "}"), "bounce domain"));
	settings.bounce_domain = SLICE("b.example");
	settings.tracking_domain = SLICE("x/y");
	cr_expect(says(make_json("{" BASE "}"), "tracking domain 'x/y'"));
	settings.tracking_domain = SLICE("");
	input.variant = 1;
	cr_expect_str_eq(make_json("{" BASE "}"), "variant 1: the content has 1");
	teardown();
}

Test(message, too_large)
{
	struct slice body = SLICE(
		"{" FROM "\"subject\":\"s\",\"text\":\"{{#l}}{{#l}}0123456789{{/l}}{{/l}}\"}");
	struct content *content;
	struct buf faults;

	buf_init(&faults, 0);
	composer_free(&composer);
	composer = composer_new(ring, 1000);
	content = compile(body, false, &faults);
	input.vars = SLICE("{\"l\":[1,2,3,4,5,6,7,8,9,10]}");
	cr_expect(composer_make(composer, content, &input, &message) == FAILURE_NONE);
	content_unref(&content);
	content =
		compile(SLICE("{" FROM
			      "\"subject\":\"{{#l}}{{#l}}0123456789{{/l}}{{/l}}X\",\"text\":\"\"}"),
			false, &faults);
	cr_expect(composer_make(composer, content, &input, &message) == FAILURE_TOO_LARGE);
	content_unref(&content);
	buf_clear(&faults);
	teardown();
}

Test(message, variants)
{
	struct slice body = SLICE("{" BASE ",\"variants\":["
				  "{\"name\":\"a\",\"weight\":3,\"subject\":\"first\"},"
				  "{\"name\":\"b\",\"subject\":\"second\"},"
				  "{\"name\":\"never\",\"weight\":0}]}");
	unsigned counts[3] = {0};
	struct content *content;
	struct buf faults;

	buf_init(&faults, 0);
	content = compile(body, false, &faults);
	cr_assert_not_null(content, "%s", buf_string(&faults));
	cr_expect(content_variants(content) == 3);
	cr_expect(slice_equal(content_variant_name(content, 1), SLICE("b")));
	for (unsigned i = 0; i < 4000; i++) {
		size_t drawn;

		input.job.bytes[14] = (uint8_t)(i >> 8);
		input.job.bytes[15] = (uint8_t)i;
		cr_assert(composer_make(composer, content, &input, &message) == FAILURE_NONE);
		drawn = message.variant;
		counts[drawn]++;
		cr_assert(says(buf_string(&message.bytes),
			drawn == 0 ? "Subject: first" : "Subject: second"));
	}
	cr_expect(counts[0] > 2850 && counts[0] < 3150, "%u of 4000 with 3 of 4", counts[0]);
	cr_expect(counts[2] == 0);
	input.variant = 2;
	cr_assert(composer_make(composer, content, &input, &message) == FAILURE_NONE);
	cr_expect(says(buf_string(&message.bytes), "Subject: Hi"));
	content_unref(&content);
	buf_clear(&faults);
	teardown();
}

static const struct {
	const char *label;
	const char *body;
	const char *faults;
} bad_contents[] = {
	{"not JSON", "{\"from\"", "content:1:8: not JSON: ':' is expected\n"},
	{"not JSON on a later line", "{\n  \"from\": \"a@b.example\"\n  \"text\": \"x\"}",
		"content:3:3: not JSON: ',' or the closing bracket is expected\n"},
	{"not an object", "[]", "content: it must be a JSON object\n"},
	{"all that is missing", "{}",
		"from: it is missing: {\"email\": \"news@example.org\"}\nsubject: it is missing\n"
		"content: it has neither 'text' nor 'html'\n"},
	{"unknown key", "{" BASE ",\"txt\":\"\"}",
		"content: unknown key 'txt': see penguin-content(7)\n"},
	{"template", "{" FROM "\"subject\":\"s\",\"html\":\"a\\n {{#x}}\"}",
		"html:2:2: section 'x' is not closed: add {{/x}}\n"},
	{"two faults", "{" FROM "\"subject\":\"{{\",\"text\":\"{{/x}}\"}",
		"subject:1:1: the tag is not closed: add '}}'\n"
		"text:1:1: 'x' closes no section: remove it, or open {{#x}} before\n"},
	{"line end in a header", "{" FROM "\"subject\":\"a\\nb\",\"text\":\"\"}",
		"subject: a header is one line: remove line ends and control characters\n"},
	{"reserved header", "{" BASE ",\"headers\":{\"fRoM\":\"x@y.z\"}}",
		"headers.fRoM: it may not be set here: use 'from'\n"},
	{"reserved header with a blank", "{" BASE ",\"headers\":{\"fRoM \":\"x@y.z\"}}",
		"headers.fRoM : not a header name: letters, digits and hyphens\n"},
	{"content header", "{" BASE ",\"headers\":{\"content-type\":\"x\"}}",
		"headers.content-type: it may not be set here: penguin-mta sets it\n"},
	{"header twice", "{" BASE ",\"headers\":{\"X-A\":\"1\",\"x-a\":\"2\"}}",
		"headers.x-a: it is there twice\n"},
	{"header name", "{" BASE ",\"headers\":{\"X A\":\"1\"}}",
		"headers.X A: not a header name: letters, digits and hyphens\n"},
	{"from list", "{\"from\":\"a@b.c, d@e.f\",\"subject\":\"s\",\"text\":\"\"}",
		"from: 'a@b.c, d@e.f': the domain is not a valid host name\n"},
	{"kind", "{" BASE ",\"kind\":\"x\"}",
		"kind: it must be \"marketing\" (the default) or \"transactional\"\n"},
	{"list id", "{" BASE ",\"list_id\":\"a>b\"}",
		"list_id: it must be an id like news.example.org, or an object with such an 'id' and a "
		"'name'\n"},
	{"attachment", "{" BASE ",\"attachments\":[{\"name\":\"x\",\"data\":\"*\"}]}",
		"attachments[0]: 'data' must be base64 and not empty\n"},
	{"attachment name",
		"{" BASE ",\"attachments\":[{\"name\":\"x\\r\\ny\",\"data\":\"eA==\"}]}",
		"attachments[0]: 'name' has control characters or is too long\n"},
	{"variant domains",
		"{" BASE ",\"variants\":[{\"name\":\"a\"},{\"name\":\"b\",\"from\":\"a@b.c\"}]}",
		"variants: all must have the same domain in 'from'\n"},
	{"variant fault", "{" BASE ",\"variants\":[{\"name\":\"a\",\"subject\":\"{{\"}]}",
		"variants[0].subject:1:1: the tag is not closed: add '}}'\n"},
	{"variant without a name", "{" BASE ",\"variants\":[{}]}",
		"variants[0]: it needs a 'name' of at most 64 octets\n"},
	{"weights", "{" BASE ",\"variants\":[{\"name\":\"a\",\"weight\":0}]}",
		"variants: at least one must have a 'weight' above 0\n"},
	{"partial", "{" FROM "\"subject\":\"s\",\"text\":\"{{>f}}\"}",
		"text:1:1: there is no content 'f' for this partial: add that first\n"},
	{"unsubscribe", "{" BASE ",\"unsubscribe\":\"x\"}",
		"unsubscribe: it must be an object with a 'url'\n"},
	{"unsubscribe without a url", "{" BASE ",\"unsubscribe\":{\"url\":null}}",
		"unsubscribe: it must be an object with a 'url'\n"},
	{"unsubscribe in clear", "{" BASE ",\"unsubscribe\":{\"url\":\"http://a.example/\"}}",
		"unsubscribe.url: it must be one https address\n"},
	{"unsubscribe misspelt",
		"{" BASE ",\"unsubscribe\":{\"url\":\"https://a.example\",\"utl\":\"\"}}",
		"unsubscribe: unknown key 'utl': see penguin-content(7)\n"},
	{"null for all that must be there",
		"{\"from\":null,\"subject\":null,\"text\":null,\"html\":null}",
		"from: it is missing: {\"email\": \"news@example.org\"}\nsubject: it is missing\n"
		"content: it has neither 'text' nor 'html'\n"},
	{"null text", "{" FROM "\"subject\":\"x\",\"text\":null}",
		"content: it has neither 'text' nor 'html'\n"},
	{"a variant without a text",
		"{" BASE ",\"variants\":[{\"name\":\"a\"},"
		"{\"name\":\"b\",\"text\":null,\"html\":null}]}",
		"variants[1]: it has neither 'text' nor 'html'\n"},
	{"a variant without a subject and a sender",
		"{" BASE ",\"variants\":[{\"name\":\"a\",\"subject\":null,\"from\":null}]}",
		"variants[0].from: it is missing: {\"email\": \"news@example.org\"}\n"
		"variants[0].subject: it is missing\n"},
	{"kinds of values",
		"{\"from\":3,\"subject\":4,\"text\":[],\"html\":{},\"to_name\":true,"
		"\"reply_to\":false,\"headers\":\"x\"}",
		"from: it must be an address, or an object with 'email' and 'name'\n"
		"reply_to: it must be an address, or an object with 'email' and 'name'\n"
		"to_name: it must be a text\nsubject: it must be a text\n"
		"text: it must be a text\nhtml: it must be a text\n"
		"headers: it must be an object of at most 30 texts\n"},
	{"kinds of values in a variant",
		"{" BASE ",\"variants\":[{\"name\":\"a\",\"html\":5,\"headers\":[]}]}",
		"variants[0].html: it must be a text\n"
		"variants[0].headers: it must be an object of at most 30 texts\n"},
	{"kinds of values of an attachment",
		"{" BASE
		",\"attachments\":[{\"name\":1,\"type\":2,\"data\":\"eA==\",\"cid\":3},null,"
		"{\"name\":\"x\",\"data\":\"eA==\",\"cidd\":\"y\"}]}",
		"attachments[0]: 'name' must be a text\nattachments[0]: 'type' must be a text\n"
		"attachments[0]: 'cid' must be a text\nattachments[1]: it must be an object\n"
		"attachments[2]: unknown key 'cidd': see penguin-content(7)\n"},
	{"kinds of values of names",
		"{\"from\":{\"email\":\"a@b.example\",\"name\":1},\"subject\":\"s\",\"text\":\"\","
		"\"list_id\":{\"id\":\"a.b\",\"name\":2}}",
		"list_id: 'name' must be a text\nfrom: it must be a text\n"},
	{"a misspelt part of an address",
		"{\"from\":{\"email\":\"a@b.example\",\"nmae\":\"A\"},\"subject\":\"s\",\"text\":\"\"}",
		"from: unknown key 'nmae': see penguin-content(7)\n"},
};

Test(message, gen_G1_gen_G2_threat_C15_threat_C16_faults_of_content)
{
	for (size_t i = 0; i < ARRAY_LEN(bad_contents); i++) {
		struct buf faults;

		buf_init(&faults, 0);
		cr_expect_null(compile(slice_of(bad_contents[i].body), false, &faults), "%s",
			bad_contents[i].label);
		cr_expect_str_eq(
			buf_string(&faults), bad_contents[i].faults, "%s", bad_contents[i].label);
		buf_clear(&faults);
	}
	teardown();
}

/* A null is as good as no such key, so the message is the same; in a variant it takes away. */
Test(message, nulls)
{
	static const char *const keys[] = {"reply_to", "to_name", "html", "headers", "list_id",
		"attachments", "variants", "kind", "unsubscribe"};
	struct buf plain;
	const char *text;

	buf_init(&plain, 0);
	buf_add_text(&plain, make_json("{" BASE "}"));
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct buf body;

		buf_init(&body, 0);
		buf_add_format(&body, "{" BASE ",\"%s\":null}", keys[i]);
		cr_expect_str_eq(make_json(buf_string(&body)), buf_string(&plain), "%s", keys[i]);
		buf_clear(&body);
	}
	cr_expect_str_eq(make_json("{" BASE ",\"headers\":{\"X-A\":null}}"), buf_string(&plain));
	cr_expect_str_eq(
		make_json(
			"{" BASE ",\"reply_to\":\"a@b.example\",\"html\":\"<b>\",\"headers\":"
			"{\"X-A\":\"1\"},\"to_name\":\"x\",\"variants\":[{\"name\":\"v\",\"weight\":"
			"null,\"reply_to\":null,\"html\":null,\"headers\":null,\"to_name\":null}]}"),
		buf_string(&plain));
	text = make_json("{" BASE ",\"attachments\":[{\"name\":\"x\",\"type\":null,\"cid\":null,"
			 "\"data\":\"eA==\"}],\"list_id\":{\"id\":\"a.b\",\"name\":null}}");
	cr_expect(says(text, "List-ID: <a.b>\r\n"), "%s", text);
	cr_expect(says(text, "Content-Type: application/octet-stream;\r\n name=\"x\"\r\n"), "%s",
		text);
	input.vars = SLICE("{\"n\":null}");
	cr_expect_str_eq(make_json("{" BASE "}"), buf_string(&plain));
	input.vars = SLICE("null");
	cr_expect_str_eq(make_json("{" BASE "}"), "merge variables: they must be a JSON object");
	buf_clear(&plain);
	teardown();
}

static bool find_partial(void *owner, struct slice name, struct slice *ret_body)
{
	size_t *asked = owner;

	(*asked)++;
	*ret_body = SLICE("{\"text\":\"-- {{n}}\\n\",\"html\":\"<i>{{n}}</i>\"}");
	return slice_equal(name, SLICE("footer"));
}

Test(message, partials)
{
	size_t asked = 0;
	struct content_source source = {
		.body = SLICE(
			"{" FROM
			"\"subject\":\"s\",\"text\":\"{{>footer}}\",\"html\":\"{{>footer}}\"}"),
		.on_partial = find_partial,
		.owner = &asked,
	};
	struct content *content;
	struct buf faults;

	buf_init(&faults, 0);
	content = content_new(&source, &faults);
	cr_assert_not_null(content, "%s", buf_string(&faults));
	input.vars = SLICE("{\"n\":\"A&B\"}");
	cr_assert(composer_make(composer, content, &input, &message) == FAILURE_NONE);
	cr_expect(says(buf_string(&message.bytes), "-- A&B\r\n"));
	cr_expect(says(buf_string(&message.bytes), "<i>A&amp;B</i>"));
	content_unref(&content);
	source.body = SLICE("{" FROM "\"subject\":\"{{>one}}\",\"text\":\"{{>two}}\"}");
	asked = 0;
	cr_expect_null(content_new(&source, &faults));
	cr_expect(asked == 2, "all that are missing are asked for at once");
	buf_clear(&faults);
	teardown();
}

Test(message, counted)
{
	struct buf faults;
	struct content *content;
	struct content *second;
	struct content *none = NULL;

	buf_init(&faults, 0);
	content = compile(SLICE("{" BASE "}"), false, &faults);
	second = content_ref(content);
	content_unref(&content);
	cr_expect_null(content);
	cr_expect_str_eq(content_from_domain(second), "shop.example");
	cr_expect(content_bytes(second) > 1000);
	content_unref(&second);
	content_unref(&none);
	buf_clear(&faults);
	teardown();
}

#define OUR_TO "To: Ann@example.net\r\n"
#define OUR_IDENTITY \
	"Date: Mon, 24 Nov 2025 16:00:00 +0000\r\n" \
	"Message-ID: <0192f3a0-1234-7abc-8def-0123456789ab@shop.example>\r\n"
#define OUR_FIELDS OUR_TO OUR_IDENTITY

Test(message, raw)
{
	const char *text = make(SLICE("From: A <a@shop.example>\nBcc: x@y.z\nReturn-Path: <x@y.z>\n"
				      "Subject: a\n b\n\n.dot\nbare\rcr\n\r\nend"),
		true);

	cr_expect(slice_starts(slice_of(text),
		SLICE("From: A <a@shop.example>\r\nSubject: a\r\n b\r\n"
		      "To: Ann@example.net\r\nDate: Mon, 24 Nov 2025")));
	cr_expect(says(text, "\r\n\r\n.dot\r\nbare\r\ncr\r\n\r\nend\r\n"));
	cr_expect(says(text, "\r\nList-Unsubscribe: <https://"));
	cr_expect(says(text, "@shop.example>\r\n"));
	cr_expect(!says(text, "Bcc") && !says(text, "Return-Path"));
	text = make(
		SLICE("From: a@shop.example\r\nList-Unsubscribe: <mailto:x@y.z>\r\nList-ID: <x.y>\r\n"
		      "Feedback-ID: a\r\nIn-Reply-To: <1@x>\r\n\r\nx"),
		true);
	cr_expect_str_eq(text,
		"From: a@shop.example\r\nList-Unsubscribe: <mailto:x@y.z>\r\nList-ID: <x.y>\r\n"
		"Feedback-ID: a\r\nIn-Reply-To: <1@x>\r\n" OUR_FIELDS "\r\nx\r\n");
	text = make(SLICE("From: a@shop.example\nAuto-Submitted: auto-generated\n\nx\n"), true);
	cr_expect(!says(text, "List-Unsubscribe"), "no campaign mail");
	cr_expect(!says(strstr(text, "Auto-Submitted") + 1, "Auto-Submitted"));
	text = make(SLICE("From: a@shop.example\nContent-Type: text/plain; charset=utf-8\n"
			  "Content-Transfer-Encoding: 8bit\n\nJ\xc3\xb6rg\n"),
		true);
	cr_expect(
		says(text, "Content-Transfer-Encoding: quoted-printable\r\nMIME-Version: 1.0\r\n"));
	cr_expect(says(text, "\r\n\r\nJ=C3=B6rg\r\n"));
	cr_expect(!says(text, "8bit"));
	teardown();
}

static const struct {
	const char *label;
	struct slice body;
	const char *fault; /* that it begins with */
} bad_raws[] = {
	{"empty", SLICE(""), "From: it is missing\n"},
	{"no From", SLICE("Subject: x\n\nx"), "From: it is missing\n"},
	{"two From", SLICE("From: a@b.c\nfrom: d@e.f\n\nx"), "from: it is there twice\n"},
	{"two Subject", SLICE("From: a@b.c\nSubject: x\nsubject: y\n\nx"),
		"subject: it is there twice\n"},
	{"From list", SLICE("From: a@b.c, d@e.f\n\nx"), "From: it must be one address"},
	{"8-bit header", SLICE("From: a@b.c\nSubject: \xc3\xb6\n\nx"),
		"Subject: it is too long, or has"},
	{"nul header", SLICE("From: a@b.c\nSubject: \0\n\nx"), "Subject: it is too long, or has"},
	{"no field", SLICE("From: a@b.c\nhello\n\nx"), "header: line 'hello' is no header field\n"},
	{"8-bit multipart",
		SLICE("From: a@b.c\nContent-Type: multipart/mixed; boundary=x\n\n\xc3\xb6"),
		"body: the body has 8-bit characters: encode its parts"},
	{"8-bit without a type", SLICE("From: a@b.c\n\n\xc3\xb6"),
		"body: the body has 8-bit characters"},
	{"nul body", SLICE("From: a@b.c\nContent-Type: text/plain\n\n\0"),
		"body: the body has NUL octets"},
};

Test(message, gen_G1_gen_G2_gen_G18_faults_of_raw)
{
	for (size_t i = 0; i < ARRAY_LEN(bad_raws); i++) {
		struct buf faults;

		buf_init(&faults, 0);
		cr_expect_null(compile(bad_raws[i].body, true, &faults), "%s", bad_raws[i].label);
		cr_expect(slice_starts(buf_slice(&faults), slice_of(bad_raws[i].fault)), "%s: %s",
			bad_raws[i].label, buf_string(&faults));
		buf_clear(&faults);
	}
	teardown();
}

Test(message, threat_C16_parts)
{
	const char *text = make_json(
		"{" FROM "\"subject\":\"s\",\"text\":\"t\",\"html\":\"<img src='cid:l'>\","
		"\"attachments\":[{\"name\":\"l.png\",\"type\":\"image/png\",\"data\":\"eA==\","
		"\"cid\":\"l\"},{\"name\":\"a\\\"; X: y\",\"data\":\"eQ==\"}]}");
	size_t mixed = slice_search(slice_of(text), SLICE("multipart/mixed"));
	size_t alternative = slice_search(slice_of(text), SLICE("multipart/alternative"));
	size_t related = slice_search(slice_of(text), SLICE("multipart/related"));

	cr_expect(mixed < alternative && alternative < related && related < message.bytes.n);
	cr_expect(says(text, "Content-ID: <l>\r\n"));
	cr_expect(says(text, "filename=\"a\\\"; X: y\"\r\n"));
	text = make_json(
		"{" FROM "\"subject\":\"s\",\"html\":\"<b>\xce\xb1\xce\xb2\xce\xb3</b>\"}");
	cr_expect(says(text,
		"Content-Type: text/html; charset=utf-8\r\n"
		"Content-Transfer-Encoding: base64\r\n\r\nPGI+zrHOss6zPC9iPg==\r\n"));
	cr_expect(!says(text, "multipart"));
	teardown();
}

static unsigned count_fields(const char *name)
{
	struct slice block = message_headers(&message);
	struct header_field f;
	unsigned n = 0;

	while (header_next(&block, &f)) {
		n += slice_equal_nocase(f.name, slice_of(name));
	}
	return n;
}

/* RFC 5322 section 3.6, and what providers count: whatever the letters' case. */
static const char *const once[] = {"From", "Sender", "Reply-To", "To", "Cc", "Message-ID",
	"In-Reply-To", "References", "Subject", "Date", "MIME-Version", "Content-Type", "List-ID",
	"Feedback-ID", "List-Unsubscribe", "List-Unsubscribe-Post", "Auto-Submitted"};

static void turn_case(char *text)
{
	for (; *text != '\0'; text++) {
		*text ^=
			(*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ? 0x20 : 0;
	}
}

Test(message, gen_G1_threat_C15_no_field_twice_whatever_its_case)
{
	for (size_t i = 0; i < ARRAY_LEN(once); i++) {
		char other[40];
		struct buf raw;
		struct buf json;
		struct buf faults;

		(void)snprintf(other, sizeof(other), "%s", once[i]);
		turn_case(other);
		buf_init(&raw, 0);
		buf_init(&json, 0);
		buf_init(&faults, 0);
		buf_add_format(&raw, "From: a@b.example\n%s: c@d.example\n%s: c@d.example\n\nx",
			once[i], other);
		cr_expect_null(compile(buf_slice(&raw), true, &faults), "%s twice", once[i]);
		cr_expect(says(buf_string(&faults), "it is there twice"), "%s", once[i]);
		buf_reset(&faults);
		buf_add_format(&json, "{" BASE ",\"headers\":{\"%s\":\"1\",\"%s\":\"2\"}}", once[i],
			other);
		cr_expect_null(compile(buf_slice(&json), false, &faults), "%s twice", once[i]);
		buf_clear(&raw);
		buf_clear(&json);
		buf_clear(&faults);
	}
	teardown();
}

/* What is ours to add is not added to what is there. */
Test(message, gen_G1_raw_fields_are_not_doubled_by_ours)
{
	settings.feedback_sender = SLICE("penguins");
	for (size_t i = 0; i < ARRAY_LEN(once); i++) {
		struct buf raw;

		buf_init(&raw, 0);
		buf_add_text(&raw, i == 0 ? "" : "From: a@b.example\n");
		buf_add_format(
			&raw, "%s: c@d.example\nContent-Type: text/plain\n\n\xc3\xa4\n", once[i]);
		if (slice_equal(slice_of(once[i]), SLICE("Content-Type"))) {
			buf_reset(&raw);
			buf_add_text(&raw, "From: a@b.example\nContent-Type: text/plain\n\nx\n");
		}
		(void)make(buf_slice(&raw), true);
		cr_expect_eq(count_fields(once[i]), strcmp(once[i], "Cc") != 0, "%s: %u", once[i],
			count_fields(once[i]));
		cr_expect_eq(count_fields("From"), 1);
		cr_expect_eq(count_fields("Content-Transfer-Encoding") > 1, false);
		buf_clear(&raw);
	}
	teardown();
}

/* One content serves all jobs: what is of one sending is made for each, or not there. */
Test(message, gen_G3_gen_G4_gen_G5_smtp_M20_threat_K1_of_another_sending_nothing_stays)
{
	static const char *const fields[] = {
		"Date: Mon, 1 Jan 2001 00:00:00 +0000",
		"date: nonsense",
		"Message-ID: <same@shop.example>",
		"MESSAGE-ID: <>",
		"To: other@victim.example",
		"To: Ann@example.net, other@victim.example",
		"To: friends: Ann@example.net;",
		"To: undisclosed-recipients:;",
		"Cc: Ann@example.net",
		"cc: other@victim.example",
		"Bcc: other@victim.example",
		"Received: from secret.internal by x\n\twith ESMTP; now",
		"DKIM-Signature: v=1; a=rsa-sha256; d=shop.example; b=x",
		"DomainKey-Signature: x",
		"ARC-Seal: i=1",
		"Arc-Message-Signature: i=1",
		"ARC-Authentication-Results: i=1",
		"Authentication-Results: x; spf=pass",
		"Return-Path: <x@y.z>",
		"Delivered-To: other@victim.example",
		"X-Original-To: other@victim.example",
		"Envelope-To: other@victim.example",
		"Resent-To: other@victim.example",
		"Resent-From: other@victim.example",
	};

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		struct buf raw;

		buf_init(&raw, 0);
		buf_add_format(&raw,
			"From: a@shop.example\n%s\nSubject: s\nAuto-Submitted: auto-generated\n\nx\n",
			fields[i]);
		cr_expect_str_eq(make(buf_slice(&raw), true),
			"From: a@shop.example\r\nSubject: s\r\nAuto-Submitted: auto-generated\r\n" OUR_FIELDS
			"\r\nx\r\n",
			"%s", fields[i]);
		buf_clear(&raw);
	}
	teardown();
}

/* The app may know its one recipient by name. */
Test(message, gen_G5_a_raw_to_of_the_recipient_alone_stays)
{
	static const char *const fields[] = {"To: Ann Lee <Ann@example.net>\r\n",
		"To: \"Lee, Ann\"\r\n <ann@EXAMPLE.net>\r\n", "tO: Ann@example.net\r\n"};

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		struct buf raw;
		const char *text;

		buf_init(&raw, 0);
		buf_add_format(&raw, "%sFrom: a@shop.example\r\n\r\nx\r\n", fields[i]);
		text = make(buf_slice(&raw), true);
		cr_expect(says(text, fields[i]), "%s", text);
		cr_expect_eq(count_fields("To"), 1);
		input.recipient = SLICE("bob@example.net");
		text = make(buf_slice(&raw), true);
		cr_expect(says(text, "\r\nTo: bob@example.net\r\n") && !says(text, "nn@"), "%s",
			text);
		cr_expect_eq(count_fields("To"), 1);
		input.recipient = SLICE("Ann@example.net");
		buf_clear(&raw);
	}
	teardown();
}

Test(message, a_raw_header_has_a_bound)
{
	struct buf raw;
	struct buf faults;

	buf_init(&raw, 0);
	buf_init(&faults, 0);
	buf_add_text(&raw, "From: a@shop.example\n");
	for (int i = 0; i < 6000; i++) {
		buf_add_text(&raw, "Received: x\n");
	}
	buf_add_text(&raw, "\nx");
	cr_expect_null(compile(buf_slice(&raw), true, &faults));
	cr_expect_str_eq(buf_string(&faults), "header: it has more than 65536 octets\n");
	buf_clear(&raw);
	buf_clear(&faults);
	teardown();
}

Test(message, gen_G5_threat_K1_to_is_the_recipient)
{
	static const char *const nobodies[] = {
		"To:\n", "To: undisclosed-recipients:;\n", "to: friends: ;\n", ""};

	for (size_t i = 0; i < ARRAY_LEN(nobodies); i++) {
		struct buf raw;
		const char *text;

		buf_init(&raw, 0);
		buf_add_format(&raw, "From: a@b.example\nBcc: x@y.example\nbCC: z@y.example\n%s\nx",
			nobodies[i]);
		text = make(buf_slice(&raw), true);
		cr_expect(says(text, "\r\nTo: Ann@example.net\r\n"), "%s", text);
		cr_expect_eq(count_fields("To"), 1);
		cr_expect_eq(count_fields("Bcc"), 0);
		cr_expect(!says(text, "undisclosed") && !says(text, "y.example"));
		buf_clear(&raw);
	}
	teardown();
}

static int compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct id));
}

/* The left side is the job's id: as unique as that, and the same at every attempt. */
Test(message, gen_G3_message_ids_are_all_different, .timeout = 600)
{
	size_t count = getenv("PENGUIN_FULL") != NULL ? 10000000 : 200000;
	struct buf faults;
	struct content *content;
	struct id *seen = mem_array(count, sizeof(*seen));

	buf_init(&faults, 0);
	content = compile(SLICE("{" FROM "\"subject\":\"s\",\"text\":\"t\"}"), false, &faults);
	for (size_t i = 0; i < count; i++) {
		struct slice text;
		size_t at;

		input.job = id_make(INT64_C(1764000000000) + (int64_t)(i / 10000));
		cr_assert(composer_make(composer, content, &input, &message) == FAILURE_NONE);
		text = message_headers(&message);
		at = slice_search(text, SLICE("\r\nMessage-ID: <")) + 15;
		cr_assert(id_parse(slice_first(slice_from(text, at), ID_TEXT), &seen[i]));
		cr_assert(
			slice_starts(slice_from(text, at + ID_TEXT), SLICE("@shop.example>\r\n")));
	}
	qsort(seen, count, sizeof(*seen), compare_ids);
	for (size_t i = 1; i < count; i++) {
		cr_assert_neq(compare_ids(&seen[i - 1], &seen[i]), 0);
	}
	content_unref(&content);
	mem_free(seen);
	buf_clear(&faults);
	teardown();
}

/* Names that go into DNS or on the wire are A-labels, wherever they come from. */
Test(message, gen_G15_domains_are_a_labels)
{
	struct content *content;
	struct buf faults;
	const char *text;

	settings.bounce_domain = SLICE("r\xc3\xbc"
				       "ck.example");
	settings.tracking_domain = SLICE("t.B\xc3\xbc"
					 "cher.example");
	input.recipient = SLICE("ann@B\xc3\x9c"
				"CHER.example");
	buf_init(&faults, 0);
	content = compile(SLICE("{\"from\":\"news@B\xc3\xbc"
				"cher.example\",\"subject\":\"s\",\"text\":\"t\"}"),
		false, &faults);
	cr_assert_not_null(content, "%s", buf_string(&faults));
	cr_expect_str_eq(content_from_domain(content), "xn--bcher-kva.example");
	cr_assert(composer_make(composer, content, &input, &message) == FAILURE_NONE);
	text = buf_string(&message.bytes);
	cr_expect(says(text, "From: news@xn--bcher-kva.example\r\n"));
	cr_expect(says(text, "To: ann@xn--bcher-kva.example\r\n"));
	cr_expect(says(text, "0123456789ab@xn--bcher-kva.example>\r\n"));
	cr_expect(says(text, "<https://t.xn--bcher-kva.example/u/"));
	cr_expect(says(text, "@xn--rck-hoa.example?subject=unsubscribe>"), "%s", text);
	cr_expect(slice_equal(address_domain(&message.mail_from), SLICE("xn--rck-hoa.example")));
	cr_expect(!message.utf8 && codec_is_ascii(buf_slice(&message.bytes)));
	content_unref(&content);
	buf_clear(&faults);
	teardown();
}

Test(message, gen_G17_a_header_has_a_size)
{
	for (size_t fields = 1; fields <= 30; fields++) {
		struct buf json;
		struct buf value;
		const char *text;

		buf_init(&json, 0);
		buf_init(&value, 0);
		for (int i = 0; i < 120; i++) {
			buf_add_text(&value, "word ");
		}
		buf_add_text(&json, "{" BASE ",\"headers\":{");
		for (size_t i = 0; i < fields; i++) {
			buf_add_format(&json, "%s\"X-%zu\":\"%s\"", i > 0 ? "," : "", i,
				buf_string(&value));
		}
		buf_add_text(&json, "}}");
		text = make_json(buf_string(&json));
		if (message.bytes.n > 0) {
			cr_expect_lt(message.header_bytes, HEADER_BLOCK_MAX - 2000);
		} else {
			cr_expect(says(text, "its header has more than"), "%s", text);
		}
		cr_expect_eq(message.bytes.n > 0, fields < 23, "%zu fields", fields);
		buf_clear(&json);
		buf_clear(&value);
	}
	input.vars = SLICE("{}");
	teardown();
}
