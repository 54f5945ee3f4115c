/*
 * fuzz_smtp_rewrite.c - a rewritten header fits its room, has one From with the mailbox in it and no Sender of another,
 * ends where it says, and is not changed by being rewritten again.
 *
 * Input: one octet (1: a name is set; 2: content ends here; the rest: where it is cut in two), then content.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/smtp/author.h"
#include "core/smtp/fields.h"
#include "core/smtp/header.h"
#include "core/smtp/rewrite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

static bool ends_here(const char *content, size_t length, size_t end)
{
	return end < length &&
	       (content[end] == '\n' || (content[end] == '\r' && end + 1 < length && content[end + 1] == '\n'));
}

/* As somebody reads it who knows quotes and comments, and no encoded words: how many authors there are. */
static unsigned plain_authors(const char *value, size_t length)
{
	unsigned authors = 0, depth = 0, angles = 0;
	bool quoted = false, at = false;

	for (size_t i = 0; i < length; i++) {
		char c = value[i];

		if (c == '\\' && (quoted || depth > 0)) {
			i++;
			continue;
		}
		if (c == '"' && depth == 0)
			quoted = !quoted;
		if (quoted)
			continue;
		depth += c == '(';
		depth -= c == ')' && depth > 0;
		if (depth > 0)
			continue;
		angles += c == '<';
		at |= c == '@';
		if (c == ',' || c == ';') {
			authors += at;
			at = false;
		}
	}
	authors += at;
	return authors > angles ? authors : angles;
}

/* What is refused at the door: CR that no LF follows, NUL. */
static bool never_accepted(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '\0' || (text[i] == '\r' && (i + 1 == length || text[i + 1] != '\n')))
			return true;
	}
	return false;
}

static bool lines_fit(const char *text, size_t length)
{
	for (size_t at = 0; at < length;) {
		const char *lf = memchr(text + at, '\n', length - at);
		size_t end = lf ? (size_t)(lf - text) : length;
		if (end - at > 999) /* with CR */
			return false;
		at = end + 1;
	}
	return true;
}

static void check_from(const struct rewrite_terms *terms, bool changed, const char *header, size_t length)
{
	char *value = malloc(length + 1);
	struct author author;
	size_t n;

	need(value != NULL);
	n = header_value(header, length, "from", value, length);
	author_read((struct span){value, (uint32_t)n}, &author);
	/* header_value() does not believe in lines without an end. */
	need((length > 0 && header[length - 1] != '\n') ||
	     (author.addresses == 1 && author_same(author.address, terms->address)));
	need((length > 0 && header[length - 1] != '\n') || !changed || never_accepted(header, length) ||
	     plain_authors(value, n) == 1);
	free(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rewrite_terms terms = {.address = span_text("scan@contoso.com"), .sender = span_text("env@lan")};
	struct rewrite_facts facts;
	size_t length, end = 0, cut, room, n, m, end_again;
	char *content, *out, *again;

	if (size < 1)
		return 0;
	if (data[0] & 1)
		terms.name = span_text("N\xc3\xa4me, set");
	length = size - 1;
	content = malloc(length ? length : 1);
	need(content != NULL);
	memcpy(content, data + 1, length);
	/* What the first part decides the whole does not change. */
	cut = length * (data[0] >> 2) / 63;
	bool early = fields_end(content, cut, false, &end_again);
	if (!fields_end(content, length, data[0] & 2, &end)) {
		need(!early && !(data[0] & 2));
		free(content);
		return 0;
	}
	need(end <= length && (!early || end_again == end));
	room = rewrite_room(&terms, end);
	out = malloc(room);
	need(out != NULL);
	n = rewrite_header(&terms, content, end, true, out, &facts);
	need(n <= room && (facts.changed || (n == end && memcmp(out, content, n) == 0)));
	need(!facts.from_changed || facts.changed || terms.name.data);
	check_from(&terms, facts.from_changed, out, n);
	need(!lines_fit(content, end) || lines_fit(out, n));
	room = rewrite_room(&terms, n);
	again = malloc(room);
	need(again != NULL);
	m = rewrite_header(&terms, out, n, true, again, &facts);
	need(m == n && memcmp(out, again, n) == 0 && !facts.changed);
	m = rewrite_header(&terms, content, end, ends_here(content, length, end), out, &facts);
	need(m == n || m == n + 2);
	free(content);
	free(out);
	free(again);
	return 0;
}
