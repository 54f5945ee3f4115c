/*
 * core/smtp/author.c - see author.h.
 */
#include "core/smtp/author.h"

#include <strings.h>

enum {
	NAME_MAX_OCTETS = 4096, /* a longer one is none that anybody reads */
	ENCODED_MAX = 256,      /* of an encoded word: three times as much as RFC 2047 2 allows */
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct span trim(const char *data, uint32_t from, uint32_t end)
{
	while (from < end && is_space(data[from]))
		from++;
	while (end > from && is_space(data[end - 1]))
		end--;
	return (struct span){data + from, end - from};
}

/* ---- what has an end of its own. Each: where it ends, behind its last octet; 0: it does not ---- */

static uint32_t quoted_end(struct span text, uint32_t at)
{
	for (uint32_t i = at + 1; i < text.length; i++) {
		if (text.data[i] == '"')
			return i + 1;
		i += text.data[i] == '\\';
	}
	return 0;
}

static uint32_t comment_end(struct span text, uint32_t at)
{
	unsigned depth = 0;

	for (uint32_t i = at; i < text.length; i++) {
		if (text.data[i] == '\\')
			i++;
		else if (text.data[i] == '(')
			depth++;
		else if (text.data[i] == ')' && --depth == 0)
			return i + 1;
	}
	return 0;
}

/* An encoded word (RFC 2047 2), in which anything but white space is met; 0: it is none. */
static uint32_t encoded_end(struct span text, uint32_t at)
{
	unsigned marks = 0;

	if (text.length - at < 2 || text.data[at] != '=' || text.data[at + 1] != '?')
		return 0;
	for (uint32_t i = at + 2; i < text.length && i - at < ENCODED_MAX && !is_space(text.data[i]); i++) {
		if (text.data[i] != '?')
			continue;
		marks++;
		if (marks >= 3 && i + 1 < text.length && text.data[i + 1] == '=')
			return i + 2;
	}
	return 0;
}

static uint32_t angle_end(struct span text, uint32_t at)
{
	for (uint32_t i = at + 1; i < text.length; i++) {
		if (text.data[i] == '>')
			return i + 1;
		if (text.data[i] == '"') {
			i = quoted_end(text, i);
			if (i == 0)
				return 0;
			i--;
		}
	}
	return 0;
}

static uint32_t literal_end(struct span text, uint32_t at)
{
	for (uint32_t i = at + 1; i < text.length; i++) {
		if (text.data[i] == ']')
			return i + 1;
	}
	return 0;
}

/* ---- names --------------------------------------------------------------------------------------------------- */

/* An octet of an atom or what is let pass beside it: the dot (RFC 5322 4.1), and octets above 127. */
static bool is_atom(char c)
{
	return (unsigned char)c > 32 && (unsigned char)c != 127 && !strchr("()<>[]:;@\\,\"", c);
}

/*
 * Who does not know encoded words reads what is in one as it stands, and could find another author there: "<", or an
 * address up to a comma. RFC 2047 5 (3) allows letters, digits and "!*+-/=_" in a name; what else is met there and does
 * no harm passes.
 */
static bool encoded_harmless(const char *word, uint32_t length)
{
	bool at = false, comma = false;

	for (uint32_t i = 0; i < length; i++) {
		if (strchr("<>()[]:;\\\"", word[i]))
			return false;
		at |= word[i] == '@';
		comma |= word[i] == ',';
	}
	return !(at && comma);
}

static bool is_phrase(struct span text)
{
	uint32_t i = 0, end;

	while (i < text.length) {
		if (text.data[i] == '"')
			end = quoted_end(text, i);
		else if (text.data[i] == '(')
			end = comment_end(text, i);
		else if ((end = encoded_end(text, i)) == 0 && (is_atom(text.data[i]) || is_space(text.data[i])))
			end = i + 1;
		else if (end > 0 && !encoded_harmless(text.data + i, end - i))
			return false;
		if (end == 0)
			return false;
		i = end;
	}
	return true;
}

/* Nothing but comments and white space. */
static bool is_comment(struct span text)
{
	uint32_t i = 0;

	while (i < text.length) {
		if (text.data[i] == '(')
			i = comment_end(text, i);
		else if (is_space(text.data[i]))
			i++;
		else
			return false;
		if (i == 0)
			return false;
	}
	return true;
}

static void name_it(struct author *out, struct span name)
{
	if (name.length == 0 || name.length > NAME_MAX_OCTETS)
		return;
	out->name = name;
	out->kind = is_phrase(name) ? AUTHOR_PHRASE : AUTHOR_WORDS;
	if (out->kind == AUTHOR_PHRASE && is_comment(name))
		out->kind = AUTHOR_COMMENT;
}

/* ---- the list ------------------------------------------------------------------------------------------------ */

/* An element of the list being read. */
struct reading {
	struct span value;
	struct author *out;
	uint32_t from; /* where its name may begin: elements without an address belong to the name behind them */
	uint32_t begins, ends; /* its words, without comments around them */
	struct span comment;   /* its last */
	bool angle;            /* its address was read */
	bool decided;          /* whose name counts */
	/* One that did not end: the search for the end of the next of its kind would go to the same place. */
	bool no_comment, no_quotes, no_angle, no_literal;
};

static bool is_address(struct span text)
{
	const char *at = text.length ? memrchr(text.data, '@', text.length) : NULL;

	return at && at > text.data && at + 1 < text.data + text.length;
}

static void add_address(struct author *out, struct span address)
{
	if (!is_address(address))
		return;
	if (out->addresses == 0)
		out->address = address;
	if (out->addresses < AUTHOR_ADDRESSES_MAX)
		out->addresses++;
}

/* "<address>", up to before the ">", or with a route before it (RFC 5322 4.4). */
static void end_angle(struct reading *r, uint32_t at, uint32_t end)
{
	struct span inside = trim(r->value.data, at + 1, end);
	const char *colon = inside.length && inside.data[0] == '@' ? memchr(inside.data, ':', inside.length) : NULL;

	if (colon) {
		uint32_t route = (uint32_t)(colon + 1 - inside.data);
		inside = trim(inside.data, route, inside.length);
	}
	add_address(r->out, inside);
	r->angle = true;
	if (r->decided)
		return;
	r->decided = true;
	name_it(r->out, trim(r->value.data, r->from, at));
}

/* The list goes on, or ends. */
static void end_element(struct reading *r, uint32_t at)
{
	struct span words = {r->value.data + r->begins, r->ends - r->begins};

	if (!r->angle && words.length > 0 && is_address(words)) {
		add_address(r->out, words);
		if (!r->decided)
			name_it(r->out, r->comment);
		r->decided = true;
	}
	if (r->decided || trim(r->value.data, r->from, at).length == 0)
		r->from = at + 1;
	r->begins = r->ends = 0;
	r->comment = (struct span){NULL, 0};
	r->angle = false;
}

/* "name: addresses;" */
static void begin_group(struct reading *r, uint32_t at)
{
	if (!r->decided)
		name_it(r->out, trim(r->value.data, r->from, at));
	r->decided = r->decided || r->out->kind != AUTHOR_NAMELESS;
	r->from = at + 1;
	r->begins = r->ends = 0;
}

static void words(struct reading *r, uint32_t at, uint32_t end)
{
	if (r->ends == 0)
		r->begins = at;
	r->ends = end;
}

/* Where what begins at `at` ends. One that does not end is read as if it were a letter. */
static uint32_t whole(struct reading *r, uint32_t at, uint32_t (*end_of)(struct span, uint32_t), bool *none)
{
	uint32_t end = *none ? 0 : end_of(r->value, at);

	if (end > 0)
		return end;
	*none = true;
	r->out->well_formed = false;
	words(r, at, at + 1);
	return 0;
}

static uint32_t comment(struct reading *r, uint32_t at)
{
	uint32_t end = whole(r, at, comment_end, &r->no_comment);

	if (end)
		r->comment = (struct span){r->value.data + at, end - at};
	return end;
}

/* One that does not end is as long as its element. */
static uint32_t angle(struct reading *r, uint32_t at)
{
	uint32_t end = r->no_angle ? 0 : angle_end(r->value, at);

	if (end) {
		end_angle(r, at, end - 1);
		return end;
	}
	r->no_angle = true;
	r->out->well_formed = false;
	for (end = at + 1; end < r->value.length && r->value.data[end] != ',' && r->value.data[end] != ';';)
		end++;
	end_angle(r, at, end);
	return end;
}

/* What is not the list's own; where it ends. */
static uint32_t next(struct reading *r, uint32_t at)
{
	char c = r->value.data[at];
	uint32_t end;

	if (c == '(')
		return comment(r, at);
	if (c == '<')
		return angle(r, at);
	if (c == '"')
		end = whole(r, at, quoted_end, &r->no_quotes);
	else if (c == '[')
		end = whole(r, at, literal_end, &r->no_literal);
	else
		end = c == '=' ? encoded_end(r->value, at) : 0;
	if (!is_space(c))
		words(r, at, end ? end : at + 1);
	return end;
}

void author_read(struct span value, struct author *out)
{
	struct reading r = {.value = value, .out = out};
	uint32_t at = 0;

	*out = (struct author){.well_formed = true};
	while (at < value.length) {
		char c = value.data[at];
		uint32_t end = 0;

		if (c == ',' || c == ';')
			end_element(&r, at);
		else if (c == ':' && !r.angle)
			begin_group(&r, at);
		else
			end = next(&r, at);
		at = end ? end : at + 1;
	}
	end_element(&r, value.length);
	/* No address at all: "Copier", "root (Cron Daemon)". */
	if (!r.decided)
		name_it(out, trim(value.data, r.from < value.length ? r.from : value.length, value.length));
}

bool author_same(struct span a, struct span b)
{
	return a.length == b.length && strncasecmp(a.data, b.data, a.length) == 0;
}
