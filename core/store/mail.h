/*
 * core/store/mail.h - a message at rest in one spool, and the deliveries it is cut into.
 *
 * A mail has recipients; each that is pending stands in one delivery. A delivery is what one attempt takes: recipients
 * of the mail in the same lane, with the same number of attempts behind them, due at the same time. Most mails have one
 * delivery, which is part of the mail, and nothing else to be known: then `fates` is NULL, and all are pending in it.
 *
 *     settled, for some of a delivery's recipients:
 *       delivered, failed    they end (mail_end)
 *       refused for now      they stay, and the delivery waits; or they join one that waits like that (mail_join)
 *       not tried            they get a delivery of their own, which goes on at once (mail_split)
 *
 * So nobody who was never tried waits for somebody else, and a round that delivered to others lengthens nobody's pause.
 * A delivery without recipients is retired when the record that says so is appended; a mail without deliveries is done,
 * or kept as failed.
 *
 * Memory: 144 octets for a mail, of which 8 are the spool's to find it by its id; six more for each recipient, and 64
 * for each further delivery, where recipients have different fates. Nothing here touches the disk or a lane.
 */
#ifndef POSTRIDER_STORE_MAIL_H
#define POSTRIDER_STORE_MAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/list.h"
#include "queue/envelope.h"
#include "queue/lane.h"
#include "queue/spool.h"
#include "queue/state.h"

struct mail_fates;

struct mail {
	struct spool_item item;
	uint64_t accepted_wall_ns, content_length;
	struct mail_fates *fates; /* owned; NULL: all recipients are pending, in `first` */
	uint16_t recipients;
	uint16_t live;       /* deliveries that are not retired */
	bool dirty;          /* what it says of recipients is not on disk yet */
	bool leaving;        /* those who go elsewhere are still here on disk, until they are known to be there */
	bool late : 1;       /* all of them have been told that it is late, where recipients are not told apart */
	bool reporting : 1;  /* somebody is writing a report of it, and has it until that is done */
	bool unreported : 1; /* what is owed cannot be told: its record cannot be read */
	bool younger : 1;    /* accepted_wall_ns is not its record's: it was held, and that time does not count */
	uint8_t waits_as;    /* who is to be told had too much, as one of 255 (core/deliver/notify.c); 0: not so */
	struct delivery first;
};

/* A delivery beside the first. */
struct mail_more {
	struct delivery delivery;
	struct mail *mail;
	struct mail_more *next;
	uint16_t number; /* from 1; the first has 0 */
};

struct mail_reply {
	uint16_t code, length;
	uint8_t stage;
	char text[];
};

struct mail_recipient {
	uint16_t delivery;  /* PENDING: the number of its delivery; ELSEWHERE: what it is while the mail is `leaving` */
	uint16_t attempts;  /* FAILED: that it took; ELSEWHERE: so far */
	uint8_t status : 4; /* enum recipient_status */
	uint8_t marks : 4;  /* STATE_MARK_* */
	uint8_t reply;      /* the last, from 1; 0: none */
};

/* What is to be said of deliveries with DELIVERY_DELETE, when they are back from their attempts. */
struct mail_deletion {
	bool report; /* their sender hears of it */
	char *who;   /* behind the reason, in the same block */
	char reason[];
};

struct mail_fates {
	struct mail_more *more;         /* owned */
	struct mail_deletion *deletion; /* owned; NULL: none was asked for */
	struct mail_reply **replies;    /* owned, and each, malloc'd; NULL: free */
	unsigned reply_count;
	struct mail_recipient recipients[];
};

struct mail *mail_of(const struct delivery *d);

/* Zeroed, with one delivery, in which all recipients are. */
void mail_init(struct mail *mail, unsigned recipients, unsigned lane);
/* What it owns, but for the item's parts; no delivery may be on a list. */
void mail_deinit(struct mail *mail);

/* Is recipient `i` pending in this delivery? */
bool mail_stands_in(const struct mail *mail, const struct delivery *d, unsigned i);
enum recipient_status mail_status(const struct mail *mail, unsigned i);
unsigned mail_count(const struct mail *mail, enum recipient_status status);
/* Is recipient `i` its own by what is on disk? Then he may be leaving at most. */
bool mail_had(const struct mail *mail, unsigned i);
/* The deliveries, one after the other; NULL at the end. */
struct delivery *mail_next(const struct mail *mail, const struct delivery *before);

