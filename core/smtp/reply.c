/*
 * reply.c - the incremental parser of replies, and what an EHLO reply offers.
 *
 * Purpose
 *   One octet at a time, so that the result cannot depend on how the stream was cut.
 *
 *      Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF  (RFC 5321 4.2)
 *
 *      CODE_1 -> CODE_2 -> CODE_3 -> SEPARATOR -> TEXT <-> CR -> CODE_1 (next line) or finished
 *      CODE_1 -> EMPTY_CR -> CODE_1, only before the first line
 *
 * Ownership
 *   Everything is in the caller's struct; nothing is allocated, so an endless peer costs nothing (PAR-05).
 *
 * Invariants
 *   line_start <= text_length <= SMTP_REPLY_TEXT_MAX. While an EHLO reply is read, at least half of the text
 *   stays free for the current line: a long list pushes its lines out of the text, never out of sight.
 *
 * Failure
 *   SMTP_REPLY_BAD, for good: behind a reply we cannot read no later reply can be matched to a command.
 */
#include "core/smtp/reply.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "core/smtp/mechanism.h"
#include "core/smtp/span.h"

enum { CODE_1, CODE_2, CODE_3, SEPARATOR, TEXT, CR, EMPTY_CR, EMPTY, FINISHED, DEAD };

enum { MORE_LINES = 0x80, STATE = 0x7f }; /* a flag beside the state: the line had "-" behind its code */

void smtp_reply_start(struct smtp_reply_parser *parser, struct smtp_extensions *extensions)
{
	if (extensions)
		memset(extensions, 0, sizeof *extensions);
	parser->code = 0;
	parser->state = CODE_1;
	parser->lines = 0;
	parser->line_length = 0;
	parser->text_length = 0;
	parser->line_start = 0;
	parser->extensions = extensions;
}

static bool word_is(struct span word, const char *name)
{
	return word.length == strlen(name) && strncasecmp(word.data, name, word.length) == 0;
}

/* Takes the next word, ended by a space, a tab or `also`, off the text; empty at the end. */
static struct span word_next(struct span *text, char also)
{
	uint32_t start = 0, end;

	while (start < text->length && (text->data[start] == ' ' || text->data[start] == '\t'))
		start++;
	end = start;
	while (end < text->length && text->data[end] != ' ' && text->data[end] != '\t' && text->data[end] != also)
		end++;
	struct span word = {text->data + start, end - start};
	if (end < text->length && text->data[end] == also)
		end++;
	*text = (struct span){text->data + end, text->length - end};
	return word;
}

/* "SIZE", "SIZE 0" and anything that is no 64-bit number: no fixed limit is known (RFC 1870 4). */
static uint64_t size_value(struct span digits)
{
	uint64_t value = 0;

	for (uint32_t i = 0; i < digits.length; i++) {
		if (digits.data[i] < '0' || digits.data[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(digits.data[i] - '0'), &value))
			return 0;
	}
	return value;
}

static void extension_auth(struct smtp_extensions *extensions, struct span rest)
{
	for (struct span word = word_next(&rest, ' '); word.length > 0; word = word_next(&rest, ' ')) {
		int mechanism = sasl_by_name(word);
		if (mechanism >= 0)
			extensions->auth |= (uint8_t)SASL_BIT(mechanism);
	}
}

/* One to six digits, the first no zero (RFC 9422 4); what is anything else says nothing. */
static uint32_t limit_value(struct span digits)
{
	uint32_t value = 0;

	for (uint32_t i = 0; i < digits.length && i < 7; i++) {
		if (digits.data[i] < (i == 0 ? '1' : '0') || digits.data[i] > '9')
			return 0;
		value = value * 10 + (uint32_t)(digits.data[i] - '0');
	}
	return digits.length <= 6 ? value : 0;
}

static void extension_limits(struct smtp_extensions *extensions, struct span rest)
{
	for (struct span word = word_next(&rest, ' '); word.length > 0; word = word_next(&rest, ' ')) {
		struct span value = word, name = word_next(&value, '=');
		uint32_t limit = limit_value(value);

		if (limit > 0 && word_is(name, "RCPTMAX"))
			extensions->recipients_max = limit;
		else if (limit > 0 && word_is(name, "MAILMAX"))
			extensions->messages_max = limit;
	}
}

