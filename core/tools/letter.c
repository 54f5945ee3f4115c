/*
 * core/tools/letter.c - see letter.h.
 */
#include "core/tools/letter.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/smtp/repair.h"

/* ---- text that grows -------------------------------------------------------------------------------------------- */

struct text {
	char *data;
	size_t length, room;
	bool failed;
};

static void put(struct text *t, const char *data, size_t length)
{
	if (t->failed)
		return;
	if (t->length + length > t->room) {
		size_t room = 2 * (t->length + length) + 256;
		char *more = realloc(t->data, room);
		if (!more) {
			t->failed = true;
			return;
		}
		t->data = more;
		t->room = room;
	}
	if (length > 0)
		memcpy(t->data + t->length, data, length);
	t->length += length;
}

static void put_text(struct text *t, const char *text)
{
	put(t, text, strlen(text));
}

/* ---- lines ------------------------------------------------------------------------------------------------------ */

struct reading {
	const char *at, *end;
	bool dots;
};

/* Without its end. False: there is none. */
static bool next_line(struct reading *r, const char **line, size_t *length)
{
	const char *end;

	if (r->at == r->end)
		return false;
	end = memchr(r->at, '\n', (size_t)(r->end - r->at));
	*line = r->at;
	*length = (size_t)((end ? end : r->end) - r->at);
	r->at = end ? end + 1 : r->end;
	while (*length > 0 && (*line)[*length - 1] == '\r')
		--*length;
	if (!r->dots || *length != 1 || **line != '.')
		return true;
	r->at = r->end;
	return false;
}

static void put_line(struct text *t, const char *line, size_t length, bool *eight_bit)
{
	size_t from = t->length;

	put(t, line, length);
	put(t, "\r\n", 2);
	if (t->failed)
		return;
	for (size_t i = from; i < from + length; i++) {
		if (t->data[i] == '\r' || t->data[i] == '\0')
			t->data[i] = ' ';
		*eight_bit |= (unsigned char)t->data[i] >= 0x80;
	}
}

/* ---- the header ------------------------------------------------------------------------------------------------- */

enum field { OTHER, TO, BCC, RESENT_TO, RESENT_BCC, FROM, DATE, MESSAGE_ID, RETURN_PATH, FIELDS };
static const struct {
	const char *name;
	enum field field;
} names[] = {
	{"To", TO},
	{"Cc", TO},
	{"Bcc", BCC},
	{"Resent-To", RESENT_TO},
	{"Resent-Cc", RESENT_TO},
	{"Resent-Bcc", RESENT_BCC},
	{"From", FROM},
	{"Date", DATE},
	{"Message-ID", MESSAGE_ID},
	{"Return-Path", RETURN_PATH},
};

/* Behind the colon, blanks before it let pass; 0: it is no field (RFC 5322 2.2, 4.5.8). */
static size_t field_start(const char *line, size_t length, enum field *field)
{
	size_t name = 0, colon;

	while (name < length && line[name] > ' ' && line[name] < 0x7f && line[name] != ':')
		name++;
	for (colon = name; colon < length && (line[colon] == ' ' || line[colon] == '\t'); colon++)
		;
	if (name == 0 || colon == length || line[colon] != ':')
		return 0;
	*field = OTHER;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i].name) == name && strncasecmp(names[i].name, line, name) == 0)
			*field = names[i].field;
	}
	return colon + 1;
}

struct making {
	struct text text, recipients[2]; /* of To, Cc and Bcc, and of Resent- fields */
	bool seen[FIELDS], eight_bit;
	enum field field; /* that the line before was of */
};

static bool dropped(enum field field)
{
	return field == BCC || field == RESENT_BCC || field == RETURN_PATH;
}

static struct text *recipients_of(struct making *m, enum field field)
{
	if (field == TO || field == BCC)
		return &m->recipients[0];
	return field == RESENT_TO || field == RESENT_BCC ? &m->recipients[1] : NULL;
}

/* False: the header has ended before it. */
static bool header_line(struct making *m, const char *line, size_t length, bool first)
{
	struct text *recipients;
	size_t value = 0;
	bool more = !first && length > 0 && (*line == ' ' || *line == '\t');

	if (!more) {
		value = field_start(line, length, &m->field);
		if (value == 0)
			return false;
		m->seen[m->field] = true;
	}
	recipients = recipients_of(m, m->field);
	if (recipients) {
		/* What goes on belongs to the value before. */
		if (more && recipients->length > 0 && !recipients->failed)
			recipients->data[recipients->length - 1] = ' ';
		put(recipients, line + value, length - value);
		put(recipients, "", 1);
	}
	if (!dropped(m->field))
		put_line(&m->text, line, length, &m->eight_bit);
	return true;
}

static void add_field(struct making *m, const char *name, const char *value)
{
	char head[32];

	if (!value)
		return;
	snprintf(head, sizeof(head), "%s: ", name);
	put_text(&m->text, head);
	put_line(&m->text, value, strlen(value), &m->eight_bit);
}

static void complete(struct making *m, const struct letter_wishes *w)
{
	if (!m->seen[FROM])
		add_field(m, "From", w->from);
	if (!m->seen[DATE])
		add_field(m, "Date", w->date);
	if (!m->seen[MESSAGE_ID])
		add_field(m, "Message-ID", w->message_id);
	/* RFC 5322 wants no field for recipients, but some hosts do. */
	if (!m->seen[TO])
		add_field(m, "To", "undisclosed-recipients:;");
}

