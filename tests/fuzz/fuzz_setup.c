/*
 * fuzz_setup.c - what a next hop says before the first message, against the rules that must hold whatever it says.
 *
 * Input: an octet of terms, then the replies as they come over the wire. A handshake succeeds.
 *
 * - where TLS is demanded, nothing but EHLO and STARTTLS is said without, and it is not ready without
 * - what was offered without TLS counts for nothing behind it
 * - it comes to an end within a few replies, and says nothing behind that
 */
#include <stdlib.h>
#include <string.h>

#include "core/deliver/setup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

static void check_line(const struct setup *s, const struct setup_next *next, bool tls)
{
	need(next->length >= 6 && next->length <= SETUP_LINE_MAX);
	need(memchr(next->line, '\n', next->length) == next->line + next->length - 1);
	if (tls && !s->secured)
		need(memcmp(next->line, "EHLO ", 5) == 0 || memcmp(next->line, "STARTTLS\r\n", 10) == 0);
	if (memcmp(next->line, "EHLO ", 5) == 0 || memcmp(next->line, "HELO ", 5) == 0)
		need(!s->extensions.pipelining && !s->extensions.starttls && !s->extensions.size_given);
	else
		need(memcmp(next->line, "STARTTLS\r\n", 10) == 0 && tls && !s->secured);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct setup_next next = {.why = NULL};
	struct smtp_reply_parser parser;
	struct setup_terms terms = {.hostname = "relay.example"};
	struct setup s;
	size_t at = 1, consumed;
	unsigned replies = 0;
	enum setup_go go;

	if (size < 1)
		return 0;
	terms.tls = data[0] & 1;
	terms.implicit = (data[0] & 3) == 3;
	terms.ignored = data[0] >> 3;
	go = setup_begin(&s, &terms);
	for (;;) {
		if (go == SETUP_SECURE) {
			need(!s.secured && terms.tls);
			go = setup_secured(&s, &next);
			continue;
		}
		if (go == SETUP_SAY)
			check_line(&s, &next, terms.tls);
		else if (go != SETUP_LISTEN)
			break;
		smtp_reply_start(&parser, setup_collects(&s));
		if (smtp_reply_parse(&parser, data + at, size - at, &consumed) != SMTP_REPLY_DONE)
			return 0;
		at += consumed;
		need(++replies <= 6);
		go = setup_reply(&s, &parser, size - at, &next);
	}
	if (go == SETUP_DONE)
		need(s.step == SETUP_READY && (s.secured || !terms.tls));
	else
		need(next.why && next.why[0] && next.stage <= STAGE_STARTTLS && s.step != SETUP_READY);
	return 0;
}
