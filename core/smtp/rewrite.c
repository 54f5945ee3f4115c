/*
 * core/smtp/rewrite.c - see rewrite.h. The header is gone through twice: once to see what it has, once to write it.
 */
#include "core/smtp/rewrite.h"

#include <strings.h>

#include "core/base/line.h"
#include "core/smtp/address.h"
#include "core/smtp/author.h"
#include "core/smtp/fields.h"

#define UNDISCLOSED "To: undisclosed-recipients:;\r\n" /* a group without members: RFC 5322 3.4 */

enum {
	LINE_USUAL = 76,  /* RFC 5322 2.1.1: 78 */
	LINE_MOST = 998,  /* the same: without its end */
	WORD_OCTETS = 42, /* of text in an encoded word: 56 of base64 and 12 around them make 68, of 75 (RFC 2047 2) */
	QUOTED_NAME_MAX = 200 /* of a name that has to be quoted */
};

/* ---- what it has --------------------------------------------------------------------------------------------- */

struct found {
	unsigned from;        /* fields */
	struct author author; /* of the first that names somebody */
	bool addressed;       /* there is an address in From that can be answered */
	bool other;           /* an author who is not the mailbox */
	bool reply_to;        /* with something in it */
	bool signature;
	bool date, message_id; /* the same */
	bool recipients;
};

/* It is to go; what it is in an octet more does not matter. */
static bool is_removed(const struct rewrite_terms *terms, const struct header_field *f)
{
	const struct rewrite_fields *fields = terms->fields;

	for (size_t i = 0; fields && i < fields->removed_count && f->name.length > 0; i++) {
		const char *name = fields->removed[i];
		size_t length = strlen(name), given = f->name.length;
		if (name[length - 1] == '*' && given > --length)
			given = length;
		if (given == length && strncasecmp(f->name.data, name, length) == 0)
			return true;
	}
	return false;
}

/* It could be written as it is, and an answer would find its way. */
static bool answerable(const struct author *author)
{
	struct address address;

	return author->addresses > 0 &&
	       (author->well_formed || address_parse(author->address, SMTP_SYNTAX_TOLERANT, &address) == ADDRESS_OK);
}

/* It names the mailbox itself. */
static bool is_mailbox(const struct rewrite_terms *terms, struct span value)
{
	struct author author;

	author_read(value, &author);
	return author.addresses == 1 && author_same(author.address, terms->address);
}

static void find_from(struct found *found, const struct rewrite_terms *terms, struct span value)
{
	struct author author;

	author_read(value, &author);
	if (found->from++ == 0 || (found->author.addresses == 0 && found->author.kind == AUTHOR_NAMELESS))
		found->author = author;
	found->addressed |= answerable(&author);
	found->other |= !is_mailbox(terms, value);
}

static struct found look(const struct rewrite_terms *terms, const char *header, size_t length)
{
	struct found found = {.from = 0};
	struct header_field f;

	for (size_t at = 0; at < length; at = f.end) {
		bool full;

		f = field_read(header, length, at);
		if (is_removed(terms, &f))
			continue;
		full = field_value(header, &f).length > 0;
		if (f.kind == FIELD_FROM)
			find_from(&found, terms, field_value(header, &f));
		found.reply_to |= f.kind == FIELD_REPLY_TO && full;
		found.signature |= f.kind == FIELD_SIGNATURE;
		found.date |= f.kind == FIELD_DATE && full;
		found.message_id |= f.kind == FIELD_MESSAGE_ID && full;
		found.recipients |= f.kind == FIELD_RECIPIENTS;
	}
	found.other |= found.from != 1;
	return found;
}

/* ---- writing ------------------------------------------------------------------------------------------------- */

static void put_span(struct line *out, struct span text)
{
	line_put(out, text.data, text.length);
}

/* What is not from the header: without anything that could end the line. */
static void put_clean(struct line *out, struct span text)
{
	for (uint32_t i = 0; i < text.length; i++) {
		if ((unsigned char)text.data[i] >= ' ' && text.data[i] != 127)
			line_put(out, text.data + i, 1);
	}
}

/* How long the last line is. */
static size_t column(const struct line *out)
{
	const char *lf = memrchr(out->data, '\n', out->length);

	return lf ? out->length - (size_t)(lf + 1 - out->data) : out->length;
}

static size_t first_line(struct span text)
{
	const char *lf = text.length ? memchr(text.data, '\n', text.length) : NULL;

	return lf ? (size_t)(lf - text.data) : text.length;
}

/* Before what may be as long as a line. */
static void put_room(struct line *out, struct span next)
{
	line_text(out, column(out) + 1 + first_line(next) > LINE_MOST ? "\r\n " : " ");
}