/* From now on recipients may have fates of their own. 0 or -ENOMEM. */
int mail_tell_apart(struct mail *mail);
/* The others need mail_tell_apart() to have succeeded. */
void mail_end(struct mail *mail, unsigned i, enum recipient_status status, unsigned attempts);
/* STATE_MARK_HELD for who stands in `d`, or not any more. */
void mail_hold(struct mail *mail, const struct delivery *d, bool held);
bool mail_held(const struct mail *mail, unsigned i);
/* What has been reported of recipient `i` (STATE_MARK_*), and more of it. */
unsigned mail_marks(const struct mail *mail, unsigned i);
void mail_mark(struct mail *mail, unsigned i, unsigned marks);
/* Somebody is to hear how it ended for this recipient, or it is to be found out that nobody is; for any of them. */
bool mail_owes_of(const struct mail *mail, unsigned i);
bool mail_owes(const struct mail *mail);
/* Those of `d` that are chosen get a delivery of their own, in the same lane, on no list. NULL: no memory; nothing has
 * changed. */
typedef bool mail_choice_fn(const void *context, unsigned i);
struct delivery *mail_split(struct mail *mail, struct delivery *d, mail_choice_fn *chosen, const void *context);
/* `d` is about to wait until d->due_ns: its recipients go over to another delivery if one waits in that lane, after as
 * many attempts, until `within_ns` of that time. NULL: there is none. */
struct delivery *mail_join(struct mail *mail, struct delivery *d, uint64_t within_ns);
/* Nobody stands in it any more, or the mail ends. Frees it, unless it is the first. */
void mail_retire(struct mail *mail, struct delivery *d);

/* What was said, for mail_answer(): its number; 0: none is kept. */
unsigned mail_keep_reply(struct mail *mail, const struct state_reply *reply);
void mail_answer(struct mail *mail, unsigned i, unsigned reply);
/* All that stand in `d` were told the same. */
void mail_answer_all(struct mail *mail, const struct delivery *d, const struct state_reply *reply);
/* Replies that are nobody's last any more go. */
void mail_sweep_replies(struct mail *mail);

/* The state as it is to be on disk. `told`: the reply of all where recipients are not told apart; NULL: none. A
 * delivery that waits, or is about to, is due at its time, all others at once; who is held is so since then, or since
 * now. The length; `out` has STATE_SIZE_MAX octets. */
size_t mail_encode(const struct mail *mail, const struct state_reply *told, uint64_t now_ns, uint64_t wall_ns,
		   uint8_t *out);

/* Recipient `i`, who is pending and was never tried, stands in this lane. 0 or -ENOMEM. Needs mail_tell_apart(). */
int mail_place(struct mail *mail, unsigned i, unsigned lane);

/* The lane of a recipient. MAIL_NO_LANE: it stays where it is, and is not tried. MAIL_ELSEWHERE: another spool has it.
 */
enum { MAIL_NO_LANE = UINT16_MAX, MAIL_ELSEWHERE = UINT16_MAX - 1 };
typedef unsigned mail_lane_fn(const void *context, const struct envelope_recipient *recipient);
struct mail_clock {
	uint64_t now_ns, wall_ns;
	uint64_t wait_max_ns; /* a clock that was set back must not make mail wait for longer (SYS-06) */
};
/* A mail as envelope and state (NULL: none), both decoded, have it: mail_init() and all else. Each delivery's due_ns is
 * set; those that an operator holds are HELD, others in no lane KEPT, the rest on no list. `dirty` and `leaving` where
 * somebody is elsewhere now who was not before. 0 or -ENOMEM. */
int mail_restore(struct mail *mail, const struct envelope *envelope, const struct queue_state *state,
		 mail_lane_fn *lane_of, const void *context, const struct mail_clock *clock);
/* Of two copies of one message with the same id, each with recipients that are elsewhere for the other: what `other`
 * has of those comes over. Deliveries that are new are on no list. 0 or -ENOMEM. */
int mail_take_over(struct mail *mail, const struct mail *other);

#endif
