/*
 * core/deliver/exchange.h - what is said to a next hop for one attempt, and what its replies mean to the recipients.
 *
 *     RSET ---> MAIL ---> RCPT (each) ---> DATA -------> content, dot          one command at a time, or together
 *                                     \--> BDAT, chunk --> ... BDAT LAST, chunk
 *
 * An engine without I/O: it knows no connection, no disk and no clock. Writing and reading run apart: `step` is what is
 * written next, `expect` which reply comes next. With CHUNKING many exchanges of a connection are written before the
 * first reply is read; the two cursors are all there is to it.
 *
 * It decides nothing about hosts and connections either. What a reply says about those stands in struct exchange_heard,
 * for the caller to carry out.
 */
#ifndef POSTRIDER_DELIVER_EXCHANGE_H
#define POSTRIDER_DELIVER_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/states.h"
#include "core/deliver/fallback.h"
#include "core/deliver/narrow.h"
#include "core/deliver/verdict.h"
#include "core/smtp/content.h"
#include "core/smtp/reply.h"
#include "queue/envelope.h"
#include "queue/state.h"

/* How the attempts of a connection share it, learned from EHLO. */
enum exchange_mode {
	MODE_LOCKSTEP, /* each command waits for its reply */
	MODE_PIPELINE, /* MAIL RCPT DATA of a message share a round trip (RFC 2920) */
	MODE_CHUNKING, /* whole exchanges behind each other, BDAT LAST each (RFC 3030) */
};

enum {
	EXCHANGE_OUT = 16384, /* octets of the caller's buffer */
	EXCHANGE_REPLY_MAX = 256,
};

/* What is known when the first command is written. */
struct exchange_terms {
	enum exchange_mode mode;
	bool size, eight_bit; /* parameters of MAIL that the host knows */
	bool converted;       /* 8-bit content is said in 7 bits */
	bool wide_header;     /* all but some octets of its header */
	bool dsn;             /* and what is said of reports, of MAIL and of RCPT (RFC 3461) */
	bool named;           /* it takes no mail without a sender */
	bool enhanced;        /* it offers ENHANCEDSTATUSCODES */
	bool reset;           /* RSET comes first */
	bool behind;          /* an earlier message of the connection has not been answered */
	bool later;           /* it is not the connection's first, and RSET does not come first */
	bool may_go_again;    /* where a command is refused and not the message, it goes again at once */
	/* Another sender than the envelope's (core/smtp/rewrite.h); no data: none. The caller's, like the envelope. */
	struct span sender;
	unsigned most; /* recipients that the host takes of a message (RFC 9422); 0: it has not said */
	bool smtputf8; /* the host offers it (RFC 6531) */
	/* What is said instead where a host does not offer SMTPUTF8 (RFC 6531) and the envelope needs it. The caller's;
	 * NULL: the envelope as it is. */
	const struct narrow *narrow;
	int64_t growth; /* octets by which the content is longer than content_length for that */
};

enum exchange_step { STEP_RSET, STEP_MAIL, STEP_RCPT, STEP_BODY, STEP_CONTENT, STEP_END, STEP_WRITTEN };
enum exchange_expect { EXPECT_RSET, EXPECT_MAIL, EXPECT_RCPT, EXPECT_BODY, EXPECT_END, EXPECT_NOTHING };
extern const struct states exchange_steps, exchange_expects;

/* What is to be sent now: octets of the caller's buffer, or of the piece it gave. */
struct exchange_say {
	const void *data;
	size_t length; /* 0: an empty chunk */
	bool end;      /* of a command, or of a chunk */
	bool due;      /* a reply to it is due */
};