static void put_space(struct line *out, size_t next)
{
	line_text(out, column(out) + 1 + next > LINE_USUAL ? "\r\n " : " ");
}

/* Where a UTF-8 sequence would be cut, the place before it. */
static uint32_t whole_characters(struct span text, uint32_t length)
{
	uint32_t cut = length;

	if (length >= text.length)
		return text.length;
	while (cut > 0 && length - cut < 4 && ((unsigned char)text.data[cut] & 0xc0) == 0x80)
		cut--;
	return cut > 0 ? cut : length;
}

/* Folds become a space, quotes and controls go. */
static void put_quoted(struct line *out, struct span text)
{
	uint32_t length = whole_characters(text, QUOTED_NAME_MAX);

	line_text(out, "\"");
	for (uint32_t i = 0; i < length; i++) {
		char c = text.data[i];

		if ((unsigned char)c < 32 && c != '\t')
			continue;
		if (c != '"' && c != '\\' && c != 127)
			line_put(out, &c, 1);
	}
	line_text(out, "\"");
}

static void put_base64(struct line *out, const char *data, uint32_t length)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (uint32_t i = 0; i < length; i += 3) {
		uint32_t left = length - i;
		uint32_t bits = (uint32_t)(unsigned char)data[i] << 16 |
				(left > 1 ? (uint32_t)(unsigned char)data[i + 1] << 8 : 0) |
				(left > 2 ? (uint32_t)(unsigned char)data[i + 2] : 0);
		char four[4] = {digits[bits >> 18], digits[bits >> 12 & 63], left > 1 ? digits[bits >> 6 & 63] : '=',
				left > 2 ? digits[bits & 63] : '='};
		line_put(out, four, 4);
	}
}

/* A name that is set: quoted, or in encoded words where it is not ASCII. */
static void put_set_name(struct line *out, struct span name)
{
	bool ascii = true;

	for (uint32_t i = 0; i < name.length; i++)
		ascii &= (unsigned char)name.data[i] < 128;
	if (ascii) {
		line_text(out, " ");
		put_quoted(out, name);
		return;
	}
	for (uint32_t at = 0; at < name.length;) {
		struct span rest = {name.data + at, name.length - at};
		uint32_t length = whole_characters(rest, WORD_OCTETS);
		line_text(out, at == 0 ? " =?UTF-8?B?" : "\r\n =?UTF-8?B?");
		put_base64(out, rest.data, length);
		line_text(out, "?=");
		at += length;
	}
}

static void put_from(struct line *out, const struct rewrite_terms *terms, const struct author *author)
{
	enum author_name kind = terms->name.data ? AUTHOR_WORDS : author->kind;
	bool angle = kind == AUTHOR_PHRASE || kind == AUTHOR_WORDS;

	line_text(out, "From:");
	if (terms->name.data) {
		put_set_name(out, terms->name);
	} else if (kind == AUTHOR_PHRASE) {
		put_room(out, author->name);
		put_span(out, author->name);
	} else if (kind == AUTHOR_WORDS) {
		line_text(out, " ");
		put_quoted(out, author->name);
	}
	put_space(out, terms->address.length + 2);
	line_text(out, angle ? "<" : "");
	put_clean(out, terms->address);
	line_text(out, angle ? ">" : "");
	if (kind == AUTHOR_COMMENT) {
		put_space(out, author->name.length);
		put_span(out, author->name);
	}
	line_text(out, "\r\n");
}

/* Whoever stood in From; as each is written, where that is well formed. */
static void put_authors(struct line *out, const char *header, size_t length)
{
	struct author author;
	struct header_field f;
	bool first = true;

	line_text(out, "Reply-To:");
	for (size_t at = 0; at < length; at = f.end) {
		f = field_read(header, length, at);
		if (f.kind != FIELD_FROM)
			continue;
		struct span value = field_value(header, &f);
		author_read(value, &author);
		if (!answerable(&author))
			continue;
		if (!author.well_formed)
			value = author.address;
		/* "Reply-To" is longer than "From". */
		if (first)
			put_room(out, value);
		else
			line_text(out, ",\r\n ");
		first = false;
		put_span(out, value);
	}
	line_text(out, "\r\n");
}

static void put_reply_to(struct line *out, const struct rewrite_terms *terms, const struct found *found,
			 const char *header, size_t length)
{
	if (terms->reply_to_stays || found->reply_to || !found->other)
		return;
	if (found->addressed) {
		put_authors(out, header, length);
	} else if (terms->sender.length > 0 && !author_same(terms->sender, terms->address)) {
		line_text(out, "Reply-To: <");
		put_clean(out, terms->sender);
		line_text(out, ">\r\n");
	}
}

