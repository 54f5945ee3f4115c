/*
 * core/smtp/content_type.h - what a Content-Type and a Content-Transfer-Encoding field say of how a part is to be read
 * (RFC 2045 5.1, 6.1).
 *
 * Pure. What could be read in more than one way is told as that: who converts by it must be sure that nobody else finds
 * other parts than he does. That is asked only of multiparts; any other type is one that holds octets.
 */
#ifndef POSTRIDER_SMTP_CONTENT_TYPE_H
#define POSTRIDER_SMTP_CONTENT_TYPE_H

#include <stdbool.h>

#include "core/base/span.h"

enum { CONTENT_TYPE_BOUNDARY_MAX = 70 }; /* RFC 2046 5.1.1 */

enum content_type_kind {
	CONTENT_TYPE_TEXT, /* and message/global, and what cannot be read at all (5.2) */
	CONTENT_TYPE_OTHER,
	CONTENT_TYPE_MULTIPART,
	CONTENT_TYPE_SEALED,  /* multipart/signed, multipart/encrypted (RFC 1847) */
	CONTENT_TYPE_MESSAGE, /* message/rfc822 */
	/* What may not be encoded (RFC 2046 5.2): partial, external-body, delivery-status, ... */
	CONTENT_TYPE_MESSAGE_OTHER,
};

struct content_type {
	enum content_type_kind kind;
	bool digest;          /* multipart/digest: its parts are messages, where they say nothing else */
	bool ambiguous;       /* a multipart whose boundary is missing, or could be read in another way */
	struct span boundary; /* without quotes, in `room` */
	char room[CONTENT_TYPE_BOUNDARY_MAX];
};

/* `value`: what stands behind the colon, unfolded or not. */
void content_type_read(struct span value, struct content_type *out);

enum content_encoding {
	CONTENT_ENCODING_NONE, /* 7bit */
	CONTENT_ENCODING_WIDE, /* 8bit, binary: none, but said to have octets above 127 */
	CONTENT_ENCODING_SOME, /* quoted-printable, base64 and what is not known */
};
enum content_encoding content_encoding_read(struct span value);

#endif
