/*
 * fuzz_smtp_seven_bit.c - 8-bit content for hosts without 8BITMIME: what was converted has the same leaves for a reader
 * of its own (below, over the whole message and not in pieces), no octets above 127 but in headers, the length that was
 * said, and is the same however it was cut.
 *
 * Input: one octet that says where it is cut, then content, whose lines end in LF or CRLF.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/smtp/seven_bit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

/* ---- the reader ---------------------------------------------------------------------------------------------- */

struct text {
	const char *at, *end;
};

struct leaves {
	uint8_t *octets; /* each behind the other, with what separates them */
	size_t length;
};

static void add(struct leaves *l, int octet)
{
	l->octets[l->length++] = (uint8_t)octet;
}

/* The line at `at`, with its end. */
static struct text line_at(const char *at, const char *end)
{
	const char *lf = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;

	return (struct text){at, lf ? lf + 1 : end};
}

/* The value of a field, unfolded, in lower case but for quotes; "": it is not there. */
static void field(struct text header, const char *name, char *out, size_t room)
{
	size_t length = strlen(name), n = 0;
	bool in = false;

	for (struct text line = line_at(header.at, header.end); line.at < header.end;
	     line = line_at(line.end, header.end)) {
		bool fold = *line.at == ' ' || *line.at == '\t';
		const char *value = line.at;
		if (!fold) {
			const char *colon = memchr(line.at, ':', (size_t)(line.end - line.at));
			size_t its = colon ? (size_t)(colon - line.at) : 0;
			while (its > 0 && (line.at[its - 1] == ' ' || line.at[its - 1] == '\t'))
				its--;
			in = its == length && strncasecmp(line.at, name, length) == 0;
			value = colon ? colon + 1 : line.end;
		}
		for (; in && value < line.end && n + 1 < room; value++) {
			if (*value != '\r' && *value != '\n')
				out[n++] = *value;
		}
	}
	out[n] = '\0';
}

static bool begins(const char *value, const char *word)
{
	value += strspn(value, " \t");
	return strncasecmp(value, word, strlen(word)) == 0;
}

static bool boundary_in(const char *type, char out[128])
{
	const char *at = type;
	size_t n = 0;

	for (bool quoted = false; *at; at++) {
		if (*at == '"')
			quoted = !quoted;
		if (quoted && *at == '\\' && at[1])
			at++;
		else if (!quoted && *at == ';' && begins(at + 1, "boundary"))
			break;
	}
	at = *at ? strchr(at, '=') : NULL;
	if (!at)
		return false;
	at += 1 + strspn(at + 1, " \t");
	if (*at == '"') {
		for (at++; *at && *at != '"' && n < 100; at++)
			out[n++] = *at;
	} else {
		while (*at && !strchr("; \t", *at) && n < 100)
			out[n++] = *at++;
	}
	out[n] = '\0';
	return n > 0;
}

static int hex(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void quoted(struct text body, struct leaves *l)
{
	for (const char *c = body.at; c < body.end; c++) {
		if (*c != '=' || c + 2 >= body.end) {
			add(l, (unsigned char)*c);
			continue;
		}
		if (c[1] != '\r')
			add(l, hex(c[1]) * 16 + hex(c[2]));
		c += 2;
	}
}

static void base64(struct text body, struct leaves *l)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned bits = 0, have = 0;

	for (const char *c = body.at; c < body.end; c++) {
		const char *digit = *c ? strchr(digits, *c) : NULL;
		if (!digit)
			continue;
		bits = bits << 6 | (unsigned)(digit - digits);
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		add(l, (int)(bits >> have & 255));
	}
}

static bool is_boundary(struct text line, const char *boundary, bool *close)
{
	size_t n = strlen(boundary), i = 2 + n, length = (size_t)(line.end - line.at);

	if (length < i || memcmp(line.at, "--", 2) != 0 || memcmp(line.at + 2, boundary, n) != 0)
		return false;
	*close = length >= i + 2 && memcmp(line.at + i, "--", 2) == 0;
	i += *close ? 2 : 0;
	while (i < length && isspace((unsigned char)line.at[i]))
		i++;
	return i == length;
}

static void read_message(struct text t, bool digest, struct leaves *l);

static void read_parts(struct text body, const char *boundary, bool digest, struct leaves *l)
{
	const char *from = NULL;
	bool close = false;

	for (struct text line = line_at(body.at, body.end); line.at < body.end && !close;
	     line = line_at(line.end, body.end)) {
		if (!is_boundary(line, boundary, &close))
			continue;
		if (from)
			read_message((struct text){from, line.at - (line.at >= from + 2 ? 2 : 0)}, digest, l);
		from = line.end;
	}
}

