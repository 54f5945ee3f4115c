/*
 * core/relay/submission.h - a message on its way from the client into the spools of its owners.
 *
 *     session --content blocks--> message --one transfer per destination--> owner shard's spool
 *                                    ^                                            |
 *                                    +---------------- answer ---------------------+
 *
 * The accepting ("home") shard owns submission, transfers, parts and blocks. It lends a transfer or part to the owner
 * shard by submission_commit()/submission_flush_part() and must not touch it until the answer comes back. The owner
 * reads content and envelope, appends to its spool, and answers when the record is durable or has failed. 250 follows
 * when every transfer was answered with 0 (P15).
 */
#ifndef POSTRIDER_RELAY_SUBMISSION_H
#define POSTRIDER_RELAY_SUBMISSION_H

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/list.h"
#include "core/base/span.h"
#include "core/relay/post.h"
#include "core/relay/shard.h"
#include "core/relay/store.h"
#include "core/smtp/trace.h"
#include "queue/spool.h"

enum {
	BLOCK_DATA = BLOCK_SIZE - 16,
	PART_BLOCKS = SPOOL_CONTENT_MAX / BLOCK_DATA, /* a part's content fits one record */
	PARTS_OUTSTANDING_MAX = 4,                    /* per message: then its session pauses */
	SUBMISSION_TEXT_INLINE = 384,
	SUBMISSION_FIELD_MAX = 200, /* of the Message-ID field, for the log */
	SUBMISSION_DESTINATIONS_MAX = 16,
	REPLY_MAX = 512,
	/* result: it may be stored, or partly, at the next start. So neither 250 nor 451 would be true. */
	SUBMISSION_UNDECIDED = SPOOL_IN_DOUBT,
};

struct block {
	struct block *next;
	uint32_t length;
	uint32_t pad;
	uint8_t data[BLOCK_DATA];
};

/* A message with several owners is stored by all before any delivers it: RELEASE, or UNDO where one could not (I2). */
enum loan_kind {
	LOAN_PART,
	LOAN_MESSAGE,
	LOAN_ABORT,
	LOAN_RELEASE,
	LOAN_UNDO,
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

struct submission;
struct session;

/* One destination's share of a message. */
struct transfer {
	struct loan loan;
	struct list link; /* in message->transfers; home */
	struct submission *message;
	uint16_t destination, lane;
	bool lane_chosen;
	uint16_t recipients;
	uint16_t ordinal; /* among the message's transfers */
	/* owner's side */
	struct delivery *delivery;
	struct spool_ticket ticket;
	struct spool_ref *parts;
	uint32_t part_count, part_capacity;
	int part_error;
};

/* A piece of content that leaves before the rest has arrived. */
struct part {
	struct loan loan;
	struct submission *message;
	struct transfer *transfer;
	struct block *blocks;
	size_t length;
	struct part *leader; /* holds the count of parts that share the blocks */
	unsigned shared;
	/* owner's side */
	struct spool_ticket ticket;
	uint32_t index; /* in transfer->parts */
};

enum submission_state {
	SUBMISSION_ENVELOPE,
	SUBMISSION_CONTENT,
	SUBMISSION_COMMITTING,
	SUBMISSION_RELEASING,
	SUBMISSION_ABORTING,
	SUBMISSION_ANSWERED,
};

struct submission {
	struct shard *shard;     /* home */
	struct session *session; /* NULL when the session has gone */
	struct list link;        /* session's pending messages, in the order of their replies */
	enum submission_state state;
	struct message_id id;
	uint64_t wall_ns, started_ns;
	uint8_t flags; /* ENVELOPE_* */
	/* sender, helo, then recipients as u16 destination, u16 length, octets */
	char *text;
	uint32_t text_length, text_capacity;
	uint16_t sender_length, helo_length;
	uint32_t recipients;
	struct span peer, client; /* session's, which outlives the message */
	struct block *first, *last;
	unsigned block_count;
	uint64_t content_length; /* all of it, parts included, with the trace header */
	uint64_t content_before; /* octets that already left in parts */
	struct list transfers;
	unsigned transfer_count, unanswered, parts_out;
	int result;
	uint8_t field_length;
	uint32_t tail_length;
	char tail[REPLY_MAX]; /* replies to commands pipelined behind this message */
	char text_inline[SUBMISSION_TEXT_INLINE];
	char field[SUBMISSION_FIELD_MAX]; /* Message-ID, of field_length octets; 0: not known */
};

/*
 * The spool knows deliveries, and those of one message to two destinations may lie in one spool: there each needs an id
 * of its own. The transfer's ordinal goes into the topmost bits of the id's shard number, which are never used.
 */
enum { DELIVERY_ID_SHIFT = 60 };
static_assert(SUBMISSION_DESTINATIONS_MAX <= 1 << (64 - DELIVERY_ID_SHIFT), "the ordinal fits");
static_assert(CONFIG_SHARDS_MAX <= 1 << (DELIVERY_ID_SHIFT - 48), "below it is the shard");
static inline struct spool_id delivery_id(const struct submission *m, const struct transfer *transfer)
{
	return (struct spool_id){m->id.high, m->id.low | (uint64_t)transfer->ordinal << DELIVERY_ID_SHIFT};
}
/* The id of the message, as the client was told. */
static inline struct message_id delivery_message_id(struct spool_id id)
{
	return (struct message_id){id.high, id.low & ((UINT64_C(1) << DELIVERY_ID_SHIFT) - 1)};
}

/* NULL when the pool is dry. */
struct submission *submission_new(struct shard *shard, struct session *session);
/* false without memory. */
bool submission_envelope_start(struct submission *m, struct span sender, struct span helo);
enum submission_add { SUBMISSION_ADDED, SUBMISSION_TOO_MANY, SUBMISSION_NO_MEMORY };
enum submission_add submission_add_recipient(struct submission *m, unsigned destination, struct span address);
/* Room for content: the last block, or a new one; NULL when content memory is dry. */
struct block *submission_room(struct submission *m);
/* Sends the full blocks ahead as a part, when there are enough. False without memory for it. */
bool submission_flush_part(struct submission *m);
/* All content is there: give it to the owners. session_message_done() (receive.h) is called when all have answered. */
void submission_commit(struct submission *m);
/* The message will not be: gives up what was sent ahead; frees m, at once or when the owners have answered. */
void submission_abort(struct submission *m);
void submission_free(struct submission *m);

/* Owner's side (intake.c): takes a loan. */
void intake_take(struct shard *shard, struct post *post);
/* Once per turn: what waits for room in the spool. */
void intake_run(struct shard *shard);

#endif