static bool has_long_line(const struct text *t)
{
	size_t column = 0;

	for (size_t i = 0; i < t->length; i++) {
		column = t->data[i] == '\n' ? 0 : column + 1;
		if (column > REPAIR_HARD && t->data[i] != '\r')
			return true;
	}
	return false;
}

/* Lines that are longer than SMTP lets them be go on in the next one. */
static void wrap(struct text *t)
{
	enum { PIECE = 16 << 10 };
	char out[3 * PIECE + 8];
	struct text wrapped = {0};
	struct repair repair;
	size_t from, length;

	assert(sizeof(out) >= repair_room(PIECE));
	if (t->failed || !has_long_line(t))
		return;
	repair_init(&repair, REPAIR_WRAP);
	for (from = 0; from < t->length; from += length) {
		length = t->length - from < PIECE ? t->length - from : PIECE;
		put(&wrapped, out, repair_content(&repair, (const uint8_t *)t->data + from, length, (uint8_t *)out));
	}
	free(t->data);
	*t = wrapped;
}

bool letter_make(const char *in, size_t length, const struct letter_wishes *wishes, struct letter *out)
{
	struct reading r = {in, in + length, wishes->dots};
	struct making m = {.field = OTHER};
	const char *line = NULL;
	size_t n = 0;
	bool first = true, some;

	while ((some = next_line(&r, &line, &n))) {
		/* As files of mail have it. */
		if (first && n >= 5 && memcmp(line, "From ", 5) == 0)
			continue;
		if (!header_line(&m, line, n, first))
			break;
		first = false;
	}
	complete(&m, wishes);
	put(&m.text, "\r\n", 2);
	if (some && n > 0)
		put_line(&m.text, line, n, &m.eight_bit);
	while (some && (some = next_line(&r, &line, &n)))
		put_line(&m.text, line, n, &m.eight_bit);
	wrap(&m.text);
	bool resent = m.seen[RESENT_TO] || m.seen[RESENT_BCC];
	*out = (struct letter){m.text.data, m.text.length, m.recipients[resent].data, m.recipients[resent].length,
			       m.eight_bit};
	free(m.recipients[!resent].data);
	if (!m.text.failed && !m.recipients[0].failed && !m.recipients[1].failed)
		return true;
	letter_free(out);
	return false;
}

void letter_free(struct letter *letter)
{
	free(letter->text);
	free(letter->recipients);
	*letter = (struct letter){0};
}

/* ---- addresses -------------------------------------------------------------------------------------------------- */

/* Behind a comment, which may have others in it. */
static const char *behind_comment(const char *at, const char *end)
{
	unsigned depth = 0;

	for (; at < end; at++) {
		if (*at == '\\' && at + 1 < end)
			at++;
		else if (*at == '(')
			depth++;
		else if (*at == ')' && --depth == 0)
			return at + 1;
	}
	return end;
}

/* The quoted string at `at` as it is. */
static const char *take_quoted(struct text *t, const char *at, const char *end)
{
	const char *from = at++;

	while (at < end && *at != '"')
		at += *at == '\\' && at + 1 < end ? 2 : 1;
	at = at < end ? at + 1 : end;
	put(t, from, (size_t)(at - from));
	return at;
}

/* One address of the list: what stands in angle brackets, or else all of it. */
struct addressing {
	struct text plain, angle;
	bool in_angle, had_angle;
	letter_address_fn *fn;
	void *context;
};

static bool give(struct addressing *a)
{
	struct text *t = a->had_angle ? &a->angle : &a->plain;
	bool ok = true;

	put(t, "", 1);
	if (!t->failed && t->length > 1)
		ok = a->fn(a->context, t->data);
	a->plain.length = a->angle.length = 0;
	a->in_angle = a->had_angle = false;
	return ok && !t->failed;
}

/* A character that is no comment and no quoted string. False: fn has said so. */
static bool take_character(struct addressing *a, char c)
{
	struct text *t = a->in_angle ? &a->angle : &a->plain;

	switch (c) {
	case ' ':
	case '\t':
	case '\r':
	case '\n':
	case '\0':
		return true;
	case '<':
		a->in_angle = a->had_angle = true;
		a->angle.length = 0;
		return true;
	case '>':
		a->in_angle = false;
		return true;
	case ':':
		/* The name of a group, or a route (RFC 5322 4.4); what is in brackets is an address literal. */
		if (!memchr(t->data ? t->data : "", '[', t->length))
			t->length = 0;
		else
			put(t, &c, 1);
		return true;
	case ',':
	case ';':
		if (a->in_angle && c == ',')
			return true;
		return give(a);
	default:
		put(t, &c, 1);
		return true;
	}
}

bool letter_addresses(const char *list, size_t length, letter_address_fn *fn, void *context)
{
	struct addressing a = {.fn = fn, .context = context};
	const char *at = list, *end = length > 0 ? list + length : list;
	bool ok = true;

	while (ok && at < end) {
		if (*at == '(')
			at = behind_comment(at, end);
		else if (*at == '"')
			at = take_quoted(a.in_angle ? &a.angle : &a.plain, at, end);
		else if (*at == '\0') {
			ok = give(&a);
			at++;
		} else
			ok = take_character(&a, *at++);
	}
	ok = ok && give(&a);
	free(a.plain.data);
	free(a.angle.data);
	return ok;
}
