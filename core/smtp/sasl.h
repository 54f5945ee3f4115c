/*
 * core/smtp/sasl.h - the client's side of AUTH (RFC 4954): PLAIN (RFC 4616), LOGIN, XOAUTH2, OAUTHBEARER (RFC 7628).
 *
 *     sasl_begin() -> sasl_say() -> a reply -> sasl_hear() -> SAY: sasl_say() again, or the end
 *
 * Pure. The login is given whenever there is something to say that needs it and is not kept, so a secret is nowhere but
 * where the caller has it, and in the line that is said, which the caller wipes.
 *
 * What a server asks behind 334 is not looked at: prompts come in every wording, and each mechanism knows what comes
 * next. Only where a token was given does a further 334 have something to say, which is why it is refused.
 */
#ifndef POSTRIDER_SMTP_SASL_H
#define POSTRIDER_SMTP_SASL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/smtp/mechanism.h"
#include "core/smtp/span.h"

enum {
	SASL_LINE_MAX = 12288,  /* RFC 4954 4, of a line within the exchange */
	SASL_COMMAND_MAX = 512, /* RFC 5321 4.5.3.1.4, of the command: a longer initial response waits for 334 */
	SASL_USER_MAX = 240,
	SASL_SECRET_MAX = 8192, /* so that every mechanism's response fits into a line */
	SASL_HOST_MAX = 255,
	SASL_CHALLENGE_MAX = 400,
};

/* Without NUL, CR and LF. A token is visible ASCII. */
struct sasl_login {
	struct span user, secret;
	struct span host; /* whom it is said to; OAUTHBEARER names it */
	uint16_t port;
};

enum sasl_said {
	SASL_SAID_NOTHING,
	SASL_SAID_AUTH,
	SASL_SAID_USER,
	SASL_SAID_SECRET,
	SASL_SAID_DUMMY,
	SASL_SAID_CANCEL
};

struct sasl {
	uint8_t mechanism, said;
	bool cancel;                        /* what is said next */
	char challenge[SASL_CHALLENGE_MAX]; /* why a token is refused, with a NUL; printable; "": nothing was told */
};

void sasl_begin(struct sasl *s, enum sasl_mechanism mechanism);
/* Whether what is said next needs the login. */
bool sasl_needs_login(const struct sasl *s);
/* What is said next, with CRLF. `login` may be NULL where it is not needed. Returns the length. */
size_t sasl_say(struct sasl *s, const struct sasl_login *login, char out[SASL_LINE_MAX]);

enum sasl_go {
	SASL_SAY,
	SASL_DONE,    /* signed in */
	SASL_REFUSED, /* by this reply; the connection may go on */
	SASL_BREAK,   /* the reply makes no sense here */
};
enum sasl_go sasl_hear(struct sasl *s, unsigned code, struct span text);

/*
 * Makes unreadable what a server repeats in its reply of what it was sent: any eight octets in a row of the secret, or
 * of the base64 that it went out in, become "*". For texts that somebody is to read.
 */
void sasl_conceal(const struct sasl *s, const struct sasl_login *login, char *text, size_t length);

#endif
