/*
 * core/deliver/notify_private.h - what the files of notify.h share. From the lowest: notify_limit.c (how much to whom),
 * notify_write.c (what is said), notify_digest.c (many in one), notify_job.c (one on its way), notify.c.
 */
#ifndef POSTRIDER_DELIVER_NOTIFY_PRIVATE_H
#define POSTRIDER_DELIVER_NOTIFY_PRIVATE_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/list.h"
#include "core/base/wheel.h"
#include "core/deliver/notify.h"
#include "core/smtp/report.h"
#include "core/store/submission.h"
#include "queue/envelope.h"
#include "queue/spool.h"
#include "queue/state.h"

enum {
	NOTIFY_JOBS_MAX = 16,
	NOTIFY_FRESH_MAX = 256,
	NOTIFY_DIGESTS_MAX = 64,
	NOTIFY_ITEMS_MAX = ENVELOPE_REPORTS_MAX / 2, /* mails in one digest */
	NOTIFY_ADDRESS_MAX = 254,
	NOTIFY_ITEMS_OCTETS = SPOOL_ENVELOPE_MAX / 2, /* that they take in its envelope */
	NOTIFY_AGAIN_S = 5,                           /* until somebody who was left out is looked for */
	NOTIFY_FULL_S = 60,                           /* the same where only a digest takes it, and has no room */
	NOTIFY_KINDS = 256,                           /* of mail::waits_as */
};

/* A mail, and whom of it a report speaks of. */
struct notify_item {
	struct mail *mail; /* `reporting` */
	uint8_t *end;      /* owned: a bit for each recipient whose end is told; behind them, whose delay is */
	uint32_t octets;   /* of each */
	bool ends, delays; /* any */
};

enum notify_state {
	NOTIFY_READING,  /* the envelope, what was said last, and the header are being read */
	NOTIFY_NOTING,   /* 1: to be appended */
	NOTIFY_NOTED,    /* on its way to the disk */
	NOTIFY_STORING,  /* 2 */
	NOTIFY_MARKING,  /* 3: to be appended */
	NOTIFY_MARKED,   /* on its way to the disk */
	NOTIFY_RELEASED, /* 4 */
};

struct notify_job {
	struct list link; /* notifier->jobs */
	struct shard *shard;
	enum notify_state state;
	struct notify_item single, *items; /* `single`, or owned */
	unsigned count, appended;          /* so many of them are, in this step */
	struct spool_view view, part, last;
	bool view_held, part_held, last_held;
	struct envelope envelope;
	struct queue_state said; /* in `last`, where recipients are not told apart in memory */
	bool said_known;
	struct spool_ticket ticket;
	struct submission *message; /* NULL: nobody is told, only marks are set */
	struct envelope_report *reports;
	char to[NOTIFY_ADDRESS_MAX + 1];
	bool instead; /* to the owner, in place of the sender */
	size_t destination;
	bool held; /* the report stays on the disk, for the next start */
	bool late; /* it is so late that its sender is to hear of it */
	const char *kind;
	unsigned told; /* recipients; of a digest messages */
	struct message_id id, about;
};

struct notify_line {
	struct report_line line;
	char text[3 * 160]; /* what its spans are of */
};

/* What was too much for one address, until it is sent: what it is of stays in the spool, as owed. */
struct notify_digest {
	struct list link;
	char to[NOTIFY_ADDRESS_MAX + 1];
	bool instead;
	size_t destination;
	struct notify_item *items; /* owned */
	unsigned count, capacity, line_count;
	size_t octets;             /* of its envelope that the items take, at most */
	bool full;                 /* one did not fit */
	struct notify_line *lines; /* owned, REPORT_LINES_KEPT */
	uint64_t since_ns, not_before_ns;
};
enum { NOTIFY_LINES_KEPT = 200 };

