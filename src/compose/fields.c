/*
 * Header fields: which may stand in content, and how often.
 *
 * Both kinds of content share the tables: structured content may not set what is
 * reserved, raw content may not say twice what a message may have once.
 */
#include "fields.h"

#include "base/err.h"

static const char from_us[] = "penguin-mta sets it";
static const char of_transport[] = "it belongs to the servers on the way";

static const struct {
	struct slice name;
	const char *why;
} reserved[] = {
	{{"From", 4}, "use 'from'"},
	{{"Sender", 6}, "the From address is the only sender"},
	{{"Reply-To", 8}, "use 'reply_to'"},
	{{"To", 2}, "the recipient is the job's; use 'to_name' for the name"},
	{{"Cc", 2}, "one message has one recipient"},
	{{"Bcc", 3}, "one message has one recipient"},
	{{"Subject", 7}, "use 'subject'"},
	{{"Date", 4}, from_us},
	{{"Message-ID", 10}, from_us},
	{{"MIME-Version", 12}, from_us},
	{{"List-Unsubscribe", 16}, from_us},
	{{"List-Unsubscribe-Post", 21}, from_us},
	{{"List-ID", 7}, "use 'list_id'"},
	{{"Feedback-ID", 11}, from_us},
	{{"Auto-Submitted", 14}, "use 'kind'"},
	{{"DKIM-Signature", 14}, from_us},
	{{"DomainKey-Signature", 19}, from_us},
	{{"Return-Path", 11}, of_transport},
	{{"Received", 8}, of_transport},
	{{"Authentication-Results", 22}, of_transport},
};

static const struct {
	struct slice prefix;
	const char *why;
} reserved_prefixes[] = {
	{{"Content-", 8}, from_us},
	{{"ARC-", 4}, of_transport},
	{{"Resent-", 7}, of_transport},
};

static const struct slice singles[] = {
	{"From", 4},
	{"Date", 4},
	{"Sender", 6},
	{"Reply-To", 8},
	{"To", 2},
	{"Cc", 2},
	{"Message-ID", 10},
	{"In-Reply-To", 11},
	{"References", 10},
	{"Subject", 7},
	{"MIME-Version", 12},
	{"Content-Type", 12},
	{"List-ID", 7},
	{"Content-Transfer-Encoding", 25},
	{"Content-Disposition", 19},
	{"Feedback-ID", 11},
	{"List-Unsubscribe", 16},
	{"List-Unsubscribe-Post", 21},
	{"Auto-Submitted", 14},
};

const char *reserved_header(struct slice name)
{
	for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
		if (slice_equal_nocase(name, reserved[i].name)) {
			return reserved[i].why;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(reserved_prefixes); i++) {
		if (slice_starts_nocase(name, reserved_prefixes[i].prefix)) {
			return reserved_prefixes[i].why;
		}
	}
	return NULL;
}

bool is_single_header(struct slice name)
{
	for (size_t i = 0; i < ARRAY_LEN(singles); i++) {
		if (slice_equal_nocase(name, singles[i])) {
			return true;
		}
	}
	return false;
}

bool is_unsubscribe_url(struct slice url)
{
	return slice_starts_nocase(url, SLICE("https://")) && slice_find(url, ' ') == url.n &&
		slice_find(url, '<') == url.n && slice_find(url, '>') == url.n &&
		slice_find(url, ',') == url.n;
}

/* Where one click is a POST: the app's own place, or the tenant's tracking domain; or nowhere. */
