/*
 * core/deliver/setup.c - see setup.h.
 */
#include "core/deliver/setup.h"

#include <assert.h>
#include <string.h>

#include "core/base/line.h"
#include "core/config/config.h"

enum { HOSTNAME_MAX = 255 };

static const struct states_row steps[] = {
	[SETUP_GREETING] = {"GREETING", STATES_BIT(SETUP_EHLO) | STATES_BIT(SETUP_HELO)},
	[SETUP_HANDSHAKE] = {"HANDSHAKE", STATES_BIT(SETUP_GREETING) | STATES_BIT(SETUP_EHLO)},
	[SETUP_EHLO] = {"EHLO", STATES_BIT(SETUP_HELO) | STATES_BIT(SETUP_STARTTLS) | STATES_BIT(SETUP_AUTH) |
					STATES_BIT(SETUP_READY)},
	[SETUP_HELO] = {"HELO", STATES_BIT(SETUP_READY)},
	[SETUP_STARTTLS] = {"STARTTLS", STATES_BIT(SETUP_HANDSHAKE) | STATES_BIT(SETUP_READY)},
	/* For itself with each mechanism. */
	[SETUP_AUTH] = {"AUTH", STATES_BIT(SETUP_AUTH) | STATES_BIT(SETUP_READY)},
	[SETUP_READY] = {"READY", 0},
};
const struct states setup_steps = {"setup", steps, sizeof(steps) / sizeof(steps[0])};

static void move(struct setup *s, enum setup_step step)
{
	states_move(&setup_steps, &s->step, step);
}

enum stage setup_stage(const struct setup *s)
{
	static const enum stage stages[] = {
		[SETUP_GREETING] = STAGE_GREETING, [SETUP_HANDSHAKE] = STAGE_TLS,     [SETUP_EHLO] = STAGE_EHLO,
		[SETUP_HELO] = STAGE_EHLO,         [SETUP_STARTTLS] = STAGE_STARTTLS, [SETUP_AUTH] = STAGE_AUTH,
		[SETUP_READY] = STAGE_EHLO,
	};

	return stages[s->step];
}

struct smtp_extensions *setup_collects(struct setup *s)
{
	return s->step == SETUP_EHLO ? &s->extensions : NULL;
}

enum setup_go setup_begin(struct setup *s, const struct setup_terms *terms)
{
	*s = (struct setup){.terms = *terms, .step = terms->implicit ? SETUP_HANDSHAKE : SETUP_GREETING};
	return terms->implicit ? SETUP_SECURE : SETUP_LISTEN;
}

/* ---- commands ----------------------------------------------------------------------------------------------- */

static enum setup_go say(struct setup *s, enum setup_step step, const char *verb, struct setup_next *next)
{
	struct line line = {.data = next->line, .size = sizeof(next->line)};

	move(s, step);
	line_text(&line, verb);
	if (step != SETUP_STARTTLS)
		line_put(&line, s->terms.hostname, strnlen(s->terms.hostname, HOSTNAME_MAX));
	line_text(&line, "\r\n");
	next->length = line.length;
	return SETUP_SAY;
}

static enum setup_go say_hello(struct setup *s, bool helo, struct setup_next *next)
{
	/* What was learned before TLS is forgotten (RFC 3207 4.2). */
	memset(&s->extensions, 0, sizeof(s->extensions));
	s->helo = helo;
	return helo ? say(s, SETUP_HELO, "HELO ", next) : say(s, SETUP_EHLO, "EHLO ", next);
}

enum setup_go setup_secured(struct setup *s, struct setup_next *next)
{
	assert(s->step == SETUP_HANDSHAKE && !s->secured);
	s->secured = true;
	if (!s->terms.implicit)
		return say_hello(s, false, next);
	move(s, SETUP_GREETING);
	return SETUP_LISTEN;
}

/* ---- replies ------------------------------------------------------------------------------------------------ */

/* 421 is followed by the end of the connection (RFC 5321 3.8). */
static enum setup_go refuse(const struct setup *s, const struct smtp_reply_parser *reply, const char *why,
			    struct setup_next *next)
{
	next->why = why;
	next->by_reply = true;
	next->stage = setup_stage(s);
	return reply->code == 421 ? SETUP_BREAK : SETUP_REFUSE;
}

