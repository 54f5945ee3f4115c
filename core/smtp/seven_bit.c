/*
 * core/smtp/seven_bit.c - see seven_bit.h.
 */
#include "core/smtp/seven_bit.h"

#include <assert.h>
#include <string.h>

/* What is done with a part; UTF8 beside QUOTED and BASE64. */
enum { KEEP, QUOTED, BASE64, LABEL, ACTION = 3, UTF8 = 4 };

/* Those that are written instead of what a part says of its encoding. */
static const char *const encodings[] = {
	[QUOTED] = "Content-Transfer-Encoding: quoted-printable\r\n",
	[BASE64] = "Content-Transfer-Encoding: base64\r\n",
	[LABEL] = "Content-Transfer-Encoding: 7bit\r\n",
};
static const char version[] = "MIME-Version: 1.0\r\n";
static const char type_utf8[] = "Content-Type: text/plain; charset=utf-8\r\n";
static const char type_unknown[] = "Content-Type: text/plain; charset=unknown-8bit\r\n";

enum {
	FIELDS_MAX = 160, /* octets of them, in one part */
	HELD_MAX = 1024,  /* that may be told later than they came */
};

static_assert(sizeof(version) + sizeof(type_unknown) + 48 < FIELDS_MAX, "all fields of a part");

static bool is_root_text(const struct mime_part *part)
{
	return part->root && !part->has_type;
}

/* What the part's header gets, in order. */
static unsigned fields_of(const struct mime_part *part, unsigned action, const char *fields[3])
{
	unsigned n = 0;

	if ((action & ACTION) == KEEP)
		return 0;
	if ((action & ACTION) != LABEL && part->root && !part->has_version)
		fields[n++] = version;
	if ((action & ACTION) != LABEL && is_root_text(part))
		fields[n++] = action & UTF8 ? type_utf8 : type_unknown;
	fields[n++] = encodings[action & ACTION];
	return n;
}

/* ---- looking ------------------------------------------------------------------------------------------------- */

/* Eight octets at a time: all of a message goes through here. */
static uint64_t count_high(const uint8_t *data, size_t length)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t n = 0, word;

	for (; length >= sizeof(word); data += sizeof(word), length -= sizeof(word)) {
		memcpy(&word, data, sizeof(word));
		n += (word >> 7 & ones) * ones >> 56;
	}
	for (size_t i = 0; i < length; i++)
		n += data[i] >> 7;
	return n;
}

/* RFC 3629 4; with seven bits anything else is over. */
static void utf8_octet(struct seven_bit *s, uint8_t octet)
{
	if (s->utf8_left > 0) {
		s->utf8_wrong |= octet < s->utf8_least || octet > s->utf8_most;
		s->utf8_left--;
		s->utf8_least = 0x80;
		s->utf8_most = 0xbf;
		return;
	}
	if (octet < 0x80)
		return;
	s->utf8_wrong |= octet < 0xc2 || octet > 0xf4;
	s->utf8_left = octet >= 0xf0 ? 3 : octet >= 0xe0 ? 2 : 1;
	s->utf8_least = octet == 0xe0 ? 0xa0 : octet == 0xf0 ? 0x90 : 0x80;
	s->utf8_most = octet == 0xed ? 0x9f : octet == 0xf4 ? 0x8f : 0xbf;
}

static void look_at_body(struct seven_bit *s, const uint8_t *data, size_t length)
{
	const struct mime_part *part = &s->mime.part;

	s->octets += length;
	s->leaf_high += count_high(data, length);
	if (part->leaf == MIME_LEAF_TEXT)
		s->quoted_octets += transfer_quoted(&s->quoted, data, length, NULL);
	for (size_t i = 0; is_root_text(part) && i < length; i++)
		utf8_octet(s, data[i]);
}

static void grow_by_fields(struct seven_bit *s, const struct mime_part *part, unsigned action)
{
	const char *fields[3];
	unsigned n = fields_of(part, action, fields);

	s->growth -= part->encoding_octets;
	for (unsigned i = 0; i < n; i++)
		s->growth += (int64_t)strlen(fields[i]);
}

/* What is above a part that is converted is 7bit then. */
static void label_above(struct seven_bit *s)
{
	for (unsigned i = 0; i < s->mime.depth; i++) {
		const struct mime_part *part = &s->mime.levels[i].part;

		if (!part->wide || s->actions[part->number] != KEEP)
			continue;
		s->actions[part->number] = LABEL;
		grow_by_fields(s, part, LABEL);
	}
}

/* The shorter one, for text; a body of anything else is not for reading. */
static void choose(struct seven_bit *s, bool line_end)
{
	const struct mime_part *part = &s->mime.part;
	uint64_t base64 = transfer_base64_length(s->octets);
	unsigned action = BASE64;

	s->quoted_octets += transfer_quoted_end(&s->quoted, NULL);
	if (part->leaf == MIME_LEAF_TEXT && s->quoted_octets <= base64)
		action = QUOTED;
	/* The last line of base64 has an end of its own. */
	s->growth += (int64_t)(action == QUOTED ? s->quoted_octets : base64 - (line_end ? 2 : 0)) - (int64_t)s->octets;
	if (!s->utf8_wrong && s->utf8_left == 0)
		action |= UTF8;
	s->actions[part->number] = (uint8_t)action;
	grow_by_fields(s, part, action);
	label_above(s);
}