/* The place where From stands, or would. `missing`: nobody is displaced, he was only not named. */
static void put_sender(struct line *out, const struct rewrite_terms *terms, bool missing, const struct found *found,
		       const char *header, size_t length)
{
	if (missing) {
		const struct rewrite_terms own = {.address = terms->fields->author};
		put_from(out, &own, &found->author);
		return;
	}
	put_from(out, terms, &found->author);
	put_reply_to(out, terms, found, header, length);
}

/* A field that it had not, at the end. */
static void put_missing(struct line *out, const char *name, struct span value, bool there)
{
	if (there || !value.data)
		return;
	line_text(out, name);
	put_clean(out, value);
	line_text(out, "\r\n");
}

static void put_fields(struct line *out, const struct rewrite_fields *fields, const struct found *found)
{
	put_missing(out, "Date: ", fields->date, found->date);
	put_missing(out, "Message-ID: ", fields->message_id, found->message_id);
	if (fields->recipients && !found->recipients)
		line_text(out, UNDISCLOSED);
	for (size_t i = 0; i < fields->added_count; i++) {
		put_clean(out, span_text(fields->added[i]));
		line_text(out, "\r\n");
	}
}

size_t rewrite_room(const struct rewrite_terms *terms, size_t length)
{
	const struct rewrite_fields *fields = terms->fields;
	/* From fields may come back as names and in Reply-To; of what is set the encoded form has twice the octets. */
	size_t room = 3 * length + 2 * (size_t)terms->address.length + 4 * (size_t)terms->name.length +
		      terms->sender.length + QUOTED_NAME_MAX + 256;

	if (fields) {
		room += fields->date.length + fields->message_id.length + 2 * (size_t)fields->author.length;
		for (size_t i = 0; i < fields->added_count; i++)
			room += strlen(fields->added[i]) + 2;
	}
	return room;
}

/* What becomes of a field that is there. */
static bool is_kept(const struct rewrite_terms *terms, const struct found *found, const char *header,
		    const struct header_field *f)
{
	const struct rewrite_fields *fields = terms->fields;

	if (is_removed(terms, f))
		return false;
	switch (f->kind) {
	case FIELD_REPLY_TO:
		return !terms->address.data || terms->reply_to_stays || found->reply_to || !found->other;
	case FIELD_SENDER:
	case FIELD_RETURN_PATH:
		return !terms->address.data || is_mailbox(terms, field_value(header, f));
	case FIELD_DATE:
		return !fields || !fields->date.data || found->date;
	case FIELD_MESSAGE_ID:
		return !fields || !fields->message_id.data || found->message_id;
	default:
		return true;
	}
}

size_t rewrite_header(const struct rewrite_terms *terms, const char *header, size_t length, bool empty_line, char *out,
		      struct rewrite_facts *facts)
{
	struct line line = {.data = out, .size = rewrite_room(terms, length)};
	const struct found found = look(terms, header, length);
	bool missing = !terms->address.data && terms->fields && terms->fields->author.data && !found.addressed;
	bool set = missing || (terms->address.data && (found.other || terms->name.data)), written = false;
	struct header_field f;

	for (size_t at = 0; at < length; at = f.end) {
		f = field_read(header, length, at);
		if (f.kind == FIELD_FROM && set) {
			if (!written)
				put_sender(&line, terms, missing, &found, header, length);
			written = true;
		} else if (is_kept(terms, &found, header, &f)) {
			line_put(&line, header + at, f.end - at);
		}
	}
	/* The last line of a header that nothing follows may have no end. */
	if (line.length > 0 && line.data[line.length - 1] != '\n' && ((set && !written) || terms->fields))
		line_text(&line, "\r\n");
	if (set && !written)
		put_sender(&line, terms, missing, &found, header, length);
	if (terms->fields)
		put_fields(&line, terms->fields, &found);
	if (!empty_line)
		line_text(&line, "\r\n");
	*facts = (struct rewrite_facts){
		.changed = line.length != length || memcmp(out, header, length) != 0,
		.from_changed = set,
		.signed_ = found.signature,
	};
	return line.length;
}

struct span rewrite_author(const char *header, size_t length)
{
	struct author author = {.addresses = 0};
	struct header_field f;

	for (size_t at = 0; at < length && author.addresses == 0; at = f.end) {
		f = field_read(header, length, at);
		if (f.kind == FIELD_FROM)
			author_read(field_value(header, &f), &author);
	}
	return author.address;
}
