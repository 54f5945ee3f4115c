/*
 * core/smtp/mime.c - see mime.h.
 */
#include "core/smtp/mime.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

enum { IN_HEADER, IN_LEAF, OUTSIDE, BROKEN };

static const uint8_t crlf[2] = {'\r', '\n'};

void mime_init(struct mime *m, const struct mime_handler *handler, void *context)
{
	memset(m, 0, offsetof(struct mime, line));
	m->handler = handler;
	m->context = context;
	m->parts = 1;
	m->part.root = true;
}

static void break_off(struct mime *m)
{
	m->malformed = true;
	m->state = BROKEN;
}

/* ---- the header ---------------------------------------------------------------------------------------------- */

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static enum mime_field field_named(const uint8_t *name, size_t length)
{
	static const struct {
		const char *name;
		enum mime_field field;
	} known[] = {
		{"content-type", MIME_FIELD_TYPE},
		{"content-transfer-encoding", MIME_FIELD_ENCODING},
		{"mime-version", MIME_FIELD_VERSION},
		{"dkim-signature", MIME_FIELD_SIGNATURE},
		{"domainkey-signature", MIME_FIELD_SIGNATURE},
		{"arc-message-signature", MIME_FIELD_SIGNATURE},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strlen(known[i].name) == length && strncasecmp((const char *)name, known[i].name, length) == 0)
			return known[i].field;
	}
	return MIME_FIELD_OTHER;
}

/* What its value says is collected, without what is too long to be looked at: that is ambiguous. */
static void collect(struct mime *m, const uint8_t *data, size_t length)
{
	bool type = m->field == MIME_FIELD_TYPE;
	size_t room = type ? sizeof(m->type) : sizeof(m->encoding);
	uint16_t *at = type ? &m->type_length : &m->encoding_length;

	if (m->field == MIME_FIELD_ENCODING)
		m->part.encoding_octets += (uint32_t)length;
	if (m->field != MIME_FIELD_TYPE && m->field != MIME_FIELD_ENCODING)
		return;
	if (length > room - *at) {
		m->malformed = true;
		return;
	}
	memcpy((type ? m->type : m->encoding) + *at, data, length);
	*at = (uint16_t)(*at + length);
}

static void tell_field(struct mime *m, const uint8_t *data, size_t length)
{
	collect(m, data, length);
	m->handler->field(m->context, m->field, data, length);
}

/* Each is there once, or nobody knows which counts. */
static void begin_field(struct mime *m, enum mime_field field)
{
	struct mime_part *part = &m->part;
	bool *seen = NULL;

	m->field = (uint8_t)field;
	m->any_field = true;
	if (field == MIME_FIELD_TYPE)
		seen = &part->has_type;
	if (field == MIME_FIELD_ENCODING)
		seen = &part->has_encoding;
	if (seen && *seen)
		m->malformed = true;
	if (seen)
		*seen = true;
	part->has_version |= field == MIME_FIELD_VERSION;
	part->has_signature |= field == MIME_FIELD_SIGNATURE;
}

/* Behind the name and its colon; 0: it is no field. */
static size_t name_end(const uint8_t *line, size_t length, size_t *name)
{
	size_t i = 0;

	while (i < length && line[i] > 32 && line[i] < 127 && line[i] != ':')
		i++;
	*name = i;
	while (i < length && is_space(line[i]))
		i++;
	return *name > 0 && i < length && line[i] == ':' ? i + 1 : 0;
}

static bool is_blank(const uint8_t *line, size_t length)
{
	size_t i = 0;

	while (i < length && (is_space(line[i]) || line[i] == '\r' || line[i] == '\n'))
		i++;
	return i == length;
}

/* The value as it stands in the buffer, behind the field's name. */
static struct span value_of(const char *field, size_t length)
{
	const char *colon = memchr(field, ':', length);
	size_t before = colon ? (size_t)(colon + 1 - field) : 0;

	return (struct span){field + before, (uint32_t)(length - before)};
}

static void begin_part(struct mime *m, bool root, bool is_message)
{
	if (m->parts == MIME_PARTS_MAX) {
		break_off(m);
		return;
	}
	m->part = (struct mime_part){.number = (uint16_t)m->parts++, .root = root, .is_message = is_message};
	m->type_length = m->encoding_length = 0;
	m->any_field = false;
	m->state = IN_HEADER;
}

static struct mime_level *open_level(struct mime *m)
{
	struct mime_level *level = &m->levels[m->depth];

	if (m->depth == MIME_DEPTH_MAX) {
		break_off(m);
		return NULL;
	}
	m->depth++;
	*level = (struct mime_level){.part = m->part};
	return level;
}

static void begin_multipart(struct mime *m, const struct content_type *type)
{
	struct mime_level *level = open_level(m);

	if (!level)
		return;
	memcpy(level->boundary, type->boundary.data, type->boundary.length);
	level->length = (uint8_t)type->boundary.length;
	level->digest = type->digest;
	m->multiparts++;
	m->state = OUTSIDE;
}