/* What the operator knows better. */
static void ignore_extensions(struct setup *s)
{
	unsigned ignored = s->terms.ignored;
	struct smtp_extensions *x = &s->extensions;

	x->pipelining = x->pipelining && !(ignored & CONFIG_PIPELINING);
	x->chunking = x->chunking && !(ignored & CONFIG_CHUNKING);
	x->size_given = x->size_given && !(ignored & CONFIG_SIZE);
	x->eight_bit_mime = x->eight_bit_mime && !(ignored & CONFIG_8BITMIME);
	x->enhanced_codes = x->enhanced_codes && !(ignored & CONFIG_ENHANCEDSTATUSCODES);
	x->dsn = x->dsn && !(ignored & CONFIG_DSN);
}

/* Nothing is needed that only EHLO offers. What STARTTLS needs comes before it is known whether EHLO is borne. */
static bool helo_is_enough(const struct setup *s)
{
	const struct setup_terms *terms = &s->terms;

	/* Who has spoken TLS is not spoken to in clear because of what he does behind it. */
	if (terms->tls_if_offered && s->secured)
		return false;
	return terms->mechanism_count == 0 && (!terms->tls || terms->implicit);
}

/*
 * Old servers and those that guard devices do not only answer 500 or 502: they close, or say that there is no service
 * (521 and 554). The same words are for who may not send at all. So HELO is tried, over another connection, since
 * what follows such a reply on this one is anybody's guess (RFC 5321 3.2 and 4.1.1.1: a client falls back).
 */
bool setup_helo_may_do(const struct setup *s)
{
	return s->step == SETUP_EHLO && helo_is_enough(s);
}

bool setup_said_helo(const struct setup *s)
{
	return s->step == SETUP_HELO && s->terms.helo;
}

static enum setup_go refuse_hello(const struct setup *s, const struct smtp_reply_parser *reply, struct setup_next *next)
{
	next->helo = (reply->code == 521 || reply->code == 554) && setup_helo_may_do(s);
	return refuse(s, reply, "EHLO refused by the next hop", next);
}

static bool tls_lacks(const struct setup *s)
{
	return s->terms.tls && !s->secured;
}

/* ---- AUTH ------------------------------------------------------------------------------------------------------- */

static enum setup_go cannot_sign_in(const char *why, struct setup_next *next)
{
	next->why = why;
	next->stage = STAGE_AUTH;
	return SETUP_REFUSE;
}

/* The next of the wanted mechanisms that is offered. False: there is none. */
static bool choose_mechanism(struct setup *s)
{
	while (s->mechanisms_tried < s->terms.mechanism_count) {
		enum sasl_mechanism mechanism = s->terms.mechanisms[s->mechanisms_tried++];
		if (s->extensions.auth & SASL_BIT(mechanism)) {
			sasl_begin(&s->sasl, mechanism);
			return true;
		}
	}
	return false;
}

static enum setup_go sign_in(struct setup *s, struct setup_next *next)
{
	if (!s->secured)
		return cannot_sign_in("nobody signs in without TLS", next);
	if (s->extensions.auth == 0)
		return cannot_sign_in("the next hop offers no authentication", next);
	if (!choose_mechanism(s))
		return cannot_sign_in(
			"the next hop offers none of the mechanisms of AUTH that it is to be signed in by", next);
	move(s, SETUP_AUTH);
	return SETUP_LOGIN;
}

enum setup_go setup_login(struct setup *s, const struct sasl_login *login, struct setup_next *next)
{
	assert(s->step == SETUP_AUTH && s->secured);
	next->length = sasl_say(&s->sasl, login, next->line);
	return SETUP_SAY;
}

/*
 * It is the mechanism that is refused (RFC 4954 4 and 6: 504, 534, 538), or the command as such, and not who signs in:
 * another one may do. Not for 535: each further try of a wrong password counts where they are counted.
 */
static bool other_mechanism_may_do(unsigned code)
{
	return (code >= 500 && code <= 504) || code == 534 || code == 538;
}

