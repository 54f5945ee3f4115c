/*
 * fuzz_smtp_reply.c - the reply parser: the result must not depend on the cut, and stays within its bounds.
 *
 * Input: one octet of seed (its low bit: an EHLO reply), then the stream, which may hold several replies.
 */
#include <stdlib.h>
#include <string.h>

#include "core/smtp/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t seed;

static void need(bool condition)
{
	if (!condition)
		abort();
}

static size_t draw(size_t most)
{
	size_t n;

	seed = seed * 1664525 + 1013904223;
	n = 1 + (seed >> 16) % ((seed >> 8) % 2 ? 3 : 100);
	return n < most ? n : most;
}

static void check_bounds(const struct smtp_reply_parser *parser, enum smtp_reply_result result, const uint8_t *in,
			 size_t taken)
{
	char enhanced[12];

	need(parser->text_length <= SMTP_REPLY_TEXT_MAX && parser->lines <= SMTP_REPLY_LINES_MAX);
	need(memchr(parser->text, 0, parser->text_length) == NULL);
	smtp_reply_enhanced(parser, enhanced);
	need(strlen(enhanced) < sizeof enhanced && (enhanced[0] == '\0' || enhanced[0] == '0' + parser->code / 100));
	if (result == SMTP_REPLY_EMPTY)
		need(taken == 2 && memcmp(in, "\r\n", 2) == 0 && parser->code == 0 && parser->text_length == 0);
	if (result != SMTP_REPLY_DONE)
		return;
	/* What was taken is whole lines, each with the code, and only the last without "-". */
	need(parser->code >= 200 && parser->code <= 599);
	need(taken >= 5 && memcmp(in + taken - 2, "\r\n", 2) == 0 && memchr(in, 0, taken) == NULL);
	for (size_t i = 0; i < taken;) {
		const uint8_t *lf = memchr(in + i, '\n', taken - i);
		size_t end = (size_t)(lf - in) + 1;

		need((unsigned)((in[i] - '0') * 100 + (in[i + 1] - '0') * 10 + in[i + 2] - '0') == parser->code);
		need((in[i + 3] == '-') == (end < taken) && end - i <= SMTP_REPLY_LINE_MAX && lf[-1] == '\r');
		i = end;
	}
}

/* One reply, whole and cut; returns the octets it took, 0 when there is no more to read. */
static size_t check_reply(const uint8_t *in, size_t length, bool ehlo)
{
	struct smtp_reply_parser whole, cut;
	struct smtp_extensions whole_x, cut_x;
	enum smtp_reply_result result, cut_result = SMTP_REPLY_MORE;
	size_t taken, cut_taken = 0, consumed;

	memset(&whole_x, 0, sizeof whole_x);
	memset(&cut_x, 0xff, sizeof cut_x);
	smtp_reply_start(&whole, ehlo ? &whole_x : NULL);
	smtp_reply_start(&cut, ehlo ? &cut_x : NULL);
	result = smtp_reply_parse(&whole, in, length, &taken);
	while (cut_result == SMTP_REPLY_MORE && cut_taken < length) {
		cut_result = smtp_reply_parse(&cut, in + cut_taken, draw(length - cut_taken), &consumed);
		cut_taken += consumed;
	}
	need(result == cut_result && taken == cut_taken && whole.code == cut.code && whole.lines == cut.lines);
	need(whole.text_length == cut.text_length && memcmp(whole.text, cut.text, whole.text_length) == 0);
	if (ehlo)
		need(memcmp(&whole_x, &cut_x, sizeof whole_x) == 0);
	check_bounds(&whole, result, in, taken);
	return result == SMTP_REPLY_DONE || result == SMTP_REPLY_EMPTY ? taken : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t at = 1;

	if (size < 2)
		return 0;
	seed = data[0];
	while (at < size) {
		size_t taken = check_reply(data + at, size - at, data[0] & 1);

		if (taken == 0)
			break;
		at += taken;
	}
	return 0;
}
