/*
 * core/smtp/command.h - parses one SMTP command line (RFC 5321 4.1, RFC 1870, 6152, 3030, 3207).
 *
 * Pure: no I/O, no allocation. Spans point into the line given. Grammar is strict, with one deliberate
 * exception that devices in the field need: white space after "FROM:" and "TO:" is skipped (PROVIDERS).
 */
#ifndef POSTRIDER_SMTP_COMMAND_H
#define POSTRIDER_SMTP_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/smtp/span.h"

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
	/* GET, POST, CONNECT, a TLS ClientHello, "PROXY ": another protocol (STL-09): answer 421 and close. */
	SMTP_FOREIGN,
};

enum smtp_body { SMTP_BODY_NONE, SMTP_BODY_7BIT, SMTP_BODY_8BITMIME };

struct smtp_command {
	enum smtp_verb verb;
	struct span argument; /* EHLO/HELO: the name; AUTH, VRFY, ...: the rest of the line */
	struct span address;  /* MAIL, RCPT: mailbox without brackets and source route; empty for <> */
	bool has_size;
	uint64_t size;       /* MAIL SIZE=; BDAT: octets of the chunk */
	enum smtp_body body; /* MAIL BODY= */
	bool last;           /* BDAT LAST */
};

/*
 * `line`: without its CRLF. Returns NULL and *command, or the whole reply to send ("501 5.5.4 ...\r\n",
 * static text), with command->verb set as far as it was recognised. A syntax error in BDAT leaves the chunk
 * length unknown: the session must close after the reply (BDT-01).
 * SMTP_FOREIGN always comes with its 421: the session sends it and closes.
 * Any octet >= 0x80 in an address is 553 5.6.7 (no SMTPUTF8, PAR-07); control octets are 501.
 */
const char *smtp_command_parse(const char *line, size_t length, struct smtp_command *command);

const char *smtp_verb_name(enum smtp_verb verb);

#endif