static enum setup_go reply_auth(struct setup *s, const struct smtp_reply_parser *reply, struct setup_next *next)
{
	switch (sasl_hear(&s->sasl, reply->code, (struct span){reply->text, reply->text_length})) {
	case SASL_SAY:
		return sasl_needs_login(&s->sasl) ? SETUP_LOGIN : setup_login(s, NULL, next);
	case SASL_DONE:
		move(s, SETUP_READY);
		return SETUP_DONE;
	case SASL_REFUSED:
		if (other_mechanism_may_do(reply->code) && s->sasl.said != SASL_SAID_CANCEL && choose_mechanism(s)) {
			move(s, SETUP_AUTH);
			return SETUP_LOGIN;
		}
		return refuse(s, reply, "the next hop refuses the login", next);
	default:
		next->why = "a reply to AUTH that makes no sense";
		next->stage = STAGE_AUTH;
		return SETUP_BREAK;
	}
}

/* ---- what comes next ------------------------------------------------------------------------------------------- */

static enum setup_go after_hello(struct setup *s, struct setup_next *next)
{
	ignore_extensions(s);
	if (!s->secured && s->terms.tls_if_offered && s->extensions.starttls)
		return say(s, SETUP_STARTTLS, "STARTTLS", next);
	if (!tls_lacks(s) && s->terms.mechanism_count > 0)
		return sign_in(s, next);
	if (!tls_lacks(s)) {
		move(s, SETUP_READY);
		return SETUP_DONE;
	}
	if (s->extensions.starttls)
		return say(s, SETUP_STARTTLS, "STARTTLS", next);
	next->why = "TLS is required, but the next hop does not offer STARTTLS";
	next->stage = STAGE_STARTTLS;
	return SETUP_REFUSE;
}

/* EHLO is not known there (RFC 5321 4.1.4), and nothing that only EHLO can offer is asked for. */
static bool helo_may_do(const struct setup *s, unsigned code)
{
	return s->step == SETUP_EHLO && code >= 500 && code != 521 && code != 554 && !tls_lacks(s) &&
	       s->terms.mechanism_count == 0;
}

static enum setup_go reply_starttls(struct setup *s, size_t behind, struct setup_next *next)
{
	/* An octet behind the reply was never under TLS's protection (STL-06). */
	if (behind > 0) {
		next->why = "the next hop sent data behind its reply to STARTTLS";
		next->stage = STAGE_STARTTLS;
		return SETUP_BREAK;
	}
	move(s, SETUP_HANDSHAKE);
	return SETUP_SECURE;
}

/*
 * The command is refused, and the connection is as it was before it (RFC 3207 4.1). 421 ends it, and after what is no
 * refusal nobody knows where it stands.
 */
static bool goes_on_in_clear(const struct setup *s, unsigned code)
{
	return !s->terms.tls && s->terms.mechanism_count == 0 && code >= 400 && code < 600 && code != 421;
}

static enum setup_go refuse_starttls(struct setup *s, const struct smtp_reply_parser *reply, struct setup_next *next)
{
	if (!goes_on_in_clear(s, reply->code))
		return refuse(s, reply, "STARTTLS refused by the next hop", next);
	s->tls_refused = true;
	move(s, SETUP_READY);
	return SETUP_DONE;
}

enum setup_go setup_reply(struct setup *s, const struct smtp_reply_parser *reply, size_t behind,
			  struct setup_next *next)
{
	bool positive = reply->code >= 200 && reply->code < 300; /* the first digit decides (RFC 5321 4.2.1) */

	next->by_reply = next->helo = false;
	switch (s->step) {
	case SETUP_GREETING:
		return positive ? say_hello(s, s->terms.helo && helo_is_enough(s), next)
				: refuse(s, reply, "refused by the next hop", next);
	case SETUP_EHLO:
	case SETUP_HELO:
		if (positive)
			return after_hello(s, next);
		if (helo_may_do(s, reply->code))
			return say_hello(s, true, next);
		return refuse_hello(s, reply, next);
	case SETUP_STARTTLS:
		return positive ? reply_starttls(s, behind, next) : refuse_starttls(s, reply, next);
	case SETUP_AUTH:
		return reply_auth(s, reply, next);
	default:
		next->why = "a reply without a command";
		next->stage = setup_stage(s);
		return SETUP_BREAK;
	}
}
