/*
 * core/relay/attempt.h - one attempt at one delivery on one connection: what is written, and what the replies mean.
 *
 * Writing and reading run apart: `step` is what is written next, `expect` is which reply comes next. With CHUNKING
 * many transactions of a connection are written before the first reply is read; the two cursors are all there is to it.
 */
#ifndef POSTRIDER_RELAY_ATTEMPT_H
#define POSTRIDER_RELAY_ATTEMPT_H

#include "core/relay/connection.h"
#include "core/relay/results.h"
#include "core/smtp/content.h"

enum attempt_step { STEP_RSET, STEP_MAIL, STEP_RCPT, STEP_BODY, STEP_CONTENT, STEP_END, STEP_WRITTEN };
enum attempt_expect { EXPECT_RSET, EXPECT_MAIL, EXPECT_RCPT, EXPECT_BODY, EXPECT_END, EXPECT_NOTHING };
enum { ATTEMPT_RESULTS_INLINE = 16, ATTEMPT_REPLY_MAX = 256 };

struct attempt {
	struct list link; /* connection->attempts, or outbound->loaded */
	struct outbound *outbound;
	struct connection *connection;
	struct delivery *delivery;
	struct spool_view view; /* the message record */
	struct spool_view part; /* the part being sent */
	bool view_held, part_held, part_loading, orphan;
	struct envelope envelope;
	struct envelope_cursor rcpt_cursor; /* next to be written */
	uint16_t rcpt_next;                 /* its index */
	uint16_t rcpt_reply;                /* index whose reply is next */
	uint16_t rcpt_first, rcpt_end;      /* indexes this attempt covers: pending ones within */
	uint16_t accepted;
	uint8_t step, expect;
	bool mail_refused, body_accepted, dot_only, any_written, end_written, decided, started;
	bool parameters;      /* MAIL had some */
	bool behind;          /* it was begun before an earlier message had been answered */
	bool later;           /* it is not the connection's first, and was begun without RSET */
	bool heard;           /* a reply has come */
	bool again;           /* a command was refused, or its reply lost, and not the message: it goes again at once */
	bool undeclared;      /* 8-bit content goes to a host that does not offer 8BITMIME */
	bool held, host_held; /* refused for what this relay is; and the host takes no more (hold.h) */
	bool early;           /* refused before its content was written: the connection cannot be used on */
	bool passed;          /* what was answered is about the connection (421), not about this message */
	bool blameless;       /* and it came between two messages */
	bool reset_refused;
	uint16_t piece;                        /* parts first, then the message's own content */
	uint16_t chunks_begun, chunks_written; /* BDAT commands written; those whose octets are all written, too */
	uint16_t checked;                      /* pieces that BDAT may send */
	uint16_t chunk_replies;                /* and answered */
	const char *damage;                    /* our fault: why its content cannot be sent */
	int damage_error; /* negative errno; -EBADMSG also where the content is not what was accepted */
	bool expiring;    /* loaded only so that its recipients can be named */
	struct results told;
	size_t piece_offset;
	struct content_encoder encoder;
	uint64_t started_ns;
	uint8_t *results; /* enum attempt_result per recipient */
	uint8_t results_inline[ATTEMPT_RESULTS_INLINE];
	uint16_t code;
	uint8_t code_stage, code_verdict;
	uint16_t reply_length;
	char reply[ATTEMPT_REPLY_MAX];
};

/* Takes the delivery (ACTIVE) and starts to load its content; it comes back in outbound->loaded, now or later.
 * False: no memory, the delivery is untouched. */
bool attempt_start(struct outbound *o, struct delivery *d);
/* The same for one that has grown too old while no host could be reached: its end is told with its recipients. */
bool attempt_expire(struct outbound *o, struct delivery *d);
enum write_result { WRITE_DONE, WRITE_NO_ROOM, WRITE_WAIT };
/* Writes on; WRITE_WAIT: a reply or a part from disk must come first. */
enum write_result attempt_write(struct attempt *a);
/* One reply, for this attempt. `whole`: all that belongs to its command has been handed to the kernel, a chunk's
 * octets and the end of the content included. False: the reply makes no sense here, the connection must end. */
bool attempt_reply(struct attempt *a, const struct smtp_reply_parser *reply, bool whole);
/* The reply is about a command and no verdict on the message (fallback.h). */
bool attempt_teaches(const struct attempt *a, const struct smtp_reply_parser *reply);
/* The oldest one of its connection waited for its reply for too long. */
void attempt_unanswered(struct attempt *a);
/* How many of the transport's marks the command has that is answered next. */
unsigned attempt_marks(const struct attempt *a);
/* Behind 354: a refusal may come before the end of the content is written. */
bool attempt_in_content(const struct attempt *a);
/* What is answered next. */
enum stage attempt_stage(const struct attempt *a);
/* All replies are in. */
bool attempt_over(const struct attempt *a);
/* Ends it: settles the delivery and frees the attempt. `reason` where the connection was lost. */
void attempt_finish(struct attempt *a);
void attempt_abandon(struct attempt *a, enum stage stage, const char *reason);

#endif
