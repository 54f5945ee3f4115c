/*
 * core/smtp/command.h - parses one SMTP command line (RFC 5321 4.1, RFC 1870, 6152, 3030, 3207, 6531).
 *
 * Pure: no I/O, no allocation. Spans point into the line given. Grammar is strict, with one deliberate
 * exception that devices in the field need: spaces after "FROM:" and "TO:" are skipped.
 *
 * SMTP_SYNTAX_TOLERANT is for clients that may relay: also any greeting without control octets, or none;
 * paths without brackets, or with spaces inside them; several spaces before a parameter, and spaces before "FROM", "TO"
 * and their ":"; a local part without a domain (`unqualified`); what parameters.h lets go.
 * What frames (lines, BDAT, where an address ends) is the same in both, and nothing is taken for more than one address.
 */
#ifndef POSTRIDER_SMTP_COMMAND_H
#define POSTRIDER_SMTP_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/smtp/parameters.h"
#include "core/smtp/span.h"
#include "core/smtp/syntax.h"

enum {
	/* With CRLF; RFC 5321 4.5.3.1.4 asks for 512 plus extensions' additions. */
	SMTP_COMMAND_LINE_MAX = 2048,
	/* RFC 5321 4.5.3.1.3, with the brackets. */
	SMTP_PATH_MAX = 256,
};

enum smtp_verb {
	SMTP_UNKNOWN,
	SMTP_EHLO,
	SMTP_HELO,
	SMTP_MAIL,
	SMTP_RCPT,
	SMTP_DATA,
	SMTP_BDAT,
	SMTP_RSET,
	SMTP_NOOP,
	SMTP_VRFY,
	SMTP_EXPN,
	SMTP_HELP,
	SMTP_QUIT,
	SMTP_STARTTLS,
	SMTP_AUTH,
	SMTP_XCLIENT,
	/* GET, POST, CONNECT, a TLS ClientHello, "PROXY ": another protocol (STL-09): answer 421 and close. */
	SMTP_FOREIGN,
};

enum smtp_body { SMTP_BODY_NONE, SMTP_BODY_7BIT, SMTP_BODY_8BITMIME };

struct smtp_command {
	enum smtp_verb verb;
	enum smtp_syntax syntax; /* as it was asked for */
	struct span argument;    /* EHLO/HELO: the name; AUTH, VRFY, ...: the rest of the line */
	struct span address;     /* MAIL, RCPT: mailbox without brackets and source route; empty for <> */
	bool unqualified;        /* `address` is a local part that needs a domain; never for <postmaster> in RCPT */
	bool has_size;
	uint64_t size;       /* MAIL SIZE=, UINT64_MAX where it is more; BDAT: octets of the chunk */
	enum smtp_body body; /* MAIL BODY= */
	bool smtputf8;       /* MAIL SMTPUTF8 */
	bool wide;           /* MAIL, RCPT: the path has octets above 127, which are UTF-8 where it was not refused */
	bool last;           /* BDAT LAST */
	struct smtp_mail_parameters mail; /* the others of MAIL, and of RCPT */
	struct smtp_rcpt_parameters rcpt;
};

/*
 * `line`: without its CRLF. Returns NULL and *command, or the whole reply to send ("501 5.5.4 ...\r\n",
 * static text), with command->verb set as far as it was recognised. A syntax error in BDAT leaves the chunk
 * length unknown: the session must close after the reply (BDT-01).
 * SMTP_FOREIGN always comes with its 421: the session sends it and closes.
 * An octet >= 0x80 in an address is 553 5.6.7 in MAIL without SMTPUTF8 (PAR-07, RFC 6531 3.4), and for RCPT that is the
 * session's to say, which knows whether MAIL had it. What is no UTF-8 is 501, and so are control octets. A tolerant
 * greeting may hold octets >= 0x80 and be empty: it is no host name before address_helo_valid() has said so.
 */
const char *smtp_command_parse(const char *line, size_t length, enum smtp_syntax syntax, struct smtp_command *command);

const char *smtp_verb_name(enum smtp_verb verb);

#endif
