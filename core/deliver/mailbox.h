/*
 * core/deliver/mailbox.h - an identity at a destination's hosts: who signs in there, and whether that is of use now.
 *
 *     USABLE --its login is refused, or it may not send--> HELD --each `until_ns`, one tries--> accepted: USABLE
 *
 * A destination has none (nobody signs in), one (`auth`), or many (`mailboxes`): a pool. Each has connections of its
 * own, as many as limits.connections says, so what they may do adds up, and no connection ever serves two (RELIABILITY
 * I5). One that is held is left out, and the others go on; where all are, mail waits, and none of it fails. It does not
 * expire either, but where none of them needs anybody to act: that passes by itself or never, as a host that is away.
 *
 * A held mailbox is tried by one connection of one shard, with pauses that grow. They are longer where a login was
 * refused: a fifth wrong password within ten minutes is what gets addresses banned. What is signed in already goes on
 * while only logins are refused; where the mailbox itself may not send, nothing goes by it.
 *
 * There is one struct mailbox for the process, found by the user's name, as long as the process runs: reloads change
 * what belongs to it, not where it is. Its figures are atomics, shared by all shards. A struct mailbox_set is one
 * destination's in one snapshot: which mailboxes it has, and their secrets, which are in no core file (hidden.h).
 */
#ifndef POSTRIDER_DELIVER_MAILBOX_H
#define POSTRIDER_DELIVER_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/span.h"
#include "core/deliver/account.h"
#include "core/deliver/door.h"
#include "core/smtp/mechanism.h"

struct config;
struct config_destination;
struct token_identity;
struct tokens;

enum mailbox_trouble {
	MAILBOX_USABLE,
	MAILBOX_AGAIN,   /* its login was refused, and is said again at once: with a fresh token, or as a rule wants */
	MAILBOX_LATER,   /* its login was refused for now, or there is no token at present */
	MAILBOX_REFUSED, /* its login was refused: somebody has to act */
	MAILBOX_WITHOUT, /* there is no token until somebody acts; nothing is said to the next hop meanwhile */
	MAILBOX_BARRED,  /* it is signed in, and may not send: somebody has to act */
};

/* Pauses: the first, by how much each is longer, the longest. */
enum {
	MAILBOX_LATER_MS = 1000,
	MAILBOX_LATER_MAX_MS = 60000,
	MAILBOX_REFUSED_MS = 10000, /* x 4 */
	MAILBOX_REFUSED_MAX_MS = 3600000,
	MAILBOX_REFUSED_TOGETHER = 3, /* that is, ten minutes at most */
	MAILBOX_BARRED_MS = 10000,
	MAILBOX_BARRED_MAX_MS = 600000,
	MAILBOX_POLL_MS = 1000, /* lanes look for what others found out */
	MAILBOX_TELL_S = 3600,
	MAILBOX_FIRST_MS = 30000, /* so long others wait for the first login's answer */
	MAILBOX_FIRST_POLL_MS = 100,
};

struct mailbox {
	char *user;                                      /* owned */
	_Atomic(uint64_t) until_ns;                      /* held, and not tried before; 0: usable */
	_Atomic(uint64_t) since_ns;                      /* held since */
	_Atomic(uint64_t) tell_ns;                       /* told, and not to be told again before; 0: not told */
	_Atomic(uint32_t) refused;                       /* in a row */
	_Atomic(uint32_t) trouble;                       /* enum mailbox_trouble */
	_Atomic(uint32_t) logins;                        /* refused in a row that were to be said again at once */
	_Atomic(uint64_t) refused_token, accepted_token; /* serials of the last ones; 0: none */
	_Atomic(uint32_t) connections;                   /* open, of all shards */
	_Atomic(bool) accepted;                          /* a login was, in this process */
	_Atomic(uint64_t) anew_ns;  /* then its connections were to sign in anew; 0: it has sent a message since */
	_Atomic(uint64_t) first_ns; /* where none was: one is under way, until then at most; 0: none */
	struct door *door;          /* its destination's; NULL: of none */
	_Atomic(unsigned) seat;     /* its place in the newest set */
	struct account account;     /* what limits allow it, each mailbox by itself */
};

/* Its mailbox in one snapshot. */
struct mailbox_entry {
	struct mailbox *mailbox;
	struct span secret;              /* in the set's hidden memory; without data: it is a token */
	struct token_identity *identity; /* owned: whose token; NULL: a password, or the agent does not run (check) */
};

struct mailbox_set {
	_Atomic(unsigned) users; /* its snapshot, and questions for tokens of its identities */
	size_t count;
	struct mailbox_entry *entries; /* owned */
	void *hidden;                  /* owned */
	size_t hidden_size;
};

/* All mailboxes that a destination ever had in this process; only for who makes snapshots. Zeroed: none. */
struct mailbox_home {
	struct mailbox **list; /* owned, as is each */
	size_t count;
	struct door door;
};
void mailbox_home_deinit(struct mailbox_home *home);

/* Somebody signs in by a token. */
bool mailbox_tokens_wanted(const struct config *config);

struct mailbox_problem {
	char text[512];
};
/* The sets of all destinations, NULL for those where nobody signs in; reads files. 0, -ENOMEM, or -EINVAL with a
 * *problem: a secret that cannot be had. `sets` is zeroed, and for mailbox_sets_free() whatever comes out. */
int mailbox_sets_make(struct mailbox_set **sets, struct mailbox_home *homes, struct tokens *tokens,
		      const struct config *config, struct mailbox_problem *problem);