/* And no type that only begins like it. */
static bool is_digest(const char *type)
{
	static const char digest[] = "multipart/digest";

	return begins(type, digest) && strchr("; \t", type[strspn(type, " \t") + sizeof(digest) - 1]);
}

static void read_message(struct text t, bool digest, struct leaves *l)
{
	char type[4096], encoding[256], boundary[128];
	struct text header = {t.at, t.at}, body;

	while (header.end < t.end && *header.end != '\r')
		header.end = line_at(header.end, t.end).end;
	body = (struct text){header.end < t.end ? line_at(header.end, t.end).end : t.end, t.end};
	field(header, "content-type", type, sizeof(type));
	field(header, "content-transfer-encoding", encoding, sizeof(encoding));
	add(l, '[');
	if (begins(type, "multipart/") && boundary_in(type, boundary)) {
		read_parts(body, boundary, is_digest(type), l);
	} else if ((begins(type, "message/rfc822") || (digest && !*type)) && !begins(encoding, "q") &&
		   !begins(encoding, "b") && !begins(encoding, "x")) {
		read_message(body, false, l);
	} else if (begins(encoding, "quoted-printable")) {
		quoted(body, l);
	} else if (begins(encoding, "base64")) {
		base64(body, l);
	} else {
		for (const char *c = body.at; c < body.end; c++)
			add(l, (unsigned char)*c);
	}
	add(l, ']');
}

static struct leaves leaves_of(const uint8_t *content, size_t length)
{
	struct leaves l = {.octets = malloc(4 * length + 64)};

	need(l.octets != NULL);
	read_message((struct text){(const char *)content, (const char *)content + length}, false, &l);
	return l;
}

/* ---- what is tried -------------------------------------------------------------------------------------------- */

struct made {
	enum seven_bit_result result;
	uint8_t *out;
	size_t length;
};

static struct made make(const uint8_t *in, size_t length, size_t step)
{
	struct seven_bit *s = malloc(sizeof(*s));
	struct made made = {.out = NULL};

	need(s != NULL);
	seven_bit_init(s);
	for (size_t i = 0; i < length; i += step)
		seven_bit_look(s, in + i, length - i < step ? length - i : step);
	made.result = seven_bit_looked(s);
	if (made.result == SEVEN_BIT_CONVERT) {
		made.out = malloc((size_t)((int64_t)length + seven_bit_growth(s)) + 1);
		need(made.out != NULL);
		seven_bit_rewind(s);
		for (size_t i = 0; i < length + step; i += step) {
			size_t n = i >= length ? 0 : length - i < step ? length - i : step, written;
			uint8_t *piece = malloc(seven_bit_room(n));
			need(piece != NULL);
			written = i >= length ? seven_bit_end(s, piece) : seven_bit_write(s, in + i, n, piece);
			need(written <= seven_bit_room(n));
			memcpy(made.out + made.length, piece, written);
			made.length += written;
			free(piece);
			if (i >= length)
				break;
		}
		need((int64_t)made.length == (int64_t)length + seven_bit_growth(s));
		need(!s->mime.malformed);
	}
	free(s);
	return made;
}

static void check(const uint8_t *content, size_t length, const struct made *made)
{
	struct leaves before = leaves_of(content, length), after = leaves_of(made->out, made->length);
	struct made again = make(made->out, made->length, made->length + 1);

	need(before.length == after.length && memcmp(before.octets, after.octets, before.length) == 0);
	need(again.result == SEVEN_BIT_AS_IS);
	free(before.octets);
	free(after.octets);
	free(again.out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *content;
	size_t length = 0;
	struct made whole, cut;

	if (size < 1)
		return 0;
	content = malloc(2 * size + 2);
	need(content != NULL);
	for (size_t i = 1; i < size; i++) {
		if (data[i] == '\0' || data[i] == '\r')
			continue;
		if (data[i] == '\n')
			content[length++] = '\r';
		content[length++] = data[i];
	}
	whole = make(content, length, length + 1);
	cut = make(content, length, 1 + data[0] % 64u);
	need(whole.result == cut.result && whole.length == cut.length);
	if (whole.result == SEVEN_BIT_CONVERT) {
		need(memcmp(whole.out, cut.out, whole.length) == 0);
		check(content, length, &whole);
	}
	free(whole.out);
	free(cut.out);
	free(content);
	return 0;
}