static void extension_line(struct smtp_extensions *extensions, struct span rest)
{
	struct span keyword = word_next(&rest, '='); /* "AUTH=LOGIN" is an old servers' spelling */

	if (word_is(keyword, "SIZE")) {
		extensions->size_given = true;
		extensions->size_max = size_value(word_next(&rest, ' '));
	} else if (word_is(keyword, "AUTH")) {
		extension_auth(extensions, rest);
	} else if (word_is(keyword, "LIMITS")) {
		extension_limits(extensions, rest);
	}
	extensions->pipelining |= word_is(keyword, "PIPELINING");
	extensions->chunking |= word_is(keyword, "CHUNKING");
	extensions->starttls |= word_is(keyword, "STARTTLS");
	extensions->eight_bit_mime |= word_is(keyword, "8BITMIME");
	extensions->enhanced_codes |= word_is(keyword, "ENHANCEDSTATUSCODES");
	extensions->dsn |= word_is(keyword, "DSN");
	extensions->smtputf8 |= word_is(keyword, "SMTPUTF8");
	extensions->require_tls |= word_is(keyword, "REQUIRETLS");
}

static void text_put(struct smtp_reply_parser *parser, uint8_t octet)
{
	if (parser->text_length < SMTP_REPLY_TEXT_MAX)
		parser->text[parser->text_length++] = (char)octet;
}

static uint8_t code_digit(struct smtp_reply_parser *parser, uint8_t octet)
{
	/* The code of the first line is being built; later lines must repeat it, digit by digit. */
	static const uint8_t divisor[] = {100, 10, 1};
	uint8_t place = parser->state & STATE;

	if (octet < '0' || octet > '9')
		return DEAD;
	if (parser->lines == 0)
		parser->code = (uint16_t)(parser->code * 10 + (octet - '0'));
	else if (parser->code / divisor[place] % 10 != octet - '0')
		return DEAD;
	if (place == CODE_3 && (parser->code < 200 || parser->code > 599))
		return DEAD;
	return place + 1;
}

static uint8_t line_separator(struct smtp_reply_parser *parser, uint8_t octet)
{
	if (octet != ' ' && octet != '-' && octet != '\r')
		return DEAD;
	if (parser->lines > 0)
		text_put(parser, '\n');
	parser->line_start = parser->text_length;
	if (octet == '\r') /* "250" alone: RFC 5321 4.2 asks us to take it */
		return CR;
	return octet == '-' ? TEXT | MORE_LINES : TEXT;
}

static uint8_t line_end(struct smtp_reply_parser *parser)
{
	if (parser->extensions) {
		struct span line = {parser->text + parser->line_start,
				    (uint32_t)(parser->text_length - parser->line_start)};

		if (parser->lines > 0 && parser->code < 300) /* the first line is its name and greeting */
			extension_line(parser->extensions, line);
		if (parser->text_length > SMTP_REPLY_TEXT_MAX / 2)
			parser->text_length =
				parser->lines ? (uint16_t)(parser->line_start - 1) : SMTP_REPLY_TEXT_MAX / 2;
	}
	parser->lines++;
	parser->line_length = 0;
	if (!(parser->state & MORE_LINES))
		return FINISHED;
	return parser->lines < SMTP_REPLY_LINES_MAX ? CODE_1 : DEAD;
}

static uint8_t text_octet(struct smtp_reply_parser *parser, uint8_t octet)
{
	uint8_t more = parser->state & MORE_LINES;
	bool after_cr = (parser->state & STATE) == CR;

	if (after_cr && octet == '\n')
		return line_end(parser);
	if (octet == '\n' || octet == 0)
		return DEAD;
	if (after_cr)
		text_put(parser, '\r');
	if (octet == '\r')
		return CR | more;
	text_put(parser, octet);
	return TEXT | more;
}

