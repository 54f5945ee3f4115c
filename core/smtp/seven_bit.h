/*
 * core/smtp/seven_bit.h - content with octets above 127 for a host that takes none (RFC 6152 3): its parts become
 * quoted-printable or base64, and mean what they meant.
 *
 *     Content-Type: text/plain; charset=utf-8              Content-Type: text/plain; charset=utf-8
 *     Content-Transfer-Encoding: 8bit                 ->   Content-Transfer-Encoding: quoted-printable
 *
 *     Größe                                                Gr=C3=B6=C3=9Fe
 *
 * Pure, in two goes over the content, each in pieces however they are cut: seven_bit_look() finds out what each part
 * needs, and how long the content becomes; seven_bit_write() writes it. Between them one octet is kept for each part.
 *
 * Only leaves with such octets are touched, with the encoding named in their header, and above them the encoding that
 * a multipart or message names; all else stays octet for octet. Nothing is touched where that would break what somebody
 * signed (DKIM and ARC over the body, multipart/signed and encrypted), or where readers could differ about what the
 * parts are (mime.h). A message inside of the message is converted, too: its own signature is nobody's to check on the
 * way.
 *
 * Octets above 127 in a header are not its business, as they are none of 8BITMIME's; they are counted. What stands
 * before the first part and behind the last of a multipart has no meaning and no encoding: there they become "?".
 *
 * A message that says nothing of MIME gets the fields that it needs: its text is told as UTF-8 if it is that, or else
 * as what nobody knows (RFC 1428).
 */
#ifndef POSTRIDER_SMTP_SEVEN_BIT_H
#define POSTRIDER_SMTP_SEVEN_BIT_H

#include "core/smtp/mime.h"
#include "core/smtp/transfer.h"

enum seven_bit_result {
	SEVEN_BIT_AS_IS, /* there is nothing to convert */
	SEVEN_BIT_CONVERT,
	SEVEN_BIT_SIGNED,     /* it would break a signature, or what is encrypted */
	SEVEN_BIT_UNREADABLE, /* it cannot be told what its parts are, or they may not be encoded */
};

struct seven_bit {
	struct mime mime;
	bool signature_void; /* the caller's, behind init: what was signed is altered in any case */
	bool writing;
	/* Of all that was looked at. */
	bool any, sealed, closed, signature;
	uint64_t high, high_told; /* octets above 127; those in headers */
	int64_t growth;
	/* Of the leaf that is being looked at. */
	uint64_t octets, leaf_high, quoted_octets;
	uint8_t utf8_left, utf8_least, utf8_most;
	bool utf8_wrong;
	struct transfer_quoted quoted;
	struct transfer_base64 base64;
	uint8_t *out;
	size_t written;
	uint8_t actions[MIME_PARTS_MAX];
};

void seven_bit_init(struct seven_bit *s);
void seven_bit_look(struct seven_bit *s, const uint8_t *data, size_t length);
/* All was looked at. */
enum seven_bit_result seven_bit_looked(struct seven_bit *s);
/* By so much the content becomes longer. */
static inline int64_t seven_bit_growth(const struct seven_bit *s)
{
	return s->growth;
}

/* Where it is CONVERT: from the beginning again. */
void seven_bit_rewind(struct seven_bit *s);
/* The room that `length` octets take at most; 0 for the end. */
size_t seven_bit_room(size_t length);
/* Return what was written to `out`. */
size_t seven_bit_write(struct seven_bit *s, const uint8_t *data, size_t length, uint8_t *out);
size_t seven_bit_end(struct seven_bit *s, uint8_t *out);

#endif
