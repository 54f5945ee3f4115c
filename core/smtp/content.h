/*
 * core/smtp/content.h - the scanner and the encoder of message content (RFC 5321 4.5.2, 2.3.8; RFC 3030).
 *
 * Only CRLF.CRLF ends data. Bare CR, bare LF and NUL are recorded as faults and the scan goes on to the
 * genuine end, so both sides stay in step (RELIABILITY SMG-01..03). Vector code does whole blocks; the
 * octet-wise state machine is only for what the blocks cannot decide.
 */
#ifndef POSTRIDER_SMTP_CONTENT_H
#define POSTRIDER_SMTP_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CONTENT_BARE_CR = 1u << 0,
	CONTENT_BARE_LF = 1u << 1,
	CONTENT_NUL = 1u << 2,
};

/* Whether there are octets >= 0x80 in the header is looked at only where somebody wants to know. */
enum {
	CONTENT_HEADER_WATCH = 1u << 0,
	CONTENT_HEADER_WIDE = 1u << 1, /* there are */
};

struct content_scanner {
	uint8_t state;  /* private to content.c */
	uint8_t faults; /* CONTENT_* seen so far */
	bool eight_bit; /* an octet >= 0x80 was seen */
	uint8_t header; /* CONTENT_HEADER_*; the caller sets WATCH behind content_scanner_init() */
	uint16_t hops;  /* header lines "Received:" seen (LOP-01); private state beside it */
	bool in_header;
	uint8_t match;
};

void content_scanner_init(struct content_scanner *scanner);

enum content_result { CONTENT_MORE, CONTENT_END };

/*
 * DATA: takes octets of the stream, writes content with dot-stuffing removed. At most `capacity` octets are
 * written; consumes as much as fits, so call again with more room while *consumed < length and the result is
 * MORE. The "." and ".CR" at a line start that may be the terminator are held back in the state until decided;
 * capacity must be at least 4. CONTENT_END: the terminator was consumed; what follows is the next command, and
 * octets behind it in `in` are not touched. The content written then ends in CRLF (or is empty). After END the
 * scanner needs content_scanner_init() before the next message.
 */
enum content_result content_scan_data(struct content_scanner *scanner, const uint8_t *in, size_t length,
				      size_t *consumed, uint8_t *out, size_t capacity, size_t *written);
/* BDAT: every octet is content; records faults only. At the end of the last chunk call content_scan_finish(),
 * which records a pending bare CR. */
void content_scan_chunk(struct content_scanner *scanner, const uint8_t *in, size_t length);
void content_scan_finish(struct content_scanner *scanner);

/*
 * Outbound DATA: stuffs dots. At most `capacity` octets (2 or more) are written; call again with more room
 * while *consumed < length. A CR is held until its LF has come, so what was written never ends in half a line
 * end. Returns false if the content violates
 * SMG-03 (CR without LF, LF without CR, NUL): abort the transaction, hold the message, send nothing more.
 */
struct content_encoder {
	uint8_t state;
};
void content_encoder_init(struct content_encoder *encoder);
bool content_encode(struct content_encoder *encoder, const uint8_t *in, size_t length, size_t *consumed, uint8_t *out,
		    size_t capacity, size_t *written);
/* Writes what ends the data: ".\r\n", or "\r\n.\r\n" where the content did not end in CRLF. At most 5 octets.
 * Returns their number, or 0 when the content ended in a bare CR (violation). */
size_t content_encode_end(struct content_encoder *encoder, uint8_t *out);
/* The same check for content that goes out by BDAT, unencoded: true if clean so far. */
bool content_encode_check(struct content_encoder *encoder, const uint8_t *in, size_t length);

#endif