struct exchange {
	struct exchange_terms terms;
	/* Asked before the built-in ones; NULL: none. The caller's, of the configuration in force at each reply. */
	const struct verdict_rules *rules;
	uint8_t lacks;                   /* VERDICT_LACKS_*, as it is at each reply */
	const struct envelope *envelope; /* the caller's; needed until all is written */
	const uint8_t *statuses;         /* the caller's: enum recipient_status each; NULL: all are pending */
	uint8_t *results;                /* the caller's: enum attempt_result each, zeroed */
	uint64_t content_length;
	uint16_t recipients;
	uint16_t first, end; /* indexes this attempt covers: pending ones within */
	struct envelope_cursor cursor, cursor_after;
	uint16_t rcpt_next;  /* written next */
	uint16_t rcpt_reply; /* index whose reply is next */
	uint16_t accepted;
	uint32_t due; /* commands written and not answered */
	uint8_t step, expect;
	bool mail_refused, body_accepted, dot_only, any_written, end_written, decided, broken;
	bool parameters; /* MAIL had some that a host may do without */
	bool wishes;     /* and some RCPT has */
	bool unnamed;    /* without its sender, who is to hear nothing from a host that does not know NOTIFY */
	bool require_tls;
	bool heard;      /* a reply has come */
	bool again;      /* a command was refused, or its reply lost, and not the message: it goes again at once */
	bool undeclared; /* 8-bit content goes to a host that does not offer 8BITMIME */
	bool held;       /* refused for what this relay is */
	bool passed;     /* what was answered is about the connection (421), not about this message */
	bool blameless;  /* and it came between two messages */
	bool crowded;    /* or to one of its recipients */
	bool damaged;    /* its content cannot be sent */
	bool reset_refused;
	bool withheld; /* some recipients are not told to the host (terms.narrow) */
	/* The content: pieces 0 to last, each given when it is asked for. */
	uint16_t piece, last;
	uint32_t chunks_begun, chunks_written; /* BDAT commands written; those whose octets are all written, too */
	uint32_t chunk_replies;                /* and answered */
	bool more;                             /* what is given is not all of the piece */
	bool checked;                          /* BDAT may send it */
	const uint8_t *content;                /* of `piece`, what is said of it; the caller's; NULL: not given yet */
	size_t content_size, content_offset;   /* of the piece with its head */
	const uint8_t *head;                   /* said before `content`; the caller's */
	size_t head_size;
	size_t said; /* octets of the piece in what is being said */
	struct content_encoder encoder, encoder_after;
	/* The most telling reply. */
	uint16_t code;
	uint8_t code_stage, code_verdict;
	uint16_t reply_length;
	char reply[EXCHANGE_REPLY_MAX];
};

/* The pending recipients, `most` of them, in pieces 0 to `last`. What is named "the caller's" above is borrowed. */
struct exchange_message {
	const struct envelope *envelope;
	const uint8_t *statuses;
	uint8_t *results;
	uint64_t content_length;
	unsigned most;
	uint16_t last;
};
void exchange_init(struct exchange *x, const struct exchange_message *message);
void exchange_begin(struct exchange *x, const struct exchange_terms *terms);

enum exchange_next {
	EXCHANGE_SAY,    /* send it, then exchange_written() */
	EXCHANGE_ROOM,   /* it does not fit into `room` */
	EXCHANGE_WAIT,   /* a reply must come first */
	EXCHANGE_PIECE,  /* exchange_give() the content of x->piece */
	EXCHANGE_DAMAGE, /* the piece would break the next hop's framing (SMG-03): exchange_damaged() */
	EXCHANGE_DONE,   /* all is written */
};
/* What is to be sent next: one command, or octets of content. `out` has EXCHANGE_OUT octets, of which, and of a piece,
 * as many are used as there is `room` for. Asked again before exchange_written() it says the same. */
enum exchange_next exchange_write(struct exchange *x, void *out, size_t room, struct exchange_say *say);
/* What was said last has left. The piece may be given back when x->piece has changed, and at EXCHANGE_DONE. */
void exchange_written(struct exchange *x);
void exchange_give(struct exchange *x, const uint8_t *content, size_t size);
/* The same of a part of it: the rest is asked for when that is said. */
void exchange_give_part(struct exchange *x, const uint8_t *content, size_t size);
/* The same with another header: `head` instead of the first `replaced` octets of the piece. */
struct exchange_head {
	const uint8_t *data;
	size_t size, replaced;
};
void exchange_give_headed(struct exchange *x, const struct exchange_head *head, const uint8_t *content, size_t size);
/* Nothing is said of the piece by itself: it is part of the head that comes with a later one. */
void exchange_hold_back(struct exchange *x);
/* The piece cannot be had, or must not be sent. True: RSET takes back what was sent (RFC 3030 2), and the exchange goes
 * to its end. False: the connection has to end; DATA cannot be left but by its end. */
