/*
 * core/deliver/rewriting.h - one attempt's message under the name of the mailbox that sends it (core/smtp/rewrite.h).
 *
 * What is stored stays as it was accepted: the header is rewritten when the connection, and so the mailbox, is known,
 * for each attempt anew. Only the header is copied. One that is spread over several pieces of the content is held back
 * until it is whole; of one that is longer than REWRITING_HEADER_MAX the beginning is rewritten.
 */
#ifndef POSTRIDER_DELIVER_REWRITING_H
#define POSTRIDER_DELIVER_REWRITING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/span.h"
#include "core/deliver/exchange.h"
#include "core/smtp/command.h"
#include "core/smtp/rewrite.h"

enum {
	REWRITING_HEADER_MAX = 1 << 20,
	/* By so much a message whose header is not in memory yet may grow, as MAIL SIZE= says it (RFC 1870 6.1 lets
	 * it be an estimate). */
	REWRITING_GROWTH = 1024,
};

struct config;
struct config_destination;
struct envelope;

struct rewriting {
	struct span address; /* of the mailbox, whose it is */
	struct span sender;  /* the envelope's; the caller's, until all is written, or in `room` */
	char room[SMTP_PATH_MAX];
	struct rewrite_facts facts;
	bool ready;    /* the head is there; the pieces behind it go as they are */
	uint16_t at;   /* pieces that stand whole in the head: it comes with the one behind them */
	bool null;     /* the message has no sender, and keeps none (RFC 5321 4.5.5) */
	bool name_set; /* to `name`, of name_length octets */
	uint8_t name_length;
	char name[REWRITE_NAME_MAX];
	char *gathered; /* owned: pieces held back */
	size_t gathered_size;
	struct exchange_head head; /* `data` is owned */
};

/* Is it to be rewritten? False: no. True: *out is one that is new, or NULL without memory. `address` is the mailbox's.
 * `narrow`: for a host without SMTPUTF8, so no address that is written may need that: its domain becomes A-labels, and
 * one whose local part has such letters is not written (narrow.h). */
bool rewriting_begin(const struct config *config, const struct config_destination *destination,
		     const struct envelope *envelope, struct span address, bool narrow, struct rewriting **out);
void rewriting_free(struct rewriting *r);
/* The next piece of the content, up to the one with which it is ready. */
enum rewriting_took { REWRITING_READY, REWRITING_MORE /* hold it back */, REWRITING_NO_MEMORY };
enum rewriting_took rewriting_take(struct rewriting *r, const uint8_t *piece, size_t size, bool last);
/* All is written: gives its memory back, but for what events tell. */
void rewriting_written(struct rewriting *r);

#endif
