/*
 * core/tools/hand.h - hands mail over to the relay by SMTP, as its clients do: so the same rules hold for it, and a
 * reply of 250 means what it means to them.
 *
 * Blocking, each step with a deadline; in clear, because it is for a listener of this machine.
 */
#ifndef POSTRIDER_TOOLS_HAND_H
#define POSTRIDER_TOOLS_HAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/address_text.h"
#include "core/smtp/content.h"
#include "core/smtp/reply.h"
#include "core/tools/dial.h"

#define HAND_USUAL "127.0.0.1:25"

enum { HAND_PROBLEM = 700 };

enum hand_result {
	HAND_TAKEN,
	HAND_LATER,   /* 4xx: not now */
	HAND_REFUSED, /* 5xx: not ever */
	HAND_BROKEN,  /* no relay, or none any more: nothing was accepted */
	HAND_DOUBT,   /* the same, behind the end of a message: it may have been accepted */
};

struct hand {
	struct dial dial;
	struct smtp_extensions extensions;
	struct smtp_reply_parser reply;
	struct content_encoder encoder;
	char where[ADDRESS_TEXT_SIZE];
	char problem[HAND_PROBLEM]; /* of the last that was not TAKEN: a sentence, of printable ASCII */
};

/* Where it listens: `relay` (HOST:PORT, numeric), or the first listener of `config` that takes mail of this machine
 * without TLS and passwords; NULL for both: that of the usual configuration if it can be read, else HAND_USUAL. False
 * with hand->problem. */
bool hand_where(struct hand *hand, const char *relay, const char *config, struct ring_address *address);

/* Connects, and is greeted. */
enum hand_result hand_open(struct hand *hand, const struct ring_address *address, uint64_t wait_ns);
void hand_close(struct hand *hand);
/* EHLO. */
enum hand_result hand_hello(struct hand *hand, const char *name);
/* Behind hand_hello(): REFUSED where the relay has said that a message may not have so many recipients (RFC 9422). To
 * find that out by its 452 would look as if it could be repeated. */
enum hand_result hand_fits(struct hand *hand, size_t recipients);
/* One command without its CRLF, which it may not contain. */
enum hand_result hand_command(struct hand *hand, const char *line);
/* DATA. */
enum hand_result hand_data(struct hand *hand);
/* Content, in pieces, with CRLF at the ends of lines: dots are stuffed here. */
enum hand_result hand_content(struct hand *hand, const char *data, size_t length);
/* Its end, and the last word. */
enum hand_result hand_end(struct hand *hand);
/* Out of "queued as ID"; "" without one. */
void hand_id(const struct hand *hand, char id[32]);

#endif
