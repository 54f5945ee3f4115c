/*
 * core/store/intake.h - the owner's side of a message on its way: what it borrows from home, to append it to its spool.
 *
 * Home lends transfers and parts, and with a part its blocks of content, with a transfer the letter (a part reads only
 * its id and time: the rest is still being written). While they are lent home does not touch them; the owner writes
 * only to its own fields. `answered` gives them back.
 */
#ifndef POSTRIDER_STORE_INTAKE_H
#define POSTRIDER_STORE_INTAKE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/list.h"
#include "core/base/span.h"
#include "core/config/config.h"
#include "core/shard/post.h"
#include "core/smtp/trace.h"
#include "core/store/store.h"
#include "queue/envelope.h"
#include "queue/spool.h"

enum {
	BLOCK_DATA = BLOCK_SIZE - 16,
	PART_BLOCKS = SPOOL_CONTENT_MAX / BLOCK_DATA, /* a part's content fits one record */
	/* Of text, and of what the record's envelope has beside it for each recipient. */
	LETTER_TEXT_MAX = SPOOL_ENVELOPE_MAX - ENVELOPE_OVERHEAD,
	LETTER_OWNERS_MAX = CONFIG_SHARDS_MAX,
};

struct block {
	struct block *next;
	uint32_t length;
	uint32_t pad;
	uint8_t data[BLOCK_DATA];
};

/* One destination's recipients of a message. */
struct share {
	uint16_t destination, lane;
	uint16_t transfer; /* ordinal */
	uint16_t recipients;
};

/* What all owners read of a message. */
struct letter {
	struct message_id id;
	uint64_t wall_ns;
	uint8_t flags; /* ENVELOPE_* */
	uint8_t wide;  /* ENVELOPE_WIDE_* */
	uint8_t ret;   /* ENVELOPE_RET_* */
	bool require_tls;
	uint64_t not_before_ns; /* wall clock; 0: at once */
	/* sender, helo, envid, then recipients: addressee.h has their form */
	char *text;
	uint32_t text_length;
	uint16_t sender_length, helo_length, envid_length;
	struct span peer, client;              /* the submitter's, who outlives the message */
	struct span owner;                     /* likewise: who is told what becomes of it; empty: its sender */
	struct span device;                    /* likewise: the device that it came from, by name; empty: none */
	const struct envelope_report *reports; /* likewise: what it reports; it is a report where there are any */
	unsigned report_count;
	bool held; /* it is not delivered before it is released */
	struct block *first;
	uint64_t content_length;    /* all of it, parts included, with the trace header */
	const struct share *shares; /* in the order of their first recipients */
	unsigned share_count;
	unsigned owners; /* transfers */
};

/* Where its recipients begin. */
static inline const char *letter_recipients(const struct letter *letter)
{
	return letter->text + letter->sender_length + letter->helo_length + letter->envid_length;
}

/* A message with several owners is stored by all before any delivers it: RELEASE, or UNDO where one could not (I2).
 * KEEP: it stays on the disk for the next start, and is not delivered before. */
enum loan_kind {
	LOAN_PART,
	LOAN_MESSAGE,
	LOAN_ABORT,
	LOAN_RELEASE,
	LOAN_UNDO,
	LOAN_KEEP,
};

/* What home lends an owner: a transfer or a part, to be stored, or to be dealt with as `kind` says. */
struct loan {
	struct post post;
	enum loan_kind kind;
	uint16_t home, owner; /* shards */
	int result;           /* the owner's answer: 0 or negative errno */
	post_fn *answered;    /* home's, for when it comes back */
	struct shard *taker;  /* owner's side: the shard it is */
};

/* One owner's part of a message: the recipients in its lanes. */
struct transfer {
	struct loan loan;
	const struct letter *letter;
	uint16_t recipients;
	uint16_t ordinal; /* among the message's transfers */
	/* home's side */
	struct submission *message;
	struct list link; /* in message->transfers */
	/* owner's side */
	struct mail *mail;
	struct spool_ticket ticket;
	uint32_t part_capacity;
	int part_error;
};

/* A piece of content that leaves before the rest has arrived. */
struct part {
	struct loan loan;
	struct transfer *transfer;
	struct block *blocks;
	/* home's side */
	struct submission *message;
	size_t length;
	struct part *leader; /* holds the count of parts that share the blocks */
	unsigned shared;
	/* owner's side */
	struct spool_ticket ticket;
	uint32_t index; /* in the delivery's parts */
};

/*
 * The records that several owners have of one message may meet in one spool, when the number of shards changes: so each
 * has an id of its own. The transfer's ordinal goes into the topmost bits of the id's shard number, which are never
 * used.
 */
enum { DELIVERY_ID_SHIFT = 58 };
static_assert(LETTER_OWNERS_MAX <= 1 << (64 - DELIVERY_ID_SHIFT), "the ordinal fits");
static_assert(CONFIG_SHARDS_MAX <= 1 << (DELIVERY_ID_SHIFT - 48), "below it is the shard");
static inline struct spool_id delivery_id(const struct transfer *transfer)
{
	const struct message_id *id = &transfer->letter->id;

	return (struct spool_id){id->high, id->low | (uint64_t)transfer->ordinal << DELIVERY_ID_SHIFT};
}
/* The id of the message, as the client was told. */
static inline struct message_id delivery_message_id(struct spool_id id)
{
	return (struct message_id){id.high, id.low & ((UINT64_C(1) << DELIVERY_ID_SHIFT) - 1)};
}

/* What an owner has of it, by its ordinal. */
static inline struct spool_id delivery_part_id(struct message_id id, unsigned part)
{
	return (struct spool_id){id.high, id.low | (uint64_t)part << DELIVERY_ID_SHIFT};
}
static inline unsigned delivery_part(struct spool_id id)
{
	return (unsigned)(id.low >> DELIVERY_ID_SHIFT);
}

/* A post_fn: takes a loan. Loans are taken strictly in order; where the spool has no room they wait. */
void intake_take(struct shard *shard, struct post *post);
/* Once per turn: what waits for room in the spool. */
void intake_run(struct shard *shard);

#endif
