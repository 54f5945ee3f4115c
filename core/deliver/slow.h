/*
 * core/deliver/slow.h - a next hop says that it is too much (ACTION_SLOW): what the ruling names is sent less for a
 * time, and recovers step by step (account.h). The message that was told so is deferred like any other.
 */
#ifndef POSTRIDER_DELIVER_SLOW_H
#define POSTRIDER_DELIVER_SLOW_H

struct host;
struct outbound;
struct ruling;
struct verdict_fact;

struct mailbox;

/* `mailbox`: by which it was sent, or NULL. */
void slow_down(struct outbound *o, struct host *host, struct mailbox *mailbox, const struct verdict_fact *fact,
	       const struct ruling *ruling);

#endif
