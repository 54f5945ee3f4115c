/*
 * core/smtp/reply.h - parses the replies of a next hop (RFC 5321 4.2), incrementally and bounded (PAR-05).
 *
 * Feed any segmentation. A line is kept up to SMTP_REPLY_TEXT_MAX octets, the rest dropped; a reply of more
 * than SMTP_REPLY_LINES_MAX lines, a line of more than SMTP_REPLY_LINE_MAX octets, a code outside 200..599,
 * codes that differ within a reply, a bare LF or a NUL are failures: the connection must be closed. An empty line where
 * a reply would begin is reported by itself, and is no reply: whether it does harm the caller knows.
 */
#ifndef POSTRIDER_SMTP_REPLY_H
#define POSTRIDER_SMTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SMTP_REPLY_TEXT_MAX = 512, SMTP_REPLY_LINES_MAX = 1000, SMTP_REPLY_LINE_MAX = 4096 };

/* What an EHLO reply offered, collected while its lines go by. */
struct smtp_extensions {
	bool pipelining, chunking, starttls, eight_bit_mime, enhanced_codes, dsn, smtputf8, require_tls;
	uint8_t auth; /* SASL_BIT() of mechanism.h, or'ed */
	bool size_given;
	uint64_t size_max; /* 0: no fixed limit */
	/* LIMITS (RFC 9422): recipients of a message, messages of a connection; 0: not said. */
	uint32_t recipients_max, messages_max;
};

struct smtp_reply_parser {
	uint16_t code; /* 0: none yet */
	uint8_t state;
	uint16_t lines;
	uint32_t line_length;
	uint16_t text_length;
	char text[SMTP_REPLY_TEXT_MAX];     /* lines without code, joined by "\n"; control octets as they came */
	uint16_t line_start;                /* where the current line begins in text */
	struct smtp_extensions *extensions; /* set for the reply to EHLO, else NULL */
};

enum smtp_reply_result { SMTP_REPLY_DONE, SMTP_REPLY_MORE, SMTP_REPLY_BAD, SMTP_REPLY_EMPTY };

/* Ready for the next reply; `extensions` is zeroed and filled when given. */
void smtp_reply_start(struct smtp_reply_parser *parser, struct smtp_extensions *extensions);
/* DONE: parser->code, text, text_length are the reply; *consumed octets were taken. Octets behind it are the
 * next reply's. EMPTY: an empty line was taken, the reply may still begin. After BAD the parser is dead until
 * smtp_reply_start(). */
enum smtp_reply_result smtp_reply_parse(struct smtp_reply_parser *parser, const uint8_t *data, size_t length,
					size_t *consumed);
/* The enhanced status code at the start of the text ("5.7.1"), or "" (static storage is not used: writes
 * at most 12 octets with NUL into out). */
void smtp_reply_enhanced(const struct smtp_reply_parser *parser, char out[12]);

/* Octets as they came, for an operator: printable ones as they are, others as in C, "..." where they were cut.
 * `out` has room for at least 8; it is ended by a NUL. */
void smtp_quote(const uint8_t *data, size_t length, char *out, size_t room);

#endif
