/*
 * core/smtp/mime.h - a message as the parts that it is made of (RFC 2045, 2046), in pieces however cut.
 *
 *     header -> preamble -> boundary -> header -> leaf -> boundary ... -> closing boundary -> epilogue
 *        ^        |                        ^  \
 *        |        +------ message/rfc822 --+   +--> multipart: its preamble
 *
 * Pure. Nothing is kept but the beginning of a line that may be a boundary or a field, two values of the header and
 * the boundaries of the multiparts that are open. All octets come out again in their order, each by one call of the
 * handler, so that whoever writes them as they come has the message.
 *
 * It reads only what everybody reads in one way. Where readers differ (two boundaries fit a line, a part begins behind
 * a line that is no field, a multipart does not end) `malformed` is set, and from there on nothing is told. Lines end
 * in CRLF; what has been accepted has no others.
 */
#ifndef POSTRIDER_SMTP_MIME_H
#define POSTRIDER_SMTP_MIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/smtp/content_type.h"

enum {
	MIME_DEPTH_MAX = 40,
	MIME_PARTS_MAX = 4096,
	MIME_LINE_HEAD = 256, /* kept of a line */
	MIME_VALUE_MAX = 2048,
};

enum mime_field { MIME_FIELD_OTHER, MIME_FIELD_TYPE, MIME_FIELD_ENCODING, MIME_FIELD_VERSION, MIME_FIELD_SIGNATURE };

enum mime_leaf {
	MIME_LEAF_TEXT,
	MIME_LEAF_OTHER,
	MIME_LEAF_SEALED, /* what was signed or encrypted as it is here */
	MIME_LEAF_CLOSED, /* encoded already, or of a type that may not be */
};

/* The part whose header or body is being read. */
struct mime_part {
	uint16_t number; /* from 0, the message itself */
	bool root;       /* a message, or one in a message/rfc822 */
	bool is_message; /* unless it says something else (multipart/digest) */
	bool has_type, has_version, has_signature, has_encoding;
	bool wide;                /* its encoding is said to be 8bit, or binary */
	uint8_t leaf;             /* enum mime_leaf */
	uint32_t encoding_octets; /* of its Content-Transfer-Encoding field */
};

/* A multipart, or a message/rfc822, that is open. */
struct mime_level {
	struct mime_part part;
	bool begun, closed, digest;
	uint8_t length; /* of the boundary; 0: a message */
	char boundary[CONTENT_TYPE_BOUNDARY_MAX];
};

struct mime_handler {
	/* Of a header, line ends included. */
	void (*field)(void *context, enum mime_field field, const uint8_t *data, size_t length);
	/* Behind its last field, and before the empty line. */
	void (*header_end)(void *context);
	void (*body)(void *context, const uint8_t *data, size_t length);
	/* The leaf ends. `line_end`: a CRLF follows that belongs to the boundary behind it, and is not told again. */
	void (*leaf_end)(void *context, bool line_end);
	/* Empty lines behind headers, boundaries. */
	void (*between)(void *context, const uint8_t *data, size_t length);
	/* What stands before and behind the parts of a multipart, and is not looked at (RFC 2046 5.1.1). */
	void (*outside)(void *context, const uint8_t *data, size_t length);
};

struct mime {
	const struct mime_handler *handler;
	void *context;
	uint8_t state;
	bool malformed;
	bool rest;     /* of a line whose beginning was told */
	bool cr;       /* held back: it may end the line */
	bool line_end; /* of the leaf's last line: held back, it may be the boundary's */
	uint8_t field; /* enum mime_field */
	bool any_field;
	unsigned depth, multiparts, parts;
	struct mime_part part;
	struct mime_level levels[MIME_DEPTH_MAX];
	uint16_t line_length, type_length, encoding_length;
	uint8_t line[MIME_LINE_HEAD];
	char type[MIME_VALUE_MAX], encoding[MIME_LINE_HEAD];
};

void mime_init(struct mime *m, const struct mime_handler *handler, void *context);
void mime_read(struct mime *m, const uint8_t *data, size_t length);
/* The message ends. */
void mime_end(struct mime *m);

#endif
