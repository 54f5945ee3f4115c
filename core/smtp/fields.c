/*
 * core/smtp/fields.c - see fields.h.
 */
#include "core/smtp/fields.h"

#include <string.h>
#include <strings.h>

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* Behind the line's LF; `length` where it has none. */
static size_t line_end(const char *text, size_t length, size_t at)
{
	const char *lf = memchr(text + at, '\n', length - at);

	return lf ? (size_t)(lf - text) + 1 : length;
}

static bool empty_line_at(const char *text, size_t length, size_t at)
{
	return at < length && (text[at] == '\n' || (text[at] == '\r' && at + 1 < length && text[at + 1] == '\n'));
}

/* "From copier Fri Nov ...", or with ">" before it: mbox files have it at the start of messages. */
static bool is_mbox_line(const char *line, size_t length)
{
	size_t mark = length > 0 && line[0] == '>';

	return length >= mark + 5 && memcmp(line + mark, "From ", 5) == 0;
}

/* The length of a field's name with its colon (RFC 5322 3.6.8; white space before the colon: 4.5.8); 0: no field. */
static size_t name_length(const char *line, size_t length)
{
	size_t i = 0;

	while (i < length && line[i] > 32 && line[i] < 127 && line[i] != ':')
		i++;
	if (i == 0)
		return 0;
	while (i < length && is_space(line[i]))
		i++;
	return i < length && line[i] == ':' ? i + 1 : 0;
}

static enum field_kind kind_of(struct span name)
{
	static const struct {
		const char *name;
		enum field_kind kind;
	} known[] = {
		{"from", FIELD_FROM},
		{"reply-to", FIELD_REPLY_TO},
		{"sender", FIELD_SENDER},
		{"return-path", FIELD_RETURN_PATH},
		{"dkim-signature", FIELD_SIGNATURE},
		{"date", FIELD_DATE},
		{"message-id", FIELD_MESSAGE_ID},
		{"to", FIELD_RECIPIENTS},
		{"cc", FIELD_RECIPIENTS},
		{"bcc", FIELD_RECIPIENTS},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strlen(known[i].name) == name.length && strncasecmp(name.data, known[i].name, name.length) == 0)
			return known[i].kind;
	}
	return FIELD_OTHER;
}

bool fields_end(const char *content, size_t length, bool whole, size_t *end)
{
	size_t at = 0;

	for (; at < length; at = line_end(content, length, at)) {
		size_t after = line_end(content, length, at), line = after - at;
		bool ended = content[after - 1] == '\n';

		*end = at;
		if (empty_line_at(content, length, at))
			return true;
		if (!ended && !whole)
			return false;
		if (at > 0 && is_space(content[at]))
			continue;
		if (!is_mbox_line(content + at, line) && name_length(content + at, line) == 0)
			return true;
	}
	*end = at;
	return whole;
}

/* What has no name (see is_mbox_line()) is OTHER, too. */
struct header_field field_read(const char *header, size_t length, size_t at)
{
	size_t end = line_end(header, length, at), name = name_length(header + at, end - at);
	struct header_field f = {.name = {header + at, 0}, .value = at + name, .end = end};

	if (name > 0) {
		f.name.length = (uint32_t)name - 1; /* the colon */
		while (is_space(header[at + f.name.length - 1]))
			f.name.length--;
		f.kind = kind_of(f.name);
	}
	while (f.end < length && is_space(header[f.end]))
		f.end = line_end(header, length, f.end);
	return f;
}

struct span field_value(const char *header, const struct header_field *f)
{
	size_t from = f->value, end = f->end;

	while (end > from && (header[end - 1] == '\n' || header[end - 1] == '\r' || is_space(header[end - 1])))
		end--;
	while (from < end && (is_space(header[from]) || header[from] == '\r' || header[from] == '\n'))
		from++;
	return (struct span){header + from, (uint32_t)(end - from)};
}

/* ---- in pieces ----------------------------------------------------------------------------------------------- */

enum { AT_LINE, AFTER_CR, IN_NAME, BEHIND_NAME, IN_REST, ENDED };

static const char mbox_line[] = ">From ";
enum { MBOX_SPACE = 5, MBOX_NONE = 255 };

static uint8_t first_octet(struct fields_watch *w, char c)
{
	w->mbox = c == '>' ? 1 : c == 'F' ? 2 : MBOX_NONE;
	if (c == '\r')
		return AFTER_CR;
	if (is_space(c))
		return w->began ? IN_REST : ENDED;
	return c > 32 && c < 127 && c != ':' ? IN_NAME : ENDED;
}

static uint8_t name_octet(struct fields_watch *w, char c)
{
	bool mbox = w->mbox <= MBOX_SPACE && c == mbox_line[w->mbox];

	if (mbox && w->mbox == MBOX_SPACE)
		return IN_REST;
	w->mbox = mbox ? (uint8_t)(w->mbox + 1) : MBOX_NONE;
	if (c == ':')
		return IN_REST;
	if (is_space(c))
		return BEHIND_NAME;
	return c > 32 && c < 127 ? IN_NAME : ENDED;
}

static uint8_t octet(struct fields_watch *w, char c)
{
	switch (w->state) {
	case AT_LINE:
		return first_octet(w, c);
	case IN_NAME:
		return name_octet(w, c);
	case BEHIND_NAME:
		return is_space(c) ? BEHIND_NAME : c == ':' ? IN_REST : ENDED;
	default: /* what begins with CR is an empty line or none of a header */
		return ENDED;
	}
}

bool fields_watch(struct fields_watch *watch, const char *data, size_t length)
{
	size_t i = 0;

	while (i < length && watch->state != ENDED) {
		if (watch->state != IN_REST) {
			watch->state = octet(watch, data[i++]);
			continue;
		}
		i = line_end(data, length, i);
		if (data[i - 1] == '\n') {
			watch->state = AT_LINE;
			watch->began = true;
		}
	}
	watch->octets += i;
	return watch->state == ENDED;
}