static void looked_at_leaf(struct seven_bit *s, bool line_end)
{
	if (s->leaf_high > 0) {
		s->any = true;
		s->sealed |= s->mime.part.leaf == MIME_LEAF_SEALED;
		s->closed |= s->mime.part.leaf == MIME_LEAF_CLOSED;
		if (s->mime.part.leaf == MIME_LEAF_TEXT || s->mime.part.leaf == MIME_LEAF_OTHER)
			choose(s, line_end);
	}
	s->octets = s->leaf_high = s->quoted_octets = 0;
	s->utf8_left = 0;
	s->utf8_wrong = false;
	s->quoted = (struct transfer_quoted){0};
}

/* ---- writing ------------------------------------------------------------------------------------------------- */

static void put(struct seven_bit *s, const void *data, size_t length)
{
	memcpy(s->out + s->written, data, length);
	s->written += length;
}

static unsigned action_now(const struct seven_bit *s)
{
	return s->actions[s->mime.part.number] & ACTION;
}

static void write_body(struct seven_bit *s, const uint8_t *data, size_t length)
{
	switch (action_now(s)) {
	case QUOTED:
		s->written += transfer_quoted(&s->quoted, data, length, s->out + s->written);
		return;
	case BASE64:
		s->written += transfer_base64(&s->base64, data, length, s->out + s->written);
		return;
	default:
		put(s, data, length);
	}
}

static void wrote_leaf(struct seven_bit *s, bool line_end)
{
	if (action_now(s) == QUOTED)
		s->written += transfer_quoted_end(&s->quoted, s->out + s->written);
	if (action_now(s) == BASE64)
		s->written += transfer_base64_end(&s->base64, s->out + s->written);
	else if (line_end)
		put(s, "\r\n", 2);
	s->quoted = (struct transfer_quoted){0};
	s->base64 = (struct transfer_base64){.column = 0};
}

/* ---- what the parts tell ------------------------------------------------------------------------------------- */

static void on_field(void *context, enum mime_field field, const uint8_t *data, size_t length)
{
	struct seven_bit *s = context;

	s->signature |= field == MIME_FIELD_SIGNATURE && s->mime.part.number == 0;
	if (!s->writing)
		s->high_told += count_high(data, length);
	else if (field != MIME_FIELD_ENCODING || action_now(s) == KEEP)
		put(s, data, length);
}

static void on_header_end(void *context)
{
	struct seven_bit *s = context;
	const char *fields[3];
	unsigned n;

	if (!s->writing)
		return;
	n = fields_of(&s->mime.part, s->actions[s->mime.part.number], fields);
	for (unsigned i = 0; i < n; i++)
		put(s, fields[i], strlen(fields[i]));
}

static void on_body(void *context, const uint8_t *data, size_t length)
{
	struct seven_bit *s = context;

	if (s->writing)
		write_body(s, data, length);
	else
		look_at_body(s, data, length);
}

static void on_leaf_end(void *context, bool line_end)
{
	struct seven_bit *s = context;

	if (s->writing)
		wrote_leaf(s, line_end);
	else
		looked_at_leaf(s, line_end);
}

static void on_between(void *context, const uint8_t *data, size_t length)
{
	struct seven_bit *s = context;

	if (s->writing)
		put(s, data, length);
}

static void on_outside(void *context, const uint8_t *data, size_t length)
{
	struct seven_bit *s = context;

	if (!s->writing) {
		s->any |= count_high(data, length) > 0;
		return;
	}
	for (size_t i = 0; i < length; i++)
		s->out[s->written++] = data[i] < 0x80 ? data[i] : '?';
}

static const struct mime_handler handler = {
	.field = on_field,
	.header_end = on_header_end,
	.body = on_body,
	.leaf_end = on_leaf_end,
	.between = on_between,
	.outside = on_outside,
};

/* ---- the two goes -------------------------------------------------------------------------------------------- */

void seven_bit_init(struct seven_bit *s)
{
	memset(s, 0, sizeof(*s));
	mime_init(&s->mime, &handler, s);
}

void seven_bit_look(struct seven_bit *s, const uint8_t *data, size_t length)
{
	s->high += count_high(data, length);
	mime_read(&s->mime, data, length);
}

enum seven_bit_result seven_bit_looked(struct seven_bit *s)
{
	mime_end(&s->mime);
	/* Of what was not read nobody knows where it stands. */
	if (!s->any && !(s->mime.malformed && s->high > s->high_told))
		return SEVEN_BIT_AS_IS;
	if (s->sealed || (s->signature && !s->signature_void))
		return SEVEN_BIT_SIGNED;
	return s->closed || s->mime.malformed ? SEVEN_BIT_UNREADABLE : SEVEN_BIT_CONVERT;
}

void seven_bit_rewind(struct seven_bit *s)
{
	mime_init(&s->mime, &handler, s);
	s->quoted = (struct transfer_quoted){0};
	s->writing = true;
}

size_t seven_bit_room(size_t length)
{
	size_t parts = length / 4 + 2;

	return TRANSFER_QUOTED_ROOM(length + HELD_MAX) + FIELDS_MAX * (parts < MIME_PARTS_MAX ? parts : MIME_PARTS_MAX);
}

size_t seven_bit_write(struct seven_bit *s, const uint8_t *data, size_t length, uint8_t *out)
{
	s->out = out;
	s->written = 0;
	mime_read(&s->mime, data, length);
	return s->written;
}

size_t seven_bit_end(struct seven_bit *s, uint8_t *out)
{
	s->out = out;
	s->written = 0;
	mime_end(&s->mime);
	return s->written;
}
