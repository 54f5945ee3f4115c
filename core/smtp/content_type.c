/*
 * core/smtp/content_type.c - see content_type.h.
 */
#include "core/smtp/content_type.h"

#include <string.h>
#include <strings.h>

struct text {
	const char *at, *end;
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* RFC 2045 5.1 */
static bool is_token(char c)
{
	return (unsigned char)c > 32 && (unsigned char)c < 127 && !strchr("()<>@,;:\\\"/[]?=", c);
}

static void skip_space(struct text *t)
{
	while (t->at < t->end && is_space(*t->at))
		t->at++;
}

static struct span token(struct text *t)
{
	const char *from = t->at;

	while (t->at < t->end && is_token(*t->at))
		t->at++;
	return (struct span){from, (uint32_t)(t->at - from)};
}

static bool take(struct text *t, char c)
{
	if (t->at == t->end || *t->at != c)
		return false;
	t->at++;
	return true;
}

static bool is(struct span s, const char *name)
{
	return s.length == strlen(name) && strncasecmp(s.data, name, s.length) == 0;
}

/* The word itself, or it and more behind a hyphen. */
static bool begins(struct span s, const char *name)
{
	size_t length = strlen(name);

	return s.length >= length && strncasecmp(s.data, name, length) == 0 &&
	       (s.length == length || s.data[length] == '-');
}

/* ---- Content-Type -------------------------------------------------------------------------------------------- */

static enum content_type_kind kind_of(struct span type, struct span subtype)
{
	if (is(type, "text"))
		return CONTENT_TYPE_TEXT;
	if (is(type, "multipart"))
		return is(subtype, "signed") || is(subtype, "encrypted") ? CONTENT_TYPE_SEALED : CONTENT_TYPE_MULTIPART;
	/* Unlike all others of that type these may be encoded (RFC 6532 3.7, RFC 6533 4 and 6). */
	if (is(type, "message") && begins(subtype, "global"))
		return CONTENT_TYPE_TEXT;
	if (is(type, "message"))
		return is(subtype, "rfc822") ? CONTENT_TYPE_MESSAGE : CONTENT_TYPE_MESSAGE_OTHER;
	return CONTENT_TYPE_OTHER;
}

/* Without quotes: more than a token's characters, as many write "boundary=----=_Part", and all read that. */
static bool is_bare(char c)
{
	return (unsigned char)c > 32 && (unsigned char)c < 127 && !strchr("();,\"\\", c);
}

/* A quoted string without its quotes, or a word. False: neither, or longer than a boundary: then it is passed over. */
static bool value_of(struct text *t, char *room, uint32_t *length)
{
	bool quoted = take(t, '"'), fits = true;

	*length = 0;
	while (t->at < t->end && (quoted ? *t->at != '"' : is_bare(*t->at))) {
		char c = *t->at++;

		if (quoted && c == '\\' && t->at < t->end)
			c = *t->at++;
		if (quoted && (c == '\r' || c == '\n'))
			continue; /* a fold */
		fits = fits && *length < CONTENT_TYPE_BOUNDARY_MAX;
		if (fits)
			room[(*length)++] = c;
	}
	return (!quoted || take(t, '"')) && fits && *length > 0;
}

/* A boundary with other characters is none (RFC 2046 5.1.1); nor may it end in a blank. */
static bool well_formed(const char *boundary, uint32_t length)
{
	for (uint32_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)boundary[i];

		/* More than bchars: what others write, and everybody reads in one way. */
		if (c < 32 || c > 126 || c == '"' || c == '\\')
			return false;
	}
	return boundary[length - 1] != ' ';
}

static void read_parameter(struct text *t, struct content_type *out)
{
	char room[CONTENT_TYPE_BOUNDARY_MAX];
	struct span name;
	uint32_t length;
	bool good;

	skip_space(t);
	name = token(t);
	skip_space(t);
	if (!take(t, '=')) {
		/* Nothing at all is a ";" at the end. */
		out->ambiguous |= name.length > 0;
		return;
	}
	skip_space(t);
	good = value_of(t, room, &length);
	/* "boundary*", "boundary*0": RFC 2231 forms, which not everybody reads. */
	if (name.length > 8 && strncasecmp(name.data, "boundary*", 9) == 0)
		out->ambiguous = true;
	if (!is(name, "boundary"))
		return;
	if (!good || out->boundary.length > 0 || !well_formed(room, length)) {
		out->ambiguous = true;
		return;
	}
	memcpy(out->room, room, length);
	out->boundary = (struct span){out->room, length};
}

static void read_parameters(struct text *t, struct content_type *out)
{
	for (;;) {
		skip_space(t);
		if (t->at == t->end)
			return;
		if (!take(t, ';')) {
			/* A comment, or what is no parameter: some read on behind it, others do not. */
			out->ambiguous = true;
			return;
		}
		read_parameter(t, out);
	}
}

void content_type_read(struct span value, struct content_type *out)
{
	struct text t = {value.data, value.data + value.length};
	struct span type, subtype;

	memset(out, 0, sizeof(*out));
	skip_space(&t);
	type = token(&t);
	if (type.length == 0 || !take(&t, '/')) {
		/* "multipart (mixed) / x" and the like: who knows. */
		out->kind = type.length > 0 && (is(type, "multipart") || is(type, "message")) ? CONTENT_TYPE_MULTIPART
											      : CONTENT_TYPE_TEXT;
		out->ambiguous = out->kind == CONTENT_TYPE_MULTIPART || (type.length == 0 && t.at < t.end);
		return;
	}
	subtype = token(&t);
	out->kind = kind_of(type, subtype);
	out->digest = out->kind == CONTENT_TYPE_MULTIPART && is(subtype, "digest");
	if (subtype.length == 0) {
		out->ambiguous = true;
		return;
	}
	if (out->kind != CONTENT_TYPE_MULTIPART)
		return;
	read_parameters(&t, out);
	out->ambiguous |= out->boundary.length == 0;
}

/* ---- Content-Transfer-Encoding --------------------------------------------------------------------------------- */

enum content_encoding content_encoding_read(struct span value)
{
	struct text t = {value.data, value.data + value.length};
	struct span name;

	skip_space(&t);
	name = token(&t);
	skip_space(&t);
	if (t.at < t.end && *t.at != '(' && *t.at != ';')
		return CONTENT_ENCODING_SOME;
	if (name.length == 0 && t.at == t.end)
		return CONTENT_ENCODING_NONE;
	if (is(name, "7bit"))
		return CONTENT_ENCODING_NONE;
	if (is(name, "8bit") || is(name, "binary"))
		return CONTENT_ENCODING_WIDE;
	return CONTENT_ENCODING_SOME;
}