struct notifier {
	struct shard *shard;
	struct list jobs, digests;
	unsigned job_count, digest_count;
	struct spool_id fresh[NOTIFY_FRESH_MAX]; /* a ring */
	unsigned fresh_at, fresh_count;
	bool wake, draining;
	bool again; /* somebody has to be looked for again: there was no room for him, or it was not his time */
	bool denied;
	/* So long mail that waits for somebody is not read again. Who shares his number with another waits with him,
	 * but for a few that are read all the same. */
	uint64_t denied_until_ns[NOTIFY_KINDS];
	uint32_t walk_at; /* in the spool's index */
	bool walking;
	uint64_t walk_ns; /* the next one begins */
	uint64_t started_wall_ns;
	struct wheel_timer timer;
};

/* ---- notify_limit.c ---- */
/* One more report may go to the address now. An `owner` has `most` in an hour; and what is `old`, from before this
 * process, a few. DIGEST: not by itself. */
enum notify_may { NOTIFY_MAY, NOTIFY_MAY_LATER, NOTIFY_MAY_DIGEST };
struct notify_claim {
	struct span to;
	bool owner, old;
	unsigned most;
	uint64_t now_ns;
};
enum notify_may notify_may(struct notify_limits *limits, const struct notify_claim *claim);
/* The one with all others, of this hour. */
bool notify_may_digest(struct notify_limits *limits, struct span to, uint64_t now_ns);

/* ---- notify_write.c ---- */
/* Who is told, in job->to, and by which destination. Else why nobody is: static. */
const char *notify_addressee(struct notify_job *job);
/* Of whom of the job's mail somebody is to be told, and what; their number in the mail. Who is owed something, and
 * nobody is to hear of it, has his bit in the item at once. Their number; both have room for REPORT_RECIPIENTS_MAX. */
unsigned notify_recipients(struct notify_job *job, struct report_recipient *out, uint16_t *index);
/* `mark`: STATE_MARK_TOLD or STATE_MARK_DELAY. */
void notify_item_set(struct notify_item *item, unsigned i, unsigned mark);
/* The message, in the submission's blocks, and who is in it. 0 or -ENOMEM. */
int notify_write(struct notify_job *job, const struct report_recipient *recipients, const uint16_t *index,
		 unsigned count);
int notify_write_digest(struct notify_job *job, const struct notify_digest *digest);
/* For a digest, of one that is to be told; its texts are copied. */
void notify_line(const struct notify_job *job, const struct report_recipient *r, unsigned others,
		 struct notify_line *out);

/* ---- notify_digest.c ---- */
/* The mail was read in vain: who is to be told had too much, and has until then. */
void notify_deny(struct notifier *n, struct mail *m, const char *to, uint64_t until_ns);
/* Not to be read now. Else a million such would be read again and again, and those of others found in hours. */
bool notify_waits(struct notifier *n, const struct mail *m);
/* The job's only item goes into the address's digest. False: no room, it stays owed. */
bool notify_digest_add(struct notifier *n, struct notify_job *job, const struct report_recipient *r, unsigned others);
/* One whose time has come; NULL: none. *next_ns: when to look again, if before that. */
struct notify_digest *notify_digest_due(const struct notifier *n, uint64_t *next_ns);
/* What was in it has left, or is to be found again. */
void notify_digest_emptied(struct notifier *n, struct notify_digest *d, bool sent);
void notify_digests_free(struct notifier *n, bool mails);
void notify_items_free(struct notify_item *items, unsigned count);

/* ---- notify_job.c ---- */
/* Somebody is to be looked for again, soon. */
void notify_again(struct notifier *n);
/* The mail came to owe something: it is next, or where that line is full it is looked for. */
void notify_remember(struct notifier *n, const struct mail *m);
/* Takes the mail, or leaves it for another time. */
void notify_job_start(struct notifier *n, struct mail *m);
/* Of a digest's items, which it takes. */
void notify_job_digest(struct notifier *n, struct notify_digest *d);
/* What waits for room tries again. */
void notify_jobs_run(struct notifier *n);
void notify_jobs_give_up(struct notifier *n);

#endif
