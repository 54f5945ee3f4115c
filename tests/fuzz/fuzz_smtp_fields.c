/*
 * fuzz_smtp_fields.c - a header ends in the same place however its content is cut; with fields removed, added and made
 * up for it is a header, is no other one when that is done again, and whom it names can be asked.
 *
 * Input: one octet (what is done: 1 another author, 2 what is missing, 4 removed, 8 added, 16 Reply-To stays), one that
 * says where the content is cut, then content.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/smtp/authorship.h"
#include "core/smtp/fields.h"
#include "core/smtp/rewrite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

/* Exactly what is there, so that a sanitizer sees reads behind the end. */
static char *copy_of(const char *text, size_t length)
{
	char *copy = malloc(length + !length);

	need(copy != NULL);
	memcpy(copy, text, length);
	return copy;
}

/* In three pieces, octet by octet in the middle one. */
static void check_end(const char *content, size_t length, size_t cut, bool ended, size_t end)
{
	struct fields_watch watch = {.state = 0};
	bool early = false;
	size_t early_end;

	for (size_t at = 0; at < length;) {
		size_t piece = at < cut ? cut - at : at < cut + 16 ? 1 : length - at;
		char *text;
		if (piece > length - at)
			piece = length - at;
		text = copy_of(content + at, piece);
		early = fields_watch(&watch, text, piece);
		free(text);
		at += piece;
		if (!early)
			continue;
		/* It is right, also where the last line is not whole yet. */
		need(fields_end(content, at, true, &early_end));
		need(!ended || early_end == end);
		break;
	}
	need(watch.octets <= length && (ended || early || watch.octets == length));
	/* Behind CR something else than LF is refused at the door. */
	need(early == ended || (early && memchr(content, '\r', length)) || (early && content[length - 1] != '\n'));
}

static bool own(const void *context, struct span address)
{
	return address.length == 4 && memcmp(address.data, "o@wn", 4) == 0;
}

static size_t count(const char *header, size_t length, enum field_kind kind, bool full)
{
	struct header_field f;
	size_t n = 0;

	for (size_t at = 0; at < length; at = f.end) {
		f = field_read(header, length, at);
		need(f.end > at && f.end <= length && f.value >= at && f.value <= f.end);
		n += f.kind == kind && (!full || field_value(header, &f).length > 0);
	}
	return n;
}

static void check_made(const struct rewrite_terms *terms, const char *header, size_t length, const char *out, size_t n)
{
	struct span author = rewrite_author(out, n);
	size_t end;

	if (n > 0 && out[n - 1] == '\n') {
		need(fields_end(out, n, true, &end) && end == n);
	}
	if (terms->fields->date.data) {
		need(count(out, n, FIELD_DATE, true) >= 1 && count(out, n, FIELD_MESSAGE_ID, true) >= 1);
		need(count(out, n, FIELD_RECIPIENTS, false) >= 1 && author.length > 0);
	}
	if (terms->address.data && count(header, length, FIELD_FROM, false) > 0)
		need(count(out, n, FIELD_FROM, false) == 1 && author.length > 0);
	if (terms->fields->removed_count > 0 && terms->fields->added_count == 0)
		need(count(out, n, FIELD_SIGNATURE, false) == 0);
	(void)authorship_check(out, n, own, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char *removed[] = {(char *)"DKIM-Signature", (char *)"X-*"};
	static char *added[] = {(char *)"X-Office: Berlin"};
	struct rewrite_fields fields = {.removed = removed, .added = added};
	struct rewrite_terms terms = {.sender = span_text("env@lan"), .fields = &fields};
	struct rewrite_facts facts;
	char *content, *header, *out, *again;
	size_t length, end = 0, n;
	bool ended;

	if (size < 2)
		return 0;
	if (data[0] & 1)
		terms.address = span_text("scan@contoso.com");
	if (data[0] & 2) {
		fields.date = span_text("Fri, 27 Nov 2026 17:00:00 +0000");
		fields.message_id = span_text("<1@relay>");
		fields.author = span_text("env@lan");
		fields.recipients = true;
	}
	fields.removed_count = data[0] & 4 ? 2 : 0;
	fields.added_count = data[0] & 8 ? 1 : 0;
	terms.reply_to_stays = data[0] & 16;
	length = size - 2;
	content = copy_of((const char *)data + 2, length);
	ended = fields_end(content, length, false, &end);
	check_end(content, length, length * data[1] / 255, ended, end);
	need(fields_end(content, length, true, &end));
	header = copy_of(content, end);
	(void)authorship_check(header, end, own, NULL);
	out = malloc(rewrite_room(&terms, end));
	need(out != NULL);
	n = rewrite_header(&terms, header, end, true, out, &facts);
	need(n <= rewrite_room(&terms, end) && facts.changed == (n != end || memcmp(out, header, n) != 0));
	check_made(&terms, header, end, out, n);
	if (fields.added_count == 0 || fields.removed_count > 0) {
		again = malloc(rewrite_room(&terms, n));
		need(again != NULL);
		need(rewrite_header(&terms, out, n, true, again, &facts) == n);
		need(fields.added_count > 0 || memcmp(out, again, n) == 0);
		free(again);
	}
	free(content);
	free(header);
	free(out);
	return 0;
}
