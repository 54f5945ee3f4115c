/*
 * core/store/submission.h - a message on its way from who submits it, a session, into the spools of its owners.
 *
 *     session --content blocks--> message --one transfer per owner--------> owner shard's spool
 *                                    ^                                            |
 *                                    +---------------- answer ---------------------+
 *
 * The accepting ("home") shard owns submission, transfers, parts and blocks. It lends a transfer or part to the owner
 * shard by submission_commit()/submission_flush_part() and must not touch it until the answer comes back. The owner
 * reads content and envelope, appends to its spool, and answers when the record is durable or has failed. 250 follows
 * when every transfer was answered with 0 (P15).
 */
#ifndef POSTRIDER_STORE_SUBMISSION_H
#define POSTRIDER_STORE_SUBMISSION_H

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/list.h"
#include "core/base/span.h"
#include "core/shard/shard.h"
#include "core/smtp/fields.h"
#include "core/smtp/trace.h"
#include "core/store/addressee.h"
#include "core/store/intake.h"
#include "core/store/store.h"

enum {
	PARTS_OUTSTANDING_MAX = 4, /* per message: then no more content is taken in */
	SUBMISSION_TEXT_INLINE = 384,
	SUBMISSION_FIELD_MAX = 200, /* of the Message-ID field, for the log */
	SUBMISSION_SHARES_INLINE = 4,
	/* Octets of room in a block into which more is written: content is scanned, and repaired, 4 octets at least at
	 * a time. */
	SUBMISSION_ROOM = 24,
	REPLY_MAX = 768,
	/* result: it may be stored, or partly, at the next start. So neither 250 nor 451 would be true. */
	SUBMISSION_UNDECIDED = SPOOL_IN_DOUBT,
};

struct submission;

enum submission_state {
	SUBMISSION_ENVELOPE,
	SUBMISSION_CONTENT,
	SUBMISSION_COMMITTING,
	SUBMISSION_HELD, /* stored, where letter.held */
	SUBMISSION_RELEASING,
	SUBMISSION_ABORTING,
	SUBMISSION_ANSWERED,
};

/* What the one who submits hears of it. */
struct submission_handlers {
	void (*on_answered)(struct submission *m);    /* committed: `result` says whether it is stored */
	void (*on_part_stored)(struct submission *m); /* fewer parts are out: more content may be taken in */
	void (*on_held)(struct submission *m);        /* letter.held: it is stored, and waits to be released */
};

struct submission {
	struct shard *shard; /* home */
	const struct submission_handlers *handlers;
	void *context;    /* whose it is; NULL when that has gone */
	struct list link; /* the submitter's, in the order of what it answers */
	enum submission_state state;
	struct letter letter;
	uint64_t started_ns;
	/* The submitter's: when its content was complete, and when the last recipient was named; of the limits of a
	 * minute so many are given back if it is not taken (core/receive/charge.c). */
	uint64_t ended_ns, named_ns;
	uint32_t named;
	uint64_t size_announced; /* by MAIL SIZE=; 0: was not */
	uint32_t text_capacity;
	struct share *shares; /* owned; shares_inline, or malloc'd */
	unsigned share_capacity;
	uint32_t names_length;  /* octets that the destinations' names take in an envelope */
	uint32_t wishes_length; /* and what is said of recipients' reports, beside its text */
	bool lanes_chosen;
	bool smtputf8; /* said in MAIL: addresses and header may be in UTF-8 (RFC 6531) */
	uint32_t recipients;
	struct block *last;
	unsigned block_count;
	/* The submitter's, while content comes: its header is held back, because it is to become another one. Nothing
	 * leaves in parts before that. Seen: it was whole. */
	bool header_held, header_seen;
	struct fields_watch header_watch;
	uint32_t header_at;  /* where it begins in the first block: what is before that we have written */
	const char *refusal; /* static; what the message is refused for, whatever else it has; NULL: nothing */
	bool rewritten, signature_broken, archived;
	uint64_t content_before; /* octets that already left in parts */
	/* Until the first part, or the end, as many as may be needed; then one for each owner. */
	struct list transfers;
	unsigned transfer_count, unanswered, parts_out;
	int result;
	uint8_t field_length;
	uint32_t tail_length;
	char tail[REPLY_MAX]; /* replies to commands pipelined behind this message */
	struct share shares_inline[SUBMISSION_SHARES_INLINE];
	char text_inline[SUBMISSION_TEXT_INLINE];
	char field[SUBMISSION_FIELD_MAX]; /* Message-ID, of field_length octets; 0: not known */
};

/* NULL when the pool is dry. */
struct submission *submission_new(struct shard *shard, const struct submission_handlers *handlers, void *context);
/* false without memory. */
bool submission_envelope_start(struct submission *m, struct span sender, struct span helo);
/* ENVID, before the first recipient; false without memory. */
bool submission_envelope_id(struct submission *m, struct span envid);
enum submission_add { SUBMISSION_ADDED, SUBMISSION_TOO_MANY, SUBMISSION_NO_MEMORY };
enum submission_add submission_add_recipient(struct submission *m, const struct addressee *who);
/* Room for content: the last block, or a new one; NULL when content memory is dry. */
struct block *submission_room(struct submission *m);
/* Of content of which nothing has left in parts, the first `length` octets stay, all of them in the first block. */
void submission_cut(struct submission *m, uint32_t length);
/* More content. False when content memory is dry: some of it may be there. */
bool submission_append(struct submission *m, const char *data, size_t length);
/* Sends the full blocks ahead as a part, when there are enough. False without memory for it. */
bool submission_flush_part(struct submission *m);
/* All content is there: give it to the owners. on_answered() follows when all have answered, never at once. */
void submission_commit(struct submission *m);
/* HELD: it may be delivered, or stays for the next start to find it. on_answered() follows. */
void submission_release(struct submission *m, bool deliver);
/* The message will not be, and nobody hears of it any more: gives up what was sent ahead; frees m, at once or when the
 * owners have answered. */
void submission_abort(struct submission *m);
void submission_free(struct submission *m);

#endif