static void begin_body(struct mime *m, const struct content_type *type, enum content_encoding encoding)
{
	bool plain = encoding != CONTENT_ENCODING_SOME;

	m->state = IN_LEAF;
	m->line_end = false;
	switch (type->kind) {
	case CONTENT_TYPE_MULTIPART:
		/* RFC 2045 6.4: no part of it would be found by whoever keeps to that. */
		if (plain && !type->ambiguous)
			begin_multipart(m, type);
		else
			break_off(m);
		return;
	case CONTENT_TYPE_SEALED:
		m->part.leaf = MIME_LEAF_SEALED;
		return;
	case CONTENT_TYPE_MESSAGE:
		if (!plain)
			m->part.leaf = MIME_LEAF_CLOSED;
		else if (open_level(m))
			begin_part(m, true, false);
		return;
	case CONTENT_TYPE_MESSAGE_OTHER:
		m->part.leaf = MIME_LEAF_CLOSED;
		return;
	default:
		m->part.leaf = !plain                            ? MIME_LEAF_CLOSED
			       : type->kind == CONTENT_TYPE_TEXT ? MIME_LEAF_TEXT
								 : MIME_LEAF_OTHER;
		if (type->ambiguous)
			break_off(m);
	}
}

static void header_ended(struct mime *m, bool empty_line)
{
	enum content_encoding encoding = content_encoding_read(value_of(m->encoding, m->encoding_length));
	struct content_type type = {.kind = m->part.is_message ? CONTENT_TYPE_MESSAGE : CONTENT_TYPE_TEXT};

	if (m->malformed) {
		break_off(m);
		return;
	}
	m->part.wide = encoding == CONTENT_ENCODING_WIDE;
	if (m->part.has_type)
		content_type_read(value_of(m->type, m->type_length), &type);
	m->handler->header_end(m->context);
	if (empty_line)
		m->handler->between(m->context, crlf, sizeof(crlf));
	begin_body(m, &type, encoding);
}

static void header_line(struct mime *m, const uint8_t *line, size_t length)
{
	size_t name, value;

	if (length == 2 && line[0] == '\r' && line[1] == '\n') {
		header_ended(m, true);
		return;
	}
	if (is_space(line[0])) {
		/* A fold; of nothing but blanks, some take it for the end. */
		if (!m->any_field || is_blank(line, length))
			break_off(m);
		else
			tell_field(m, line, length);
		return;
	}
	value = name_end(line, length, &name);
	if (value == 0) {
		break_off(m);
		return;
	}
	begin_field(m, field_named(line, name));
	tell_field(m, line, length);
}

/* ---- boundaries ---------------------------------------------------------------------------------------------- */

/* `line` begins with "--" and the boundary. Is it nothing else (RFC 2046 5.1.1)? */
static bool is_whole(const struct mime_level *level, const uint8_t *line, size_t length, bool *close)
{
	size_t i = 2u + level->length;

	*close = length - i >= 2 && line[i] == '-' && line[i + 1] == '-';
	if (*close)
		i += 2;
	while (i < length && is_space(line[i]))
		i++;
	return length - i == 2 && line[i] == '\r' && line[i + 1] == '\n';
}

/* Which of the open multiparts it belongs to; NULL: none. By RFC 2046 5.1.1 a line that only begins like a boundary is
 * one, and hardly anybody reads it so. */
static struct mime_level *boundary_of(struct mime *m, const uint8_t *line, size_t length, bool *close)
{
	struct mime_level *found = NULL;
	bool similar = false;

	for (unsigned i = m->depth; i-- > 0;) {
		struct mime_level *level = &m->levels[i];
		bool closes;

		if (level->length == 0 || length < 2u + level->length ||
		    memcmp(line + 2, level->boundary, level->length) != 0)
			continue;
		if (!is_whole(level, line, length, &closes)) {
			similar = true;
			continue;
		}
		if (found || level->closed) {
			break_off(m);
			return NULL;
		}
		found = level;
		*close = closes;
	}
	if (similar && !found)
		break_off(m);
	return found;
}

/* What is inside of it has ended. */
static void close_inner(struct mime *m, const struct mime_level *level)
{
	while (&m->levels[m->depth - 1] != level) {
		const struct mime_level *inner = &m->levels[--m->depth];

		if (inner->length == 0)
			continue;
		m->multiparts--;
		m->malformed |= !inner->closed;
	}
}

static void leaf_ended(struct mime *m)
{
	m->handler->leaf_end(m->context, m->line_end);
	m->line_end = false;
}

static void on_boundary(struct mime *m, struct mime_level *level, bool close, const uint8_t *line, size_t length)
{
	/* A part may be a header alone; of boundaries one behind the other some see only the first. */
	if (m->state == IN_HEADER) {
		m->malformed |= !m->any_field;
		m->handler->header_end(m->context);
	} else if (m->state == IN_LEAF) {
		leaf_ended(m);
	}
	close_inner(m, level);
	if (m->malformed) {
		break_off(m);
		return;
	}
	m->handler->between(m->context, line, length);
	/* Without a part all of it is one, for some. */
	m->malformed |= close && !level->begun;
	level->begun = true;
	level->closed = close;
	if (close)
		m->state = OUTSIDE;
	else
		begin_part(m, false, level->digest);
}