void mailbox_set_hold(struct mailbox_set *set);
void mailbox_set_release(struct mailbox_set *set);
void mailbox_sets_free(struct mailbox_set **sets, size_t count);
/* The set's mailbox `mailbox`, or NULL: it has it no more. */
const struct mailbox_entry *mailbox_find(const struct mailbox_set *set, const struct mailbox *mailbox);

/* Which of them it is, from 0; without meaning where it is none of them. */
unsigned mailbox_seat(const struct mailbox_set *set, const struct mailbox *mailbox);

/* Those of the destination's mechanisms that fit what it signs in with, in their order; returns how many. A password is
 * never said where a token belongs, nor the other way round. */
unsigned mailbox_mechanisms(const struct mailbox_entry *entry, const struct config_destination *destination,
			    uint8_t mechanisms[SASL_MECHANISMS]);

/* ---- on the shards ---- */

static inline bool mailbox_held(const struct mailbox *mailbox)
{
	return atomic_load_explicit(&mailbox->until_ns, memory_order_relaxed) != 0;
}
/* Nothing goes by it, not even over connections that are signed in. */
static inline bool mailbox_barred(const struct mailbox *mailbox)
{
	return mailbox_held(mailbox) && atomic_load_explicit(&mailbox->trouble, memory_order_relaxed) == MAILBOX_BARRED;
}
/* None of them is usable. */
bool mailbox_all_held(const struct mailbox_set *set);

enum mailbox_use {
	MAILBOXES_USABLE,  /* at least one is */
	MAILBOXES_PUT_OFF, /* none is, and nobody has to act: their mail grows old, as where a host is away */
	MAILBOXES_STOPPED, /* none is, and for one at least somebody has to act: their mail waits for that */
};
/* `among` as below. */
enum mailbox_use mailbox_use(const struct mailbox_set *set, const uint8_t *among);

/* A mailbox for another connection, which is counted: mailbox_gone() when it is no more. They take turns, *turn is the
 * lane's; where logins were refused lately those that were accepted go first, and those never tried before refused
 * ones. *probe: it is held, and it is for this connection to find out. NULL: none, before *next_ns, which is only ever
 * lowered; *full, which is only ever set: one has `most` connections, as many as it may. `among`: a bit for each that
 * is wanted; NULL: any. */
struct mailbox *mailbox_choose(const struct mailbox_set *set, const uint8_t *among, unsigned *turn, unsigned most,
			       uint64_t now_ns, bool *probe, bool *full, uint64_t *next_ns);
void mailbox_gone(struct mailbox *mailbox);

/* About to sign in. Until a login was accepted only one at a time is said, however many shards have a connection: what
 * is wrong would be said by all of them, and each counts where they are counted. False: not now. *first_ns: the
 * connection's, zeroed when it begins; mailbox_first_over() when its login is over, well or not. */
bool mailbox_may_login(struct mailbox *mailbox, bool probe, uint64_t now_ns, uint64_t *first_ns);
void mailbox_first_over(struct mailbox *mailbox, uint64_t *first_ns);
/* It has all that it says: is it the turn of its login at the destination (door.h)? *claim as *first_ns. */
bool mailbox_enter(struct mailbox *mailbox, uint64_t now_ns, uint64_t *claim);
void mailbox_entered(struct mailbox *mailbox, uint64_t *claim);
/* Its login was refused. `counts`: it was wrong, or may be right at once. */
static inline void mailbox_turned_away(const struct mailbox *mailbox, bool counts, uint64_t now_ns)
{
	if (mailbox->door)
		door_refused(mailbox->door, counts, now_ns);
}

/* `probe`: of the connection that met it. Returns the pause; *tell: the operator is to hear of it. */
uint64_t mailbox_troubled(struct mailbox *mailbox, enum mailbox_trouble trouble, bool probe, uint64_t now_ns,
			  bool *tell);
/* Its token was refused, or a rule has it sign in anew. True: for the first time, and it is tried again at once; or it
 * is what another connection has heard of the same token, which is nothing new. `token`: its serial; 0: none. `better`:
 * what it says then is something else. */
bool mailbox_login_again(struct mailbox *mailbox, uint64_t token, bool better, bool probe, uint64_t now_ns);
/* It was refused with this one, and not accepted since. */
bool mailbox_refused_token(const struct mailbox *mailbox, uint64_t token);
void mailbox_token_accepted(struct mailbox *mailbox, uint64_t token);
/* It was the last one with which its login was accepted: true once, as it is refused with it now. */
bool mailbox_lost_token(struct mailbox *mailbox, uint64_t token);
/* What is signed in since `since_ns` is to sign in anew. False: it is since it did, and has sent nothing. */
bool mailbox_anew(struct mailbox *mailbox, uint64_t since_ns, uint64_t now_ns);
/* Since it was to sign in anew it has sent nothing. */
static inline bool mailbox_in_doubt(const struct mailbox *mailbox)
{
	return atomic_load_explicit(&mailbox->anew_ns, memory_order_relaxed) != 0;
}
/* It is held for so long at least, as who has its tokens wants no questions before. */
void mailbox_not_before(struct mailbox *mailbox, uint64_t ns);
/* Its login was accepted (`sent`: and a message). True: it was held, for *held_ns; *told: the operator knows. */
bool mailbox_well(struct mailbox *mailbox, bool sent, uint64_t now_ns, uint64_t *held_ns, bool *told);
/* It was held, for its probe to find out, which came to nothing: another one does soon. */
void mailbox_postpone(struct mailbox *mailbox, uint64_t now_ns);
/* What held it may have been mended: it is tried at once. */
void mailbox_retry(struct mailbox *mailbox, uint64_t now_ns);
/* The same of all, and of what keeps their logins apart. */
void mailbox_set_retry(const struct mailbox_set *set, uint64_t now_ns);

#endif
