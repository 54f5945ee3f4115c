/*
 * core/agents/token_reply.h - what a token endpoint answers (RFC 6749 section 5), and what it means to people.
 *
 * Pure: text in, facts out. Errors come as JSON; those of Entra carry a number (AADSTS...) that says more than the
 * protocol's own words, and what to do about it stands in a table here. Never asserts on what came.
 */
#ifndef POSTRIDER_AGENTS_TOKEN_REPLY_H
#define POSTRIDER_AGENTS_TOKEN_REPLY_H

#include <stddef.h>
#include <stdint.h>

#include "core/agents/token.h"
#include "core/base/secret.h"

enum {
	TOKEN_REPLY_MAX = 65536,          /* octets of an answer */
	TOKEN_LIFETIME_USUAL_S = 600,     /* where none is told */
	TOKEN_LIFETIME_MAX_S = 7 * 86400, /* whatever is told */
	TOKEN_REFRESH_MAX = 16384,
};

enum token_outcome {
	TOKEN_GIVEN,
	TOKEN_LATER,   /* nobody has to act: overloaded, broken, away */
	TOKEN_REFUSED, /* somebody has to act */
	TOKEN_CLOCK,   /* what was signed is too old or too new by the endpoint's clock */
};

struct token_reply {
	enum token_outcome outcome;
	struct secret access_token, refresh_token; /* refresh_token: none where text is NULL */
	uint64_t lifetime_s;
	uint64_t pause_s; /* it wants to be left alone for so long, whoever asks; 0: it says nothing of that */
	char problem[TOKEN_PROBLEM_SIZE]; /* "" where it was given */
};

/* Once, before threads: memory of what is parsed is wiped when it is given back. */
void token_reply_init(void);
/* `status`: of HTTP. */
void token_reply_parse(unsigned status, const char *text, size_t length, struct token_reply *reply);
void token_reply_wipe(struct token_reply *reply);

/* What to do about an error of Entra's by its number, or NULL. */
const char *token_reply_advice(unsigned long aadsts);

/* A token as a program prints it: JSON as above, or the token alone on a line. */
void token_reply_parse_output(const char *text, size_t length, struct token_reply *reply);

#endif