/* ---- lines --------------------------------------------------------------------------------------------------- */

static void tell_body(struct mime *m, const uint8_t *data, size_t length)
{
	if (m->line_end)
		m->handler->body(m->context, crlf, sizeof(crlf));
	m->line_end = false;
	if (length > 0)
		m->handler->body(m->context, data, length);
}

static void tell(struct mime *m, const uint8_t *data, size_t length)
{
	switch (m->state) {
	case IN_HEADER:
		tell_field(m, data, length);
		return;
	case IN_LEAF:
		tell_body(m, data, length);
		return;
	case OUTSIDE:
		m->handler->outside(m->context, data, length);
		return;
	default:
		return;
	}
}

/* The CRLF of a line whose beginning was told. */
static void tell_line_end(struct mime *m)
{
	if (m->state == IN_LEAF)
		m->line_end = true;
	else
		tell(m, crlf, sizeof(crlf));
}

/* As much of a line as is kept, or all of it. */
static void on_line(struct mime *m, bool whole)
{
	size_t length = m->line_length;
	struct mime_level *level;
	bool close = false;

	m->line_length = 0;
	m->rest = !whole;
	if (length >= 2 && m->line[0] == '-' && m->line[1] == '-' && m->multiparts > 0) {
		level = boundary_of(m, m->line, length, &close);
		if (level) {
			on_boundary(m, level, close, m->line, length);
			return;
		}
	}
	if (m->state == IN_HEADER) {
		header_line(m, m->line, length);
		return;
	}
	if (!whole || m->state != IN_LEAF) {
		tell(m, m->line, length);
		return;
	}
	if (m->line_end || length > 2)
		tell_body(m, m->line, length - 2);
	m->line_end = true;
}

/* What decides about a line is there: a header's is looked at as a whole, a boundary begins with "--". */
static bool decided(const struct mime *m)
{
	if (m->line_length == MIME_LINE_HEAD)
		return true;
	if (m->state == IN_HEADER)
		return false;
	if (m->line[0] == '\r')
		return m->line_length > 1;
	if (m->multiparts == 0 || m->line[0] != '-')
		return true;
	return m->line_length >= 2 && m->line[1] != '-' && m->line[1] != '\r';
}

/* The beginning of a line, octet by octet. */
static void line_octet(struct mime *m, uint8_t octet)
{
	bool whole = octet == '\n' && m->line_length > 0 && m->line[m->line_length - 1] == '\r';

	m->line[m->line_length++] = octet;
	if (!whole && !decided(m))
		return;
	/* The CR may be half of its end. */
	if (!whole && octet == '\r') {
		m->line_length--;
		m->cr = true;
	}
	on_line(m, whole);
}

/* On to the end of the line, or of what is there. */
static size_t rest_of_line(struct mime *m, const uint8_t *data, size_t length)
{
	const uint8_t *lf = memchr(data, '\n', length);
	size_t n = lf ? (size_t)(lf - data) : length;
	bool cr = n > 0 ? data[n - 1] == '\r' : m->cr;

	if (m->cr && n > 0)
		tell(m, crlf, 1);
	m->cr = false;
	if (n > 0 && n - cr > 0)
		tell(m, data, n - cr);
	if (!lf) {
		m->cr = cr;
		return n;
	}
	if (cr) {
		tell_line_end(m);
		m->rest = false;
	} else {
		tell(m, lf, 1);
	}
	return n + 1;
}

void mime_read(struct mime *m, const uint8_t *data, size_t length)
{
	size_t i = 0;

	while (i < length && m->state != BROKEN) {
		if (m->rest)
			i += rest_of_line(m, data + i, length - i);
		else
			line_octet(m, data[i++]);
	}
}

/* A last line without an end, which may be a boundary: who sends it on writes the end (content.h). */
static void last_line(struct mime *m)
{
	struct mime_level *level = NULL;
	size_t length = m->line_length;
	bool close = false;

	if (m->rest && m->cr)
		tell(m, crlf, 1);
	if (m->rest || length == 0)
		return;
	if (length >= 2 && length + 2 <= MIME_LINE_HEAD && m->line[0] == '-' && m->line[1] == '-') {
		memcpy(m->line + length, crlf, sizeof(crlf));
		level = boundary_of(m, m->line, length + 2, &close);
	}
	if (level)
		on_boundary(m, level, close, m->line, length);
	else if (m->state != BROKEN)
		on_line(m, false);
}

void mime_end(struct mime *m)
{
	last_line(m);
	if (m->state == BROKEN)
		return;
	if (m->state == IN_HEADER)
		m->handler->header_end(m->context);
	if (m->state == IN_LEAF) {
		/* Nothing follows that it could belong to. */
		if (m->line_end)
			tell_body(m, NULL, 0);
		leaf_ended(m);
	}
	for (unsigned i = 0; i < m->depth; i++)
		m->malformed |= m->levels[i].length > 0 && !m->levels[i].closed;
}