static uint8_t reply_octet(struct smtp_reply_parser *parser, uint8_t octet)
{
	if (++parser->line_length > SMTP_REPLY_LINE_MAX)
		return DEAD;
	switch (parser->state & STATE) {
	case CODE_1:
		if (octet == '\r' && parser->lines == 0)
			return EMPTY_CR;
		return code_digit(parser, octet);
	case EMPTY_CR:
		return octet == '\n' ? EMPTY : DEAD;
	case CODE_2:
	case CODE_3:
		return code_digit(parser, octet);
	case SEPARATOR:
		return line_separator(parser, octet);
	case TEXT:
	case CR:
		return text_octet(parser, octet);
	default:
		return DEAD;
	}
}

/* Octets of a text that mean nothing to the parser are taken at once: as many as reply_octet() would take one by one,
 * and with the same result. */
static size_t plain_text(struct smtp_reply_parser *parser, const uint8_t *data, size_t length)
{
	size_t most = SMTP_REPLY_LINE_MAX - parser->line_length, room = SMTP_REPLY_TEXT_MAX - parser->text_length,
	       n = 0;

	if (most > length)
		most = length;
	while (n < most && data[n] > '\r')
		n++;
	memcpy(parser->text + parser->text_length, data, n < room ? n : room);
	parser->text_length += (uint16_t)(n < room ? n : room);
	parser->line_length += (uint32_t)n;
	return n;
}

enum smtp_reply_result smtp_reply_parse(struct smtp_reply_parser *parser, const uint8_t *data, size_t length,
					size_t *consumed)
{
	size_t i = 0;

	assert(parser->state != FINISHED);
	while (i < length && (parser->state & STATE) < EMPTY) {
		if ((parser->state & STATE) == TEXT)
			i += plain_text(parser, data + i, length - i);
		if (i < length)
			parser->state = reply_octet(parser, data[i++]);
	}
	*consumed = i;
	if (parser->state == EMPTY) {
		parser->state = CODE_1;
		parser->line_length = 0;
		return SMTP_REPLY_EMPTY;
	}
	assert(parser->line_start <= SMTP_REPLY_TEXT_MAX && parser->text_length <= SMTP_REPLY_TEXT_MAX);
	if (parser->state == DEAD)
		return SMTP_REPLY_BAD;
	return parser->state == FINISHED ? SMTP_REPLY_DONE : SMTP_REPLY_MORE;
}

/* class "." subject "." detail, the last two of one to three digits (RFC 3463 2), its class the code's. */
void smtp_reply_enhanced(const struct smtp_reply_parser *parser, char out[12])
{
	const char *text = parser->text;
	unsigned length = parser->text_length, i = 1;

	out[0] = '\0';
	if (length < 5 || text[0] != '0' + parser->code / 100)
		return;
	for (unsigned part = 0; part < 2; part++) {
		unsigned digits = 0;

		if (i >= length || text[i++] != '.')
			return;
		while (i < length && digits < 3 && text[i] >= '0' && text[i] <= '9') {
			digits++;
			i++;
		}
		if (digits == 0)
			return;
	}
	if (i < length && text[i] != ' ' && text[i] != '\n' && text[i] != '\t')
		return;
	memcpy(out, text, i);
	out[i] = '\0';
}

void smtp_quote(const uint8_t *data, size_t length, char *out, size_t room)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = 0;

	assert(room >= 8);
	for (size_t i = 0; i < length; i++) {
		char form[4] = {'\\', 'x', digits[data[i] >> 4], digits[data[i] & 15]};
		size_t size = 4;

		if (data[i] == '\r' || data[i] == '\n') {
			form[1] = data[i] == '\r' ? 'r' : 'n';
			size = 2;
		} else if (data[i] >= ' ' && data[i] < 0x7f) {
			form[0] = (char)data[i];
			size = 1;
		}
		/* Room for the dots stays free. */
		if (n + size + 4 > room) {
			memcpy(out + n, "...", 3);
			n += 3;
			break;
		}
		memcpy(out + n, form, size);
		n += size;
	}
	out[n] = '\0';
}