bool exchange_damaged(struct exchange *x);

enum exchange_go {
	EXCHANGE_GO_ON,
	EXCHANGE_OVER,  /* all its replies are in */
	EXCHANGE_BREAK, /* the connection has to end: nothing more is said */
};
enum exchange_break {
	BREAK_UNEXPECTED, /* the reply makes no sense here */
	BREAK_COMMAND,    /* a command was refused, not the message, and nobody knows what became of those behind it */
	BREAK_EARLY,      /* refused in the middle of its content; its replies are all in */
};
/* What a reply says about the connection and the host. */
enum {
	HEARD_RESET = 1u << 0,       /* RSET before the next message: the host may keep what it refused */
	HEARD_NO_RESET = 1u << 1,    /* RSET was refused; nothing more is begun */
	HEARD_TOLD = 1u << 2,        /* the connection takes no more messages: nothing behind was accepted */
	HEARD_LIMIT = 1u << 3,       /* and it is between two messages: it has had as many as it takes */
	HEARD_LESSON = 1u << 4,      /* the host does not bear something (`lesson`) */
	HEARD_NOT_PLAIN = 1u << 5,   /* MAIL without parameters is no better */
	HEARD_FELL_BACK = 1u << 6,   /* the connection ends for a lesson: the host is not blamed */
	HEARD_NONE_BEHIND = 1u << 7, /* nothing that was sent behind this message can have been accepted */
	HEARD_HELD = 1u << 8,        /* refused for what this relay is (`ruling`) */
	HEARD_HELD_BEFORE = 1u << 9, /* and so was another command of this message */
	HEARD_RECIPIENT = 1u << 10,  /* recipient `index` got a refusal of its own */
	HEARD_SLOW = 1u << 11,       /* it is too much for now (`ruling`) */
	HEARD_LEAVE = 1u << 12,      /* this mailbox is to be left alone for a while (`ruling`) */
	HEARD_SIGN_IN = 1u << 13,    /* it is to sign in anew (`ruling`) */
};
struct exchange_heard {
	unsigned signs; /* HEARD_* */
	enum exchange_break why;
	enum stage stage; /* of the command that was answered */
	enum lesson lesson;
	struct ruling ruling;
	unsigned index;
};
/* The reply to the oldest command. `whole`: all that belongs to that command has been handed to the kernel, a chunk's
 * octets and the end of the content included. `taken`: messages that the connection has answered before. */
enum exchange_go exchange_reply(struct exchange *x, const struct smtp_reply_parser *reply, bool whole, unsigned taken,
				struct exchange_heard *heard);
/* The oldest command waited for its reply for too long. `drained`: all that was written has been handed to the kernel.
 */
void exchange_unanswered(struct exchange *x, bool drained, struct exchange_heard *heard);
/* The reply is about a command and no verdict on the message (fallback.h). */
bool exchange_teaches(const struct exchange *x, const struct smtp_reply_parser *reply);

/* Instead of beginning it: the message may not go over this connection, as a next hop would say of MAIL (`text` with
 * its enhanced code). Its recipients have their results. */
void exchange_refuse(struct exchange *x, unsigned code, const char *text);

/* How many ends (struct exchange_say) the command has that is answered next. */
unsigned exchange_ends(const struct exchange *x);
/* What is answered next. */
enum stage exchange_stage(const struct exchange *x);
/* Behind 354: a refusal may come before the end of the content is written. */
bool exchange_in_content(const struct exchange *x);
static inline bool exchange_over(const struct exchange *x)
{
	return x->expect == EXPECT_NOTHING;
}
/* The recipient has no verdict from earlier attempts. */
static inline bool exchange_pending(const struct exchange *x, unsigned i)
{
	return !x->statuses || x->statuses[i] == RECIPIENT_PENDING;
}
bool exchange_any_sent(const struct exchange *x);
/* Where the connection ends at a recipient: how many were taken before it. */
unsigned exchange_crowd(const struct exchange *x);

#endif
