/*
 * fuzz_setup.c - what a next hop says before the first message, against the rules that must hold whatever it says.
 *
 * Input: two octets of terms, then the replies as they come over the wire. A handshake succeeds.
 *
 * - AUTH is said with TLS only, and where somebody is to sign in it is not ready before that was accepted
 * - where TLS is demanded, nothing but EHLO and STARTTLS is said without, and it is not ready without
 * - what was offered without TLS counts for nothing behind it
 * - HELO is not said where TLS has yet to be asked for, or somebody signs in
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
	if (memcmp(next->line, "HELO ", 5) == 0)
		need(s->terms.mechanism_count == 0 && (s->secured || !tls));
	if (s->step == SETUP_AUTH) {
		need(s->secured && s->extensions.auth != 0 && s->terms.mechanism_count > 0);
		return;
	}
	if (memcmp(next->line, "EHLO ", 5) == 0 || memcmp(next->line, "HELO ", 5) == 0)
		need(!s->extensions.pipelining && !s->extensions.starttls && !s->extensions.size_given);
	else
		need(memcmp(next->line, "STARTTLS\r\n", 10) == 0 && tls && !s->secured);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct sasl_login login = {.user = {"joe", 3}, .secret = {"secret", 6}, .host = {"h", 1}, 25};
	static struct setup_next next;
	struct smtp_reply_parser parser;
	struct setup_terms terms = {.hostname = "relay.example"};
	struct setup s;
	size_t at = 2, consumed;
	unsigned replies = 0;
	enum setup_go go;

	if (size < 2)
		return 0;
	next.why = NULL;
	terms.tls = data[0] & 1;
	terms.implicit = (data[0] & 3) == 3;
	terms.ignored = data[0] >> 3;
	for (unsigned i = 0; i < SASL_MECHANISMS; i++)
		terms.mechanisms[i] = (uint8_t)((data[1] + i) % SASL_MECHANISMS);
	terms.mechanism_count = data[1] >> 2 & 3;
	terms.helo = data[1] >> 4 & 1;
	go = setup_begin(&s, &terms);
	for (;;) {
		if (go == SETUP_SECURE) {
			need(!s.secured && terms.tls);
			go = setup_secured(&s, &next);
			continue;
		}
		if (go == SETUP_LOGIN)
			go = setup_login(&s, &login, &next);
		if (go == SETUP_SAY)
			check_line(&s, &next, terms.tls);
		else if (go != SETUP_LISTEN)
			break;
		smtp_reply_start(&parser, setup_collects(&s));
		if (smtp_reply_parse(&parser, data + at, size - at, &consumed) != SMTP_REPLY_DONE)
			return 0;
		at += consumed;
		need(++replies <= 20);
		go = setup_reply(&s, &parser, size - at, &next);
	}
	if (go == SETUP_DONE)
		need(s.step == SETUP_READY && (s.secured || !terms.tls) &&
		     (terms.mechanism_count == 0 || (s.secured && s.sasl.said != SASL_SAID_NOTHING)));
	else
		need((!next.helo || s.step == SETUP_EHLO) && next.why && next.why[0] &&
		     (next.stage <= STAGE_STARTTLS || next.stage == STAGE_AUTH) && s.step != SETUP_READY);
	return 0;
}
