/*
 * core/tools/dial.h - one connection of a command that a person waits for: sockets that wait, each with a deadline.
 *
 * The relay's own connections go through the ring, with thousands beside each other; here there is one, and what went
 * wrong with it is all that is wanted. TLS is the relay's engine.
 */
#ifndef POSTRIDER_TOOLS_DIAL_H
#define POSTRIDER_TOOLS_DIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/ring.h"
#include "core/smtp/reply.h"
#include "tls/tls.h"

enum { DIAL_BUFFER = 65536 };

struct dial {
	int fd; /* -1: none */
	struct tls_session *tls;
	bool secured;
	uint64_t wait_ns; /* each operation may take so long */
	uint8_t sealed[DIAL_BUFFER], plain[DIAL_BUFFER];
	size_t plain_from, plain_to; /* received and not yet taken */
	char problem[256];           /* of the last that failed: a part of a sentence */
};

/* Nothing is open yet. */
void dial_init(struct dial *dial, uint64_t wait_ns);
/* 0 or -errno. */
int dial_connect(struct dial *dial, const struct ring_address *address);
/* Sends all. 0 or -errno. */
int dial_send(struct dial *dial, const void *data, size_t length);
/*
 * The next reply. 0; -ETIMEDOUT; -ECONNRESET where the peer has closed; -EBADMSG where it is no reply, `parser->text`
 * having what came; or another -errno. *behind: octets that came behind it.
 */
int dial_reply(struct dial *dial, struct smtp_reply_parser *parser, struct smtp_extensions *extensions, size_t *behind);
/* The handshake. 0; -EPROTO, `problem` being TLS's own sentence; or another -errno. `name` may be NULL. */
int dial_secure(struct dial *dial, struct tls_context *context, const char *name);
/* Ends it, whatever state it is in; may be called twice. */
void dial_close(struct dial *dial);

/* Which of `count` ports of this address can be connected to, asked at once: open[i]. */
void dial_ports(const struct ring_address *address, const uint16_t *ports, size_t count, uint64_t wait_ns, bool *open);

#endif
