/*
 * core/smtp/transfer.h - quoted-printable and base64 as a body is encoded with them (RFC 2045 6.7, 6.8), in pieces
 * however they are cut.
 *
 * Pure. What is encoded comes out again octet by octet, its line ends included. Lines end in CRLF and have at most 76
 * octets; of the input's own lines quoted-printable keeps the ends. A line that an encoder begins by itself cannot be
 * taken for a MIME boundary: it never begins with "-".
 */
#ifndef POSTRIDER_SMTP_TRANSFER_H
#define POSTRIDER_SMTP_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed at the start. */
struct transfer_quoted {
	uint8_t column;
	uint8_t held; /* a blank that may end its line, or a CR; 0: none */
	bool broken;  /* the line was begun here */
};
struct transfer_base64 {
	uint8_t held[2];
	uint8_t held_count;
	uint8_t column;
};

/* So much room is needed for `length` octets of input, whatever came before. */
#define TRANSFER_QUOTED_ROOM(length) (4 * (length) + 16)
#define TRANSFER_BASE64_ROOM(length) (((length) + 2) / 3 * 4 + ((length) / 57 + 2) * 2)

/* Each returns the octets written to `out`; without `out` they are only counted. */
size_t transfer_quoted(struct transfer_quoted *q, const uint8_t *in, size_t length, uint8_t *out);
/* The body ends here; at most 8 octets. */
size_t transfer_quoted_end(struct transfer_quoted *q, uint8_t *out);
size_t transfer_base64(struct transfer_base64 *b, const uint8_t *in, size_t length, uint8_t *out);
/* The same; what was begun ends in a line end, at most 6 octets. */
size_t transfer_base64_end(struct transfer_base64 *b, uint8_t *out);
/* All that base64 makes of `length` octets, in lines that end. */
uint64_t transfer_base64_length(uint64_t length);

#endif
