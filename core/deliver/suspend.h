/*
 * core/deliver/suspend.h - destinations, or single domains of those with `mx: true`, that an operator has suspended.
 *
 * Nothing is begun there until he resumes it, or its time is over: attempts that are under way end, and connections
 * with them; what is accepted meanwhile waits. No attempt is counted, and nothing expires: when it goes on, its mail
 * has up to an hour whatever its age, as after any halt that was not its own (hold.h). Mail of others that came there
 * by their fallback goes home, and what waits for a suspended destination does not take its own.
 *
 * It survives a restart, in a small file beside the spools ("suspended", a line for each), written before it is
 * confirmed; and a reload: it goes by the destination's name, whether there is one of that name or not. How long it
 * lasts is measured by the clock that nobody sets; only a start goes by the wall clock, and by that no longer than it
 * was to last in all, should the clock have been set back.
 *
 * Shards read an atomic of their destination's, and of a domain's name; a lock only where a domain of such a name is
 * suspended. Who changes it may wait for the disk, and belongs to no shard; who reads all of it keeps no shard waiting.
 */
#ifndef POSTRIDER_DELIVER_SUSPEND_H
#define POSTRIDER_DELIVER_SUSPEND_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;

enum { SUSPEND_MAX = 4096, SUSPEND_TEXT_MAX = 200 /* of reason and who */, SUSPEND_BITS = 16384 };
#define SUSPEND_FOR_EVER UINT64_MAX

struct suspension {
	struct suspension *next;
	char *destination, *domain; /* "": all of it */
	char *reason, *who;
	uint64_t since_wall_ns, until_wall_ns; /* until: 0: for ever */
	uint64_t until_ns;                     /* monotonic */
	bool over;                             /* its time is, and that was told */
};

struct suspensions {
	pthread_mutex_t acts; /* one change at a time, with its write: so it keeps the list as it is, too */
	pthread_mutex_t lock; /* the list, for those who do not have `acts` */
	struct suspension *first;
	unsigned count;
	_Atomic(bool) of_domains; /* there are such; as a rule there are none, and no name need be hashed */
	_Atomic(uint64_t) domains[SUSPEND_BITS / 64]; /* of each name one bit, by its hash */
	_Atomic(uint64_t) *until_ns; /* owned, per destination: monotonic; once it is over: when that was; 0: never */
	size_t room;
	const struct config *config; /* the newest */
	char *directory;             /* owned */
};

/* Memory only. 0 or -ENOMEM. */
int suspensions_init(struct suspensions *s, const struct config *config, size_t room);
void suspensions_deinit(struct suspensions *s);
/* What the file says, at the start. 0 or -errno; -EBADMSG: it is none. */
int suspensions_load(struct suspensions *s);
/* Which destination has which place. */
void suspensions_follow(struct suspensions *s, const struct config *config);
/* The place becomes another's. */
void suspensions_forget(struct suspensions *s, size_t place);

struct suspend_order {
	const char *destination, *domain; /* "": all of it */
	uint64_t for_ns;                  /* SUSPEND_FOR_EVER */
	const char *reason, *who;
};
/* It is on the disk, and in force for all that begins from now on. In place of one that there is. 0, -EXFULL, -errno:
 * then nothing has changed. */
int suspend_begin(struct suspensions *s, const struct suspend_order *order);
/* The same; -ENOENT: it is not suspended. *since_ns: for so long it was. */
int suspend_end(struct suspensions *s, const char *destination, const char *domain, uint64_t *since_ns);
/* The configuration has a destination of that name; *mx: with `mx: true`. */
bool suspend_knows(struct suspensions *s, const char *destination, bool *mx);
/* Calls fn for each that is in force; fn may not wait. Shards do not wait for it, but while one is being changed. */
void suspend_each(struct suspensions *s, void (*fn)(void *context, const struct suspension *one), void *context);

/* On shards. Until when the destination of that place is: *next_ns is lowered to when to look again. */
bool suspend_holds(const struct suspensions *s, unsigned place, uint64_t now_ns, uint64_t *next_ns);
/* Until when, or since when it is not any more. */
uint64_t suspend_until_ns(const struct suspensions *s, unsigned place);
/* The same of a domain of a destination by its name. */
bool suspend_holds_domain(struct suspensions *s, const char *destination, const char *domain, uint64_t now_ns);
/* One whose time is over, once: its names, in a buffer each of SUSPEND_NAME octets. False: none. */
enum { SUSPEND_NAME = 256 };
bool suspend_over(struct suspensions *s, uint64_t now_ns, char destination[SUSPEND_NAME], char domain[SUSPEND_NAME]);

/* ---- the file ---- */

/* One line without its end, into `out`, whose texts are in `text` (of SUSPEND_LINE octets). False: it is none. */
enum { SUSPEND_LINE = 3 * (2 * SUSPEND_NAME + 2 * SUSPEND_TEXT_MAX) + 64 };
bool suspension_read(const char *line, size_t length, char text[SUSPEND_LINE], struct suspension *out);
/* With its end; the length, at most SUSPEND_LINE. */
size_t suspension_write(const struct suspension *one, char out[SUSPEND_LINE]);

#endif
