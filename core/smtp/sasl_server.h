/*
 * core/smtp/sasl_server.h - the server's side of AUTH (RFC 4954): PLAIN (RFC 4616) and LOGIN.
 *
 *     sasl_server_begin(): what stands behind "AUTH"
 *            |
 *            v
 *         ASK: the prompt is sent -> sasl_server_line(): the client's next line -> ASK again, or:
 *
 *         GIVEN, NOBODY, CANCELLED, NOT_BASE64, MALFORMED, UNKNOWN: the exchange is over
 *
 * Pure: whether the password is right is for others to say. It is in the caller's memory, which he wipes.
 *
 * What devices do is taken where it can mean one thing only: names of mechanisms in any case; the user's name
 * behind LOGIN; prompts that the widest-spread clients compare with "Username:" and "Password:"; base64 without its
 * padding; a NUL at the end of a response, which was the end of a string; PLAIN with one NUL instead of two, and
 * with the user's name as authorization identity, too. A name or a password that is empty or too long is nobody's.
 */
#ifndef POSTRIDER_SMTP_SASL_SERVER_H
#define POSTRIDER_SMTP_SASL_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/smtp/mechanism.h"
#include "core/smtp/span.h"

enum {
	SASL_SERVER_LINE_MAX = 12288,    /* RFC 4954 4, with CRLF: a line of the exchange that must be taken */
	SASL_SERVER_RESPONSE_MAX = 2048, /* octets of one that may still be somebody's: longer ones are nobody's */
	SASL_SERVER_USER_MAX = 240,
	SASL_SERVER_PASSWORD_MAX = 511,
};

struct sasl_server {
	uint8_t mechanism; /* enum sasl_mechanism */
	uint8_t user_length;
	bool user_known; /* LOGIN: it was given, and the next line is the password */
	bool nobody;     /* whatever the password is */
	char user[SASL_SERVER_USER_MAX + 1];
};

/* Where the password goes, NUL-terminated. */
struct sasl_password {
	char text[SASL_SERVER_PASSWORD_MAX + 1];
	uint16_t length;
};

enum sasl_server_go {
	SASL_SERVER_ASK,   /* 334 with sasl_server_prompt() */
	SASL_SERVER_GIVEN, /* the user's name in `user`, the password where it was to go */
	/* It can be nobody's, and is to be answered as a wrong password; `user` has what there is of a name. */
	SASL_SERVER_NOBODY,
	SASL_SERVER_CANCELLED,  /* "*" */
	SASL_SERVER_NOT_BASE64, /* the response is not, */
	SASL_SERVER_MALFORMED,  /* or what is in it is no response of the mechanism */
	SASL_SERVER_UNKNOWN,    /* no such mechanism here */
};

/* `argument`: what stands behind "AUTH ". */
enum sasl_server_go sasl_server_begin(struct sasl_server *s, struct span argument, struct sasl_password *out);
/* A line without its end. */
enum sasl_server_go sasl_server_line(struct sasl_server *s, struct span line, struct sasl_password *out);
/* What 334 says: base64, or nothing. */
const char *sasl_server_prompt(const struct sasl_server *s);

#endif
