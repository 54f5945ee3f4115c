/*
 * core/deliver/outbound_limit.c - a lane waits for its turn where its destination or a host is limited: account.h says
 * when that is.
 */
#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/attempt.h"
#include "core/deliver/budget.h"
#include "core/deliver/connection.h"
#include "core/deliver/hold.h"
#include "core/deliver/outbound_private.h"
#include "core/deliver/path.h"
#include "core/deliver/tell.h"
#include "core/shard/shard.h"

enum {
	LEAD_MS = 50,              /* before its time a message is read */
	LEAD_CONNECTION_MS = 1000, /* and a connection is opened, where there is none, besides twice what that took */
	UNWRITTEN_MS = 1000,       /* the day's budget could not be written: tried again after so long */
	TELL_S = 3600,
	OVERDUE_S = 1, /* mail that has waited too long is looked for so often */
};

/* A host has no limits but what it said itself. */
static const struct config_limits none = {.pacing = CONFIG_PACING_EVEN};

/* Where there are mailboxes the configured limits are each mailbox's, and the destination has none but what it said
 * itself. */
static const struct config_limits *own_limits(const struct outbound *o)
{
	return o->mailboxes ? &none : &o->destination->limits;
}

static bool asks(const struct outbound *o)
{
	return account_asks(o->account, own_limits(o));
}

static bool mailbox_asks(const struct outbound *o, const struct mailbox *mailbox)
{
	return mailbox && account_asks(&mailbox->account, &o->destination->limits);
}

unsigned outbound_ahead(const struct outbound *o)
{
	const struct config_limits *limits = &o->destination->limits;
	uint64_t second = (uint64_t)limits->messages_per_minute / 60 * (o->mailboxes ? o->mailboxes->count : 1);

	/* What is read has had its turn: what comes meanwhile waits behind it. */
	if (!config_limited(limits) && !asks(o))
		return OUTBOUND_LOADING_MAX;
	return second < 1 ? 1 : second < OUTBOUND_LOADING_MAX ? (unsigned)second : OUTBOUND_LOADING_MAX;
}

/* Before the ticket's time, so that nothing else has to be waited for then. */
static uint64_t lead_ns(const struct outbound *o)
{
	uint64_t setup_ns = 0;
	size_t i;

	if (o->connection_count > 0)
		return LEAD_MS * CLOCK_NS_PER_MS;
	for (i = 0; i < o->host_count; i++)
		setup_ns = o->hosts[i]->setup_ns > setup_ns ? o->hosts[i]->setup_ns : setup_ns;
	return LEAD_CONNECTION_MS * CLOCK_NS_PER_MS + 2 * setup_ns;
}

static void wait_until(struct outbound *o, const struct account *account, uint64_t when_ns, uint64_t *next_ns)
{
	uint64_t recovers_ns = atomic_load_explicit(&account->slow_until_ns, memory_order_relaxed);

	o->limited_until_ns = when_ns;
	path_limited(o);
	/* It may be sooner by then. */
	if (account_slowed(account) && recovers_ns > o->shard->now_ns && recovers_ns < when_ns)
		when_ns = recovers_ns;
	if (when_ns < *next_ns)
		*next_ns = when_ns;
	if (o->shard->now_ns < o->overdue_ns)
		return;
	o->overdue_ns = o->shard->now_ns + OVERDUE_S * CLOCK_NS_PER_S;
	outbound_expire_limited(o);
}

/* ---- the day's recipients --------------------------------------------------------------------------------------- */

static void on_budget_written(void *context, int result)
{
	struct outbound *o = context;
	struct budget *budget = o->budget_writing;

	o->budget_writing = NULL;
	if (result < 0) {
		tell_budget_unwritten(o, result);
		o->budget_retry_ns = o->shard->now_ns + UNWRITTEN_MS * CLOCK_NS_PER_MS;
	}
	outbound_knock_all(o, budget_waiting(budget));
	outbound_wake(o->shard, o->index);
}

static void tell_spent(struct outbound *o, struct account *account, uint64_t when_ns)
{
	uint64_t due_ns = atomic_load(&account->tell_ns);

	if (o->shard->now_ns >= due_ns &&
	    atomic_compare_exchange_strong(&account->tell_ns, &due_ns, o->shard->now_ns + TELL_S * CLOCK_NS_PER_S))
		tell_budget_spent(o, account->day->name, o->destination->limits.recipients_per_day,
				  account->day->damaged,
				  when_ns > o->shard->now_ns ? (when_ns - o->shard->now_ns) / CLOCK_NS_PER_S : 0);
}

/* Of those the attempt covers. */
static unsigned recipients_of(const struct attempt *a)
{
	unsigned n = 0, i;

	for (i = a->exchange.first; i < a->exchange.end; i++)
		n += exchange_pending(&a->exchange, i);
	return n;
}

/* False: not before *next_ns; the attempt goes back to its lane where that may take long. */
static bool day_grants(struct outbound *o, struct account *account, struct attempt *a, uint64_t *next_ns)
{
	unsigned most = o->destination->limits.recipients_per_day, n = recipients_of(a);
	uint64_t now_ns = o->shard->now_ns, when_ns = now_ns;

	if (!most || !account->day)
		return true;
	if (o->budget_writing)
		return false;
	if (now_ns < o->budget_retry_ns) {
		wait_until(o, account, o->budget_retry_ns, next_ns);
		return false;
	}
	switch (budget_take(account->day, now_ns, n, most > n ? most : n, o->shard->ring, on_budget_written, o,
			    &when_ns)) {
	case BUDGET_GRANTED:
		a->granted = n;
		a->granted_ns = now_ns;
		return true;
	case BUDGET_WRITES:
		o->budget_writing = account->day;
		return false;
	case BUDGET_WAIT:
		o->budget_waits = true;
		if (!budget_wait(account->day, o->number))
			outbound_wake(o->shard, o->index);
		return false;
	case BUDGET_NOTHING:
		outbound_knock_all(o, budget_waiting(account->day));
		tell_spent(o, account, when_ns);
		/* Another mailbox has as much: it stays loaded, and none that has less is asked again. */
		if (!o->mailboxes || n > attempt_most_recipients(o))
			attempt_give_back(a);
		/* Fewer of them may go. */
		if (o->mailboxes || (n > 1 && budget_left(account->day, now_ns, &when_ns) > 0))
			when_ns = now_ns;
		break;
	}
	wait_until(o, account, when_ns, next_ns);
	return false;
}

/* So many are left of the day. */
static bool day_near(struct outbound *o, struct account *account, unsigned least, uint64_t *when_ns)
{
	if (!o->destination->limits.recipients_per_day || !account->day ||
	    budget_left(account->day, o->shard->now_ns, when_ns) >= least)
		return true;
	tell_spent(o, account, *when_ns);
	return false;
}

/* ---- turns ------------------------------------------------------------------------------------------------------- */

/* More recipients than any mailbox has left that may sign in: it is loaded anew, with fewer. */
static void look_at_loaded(struct outbound *o)
{
	struct attempt *a;

	if (!o->mailboxes || !o->destination->limits.recipients_per_day || list_empty(&o->loaded))
		return;
	a = container_of(o->loaded.next, struct attempt, link);
	if (recipients_of(a) > attempt_most_recipients(o))
		attempt_give_back(a);
}

bool outbound_near(struct outbound *o, uint64_t *next_ns)
{
	uint64_t when_ns, lead;

	look_at_loaded(o);
	if (!asks(o))
		return true;
	if (!o->mailboxes && !day_near(o, o->account, 1, &when_ns)) {
		wait_until(o, o->account, when_ns, next_ns);
		return false;
	}
	when_ns = account_when_ns(o->account, own_limits(o), &o->turn, o->shard->now_ns);
	lead = lead_ns(o);
	if (when_ns <= o->shard->now_ns + lead)
		return true;
	wait_until(o, o->account, when_ns - lead, next_ns);
	return false;
}

/* Recipients that a mailbox must have left: those of the message that is next, where that is known. */
static unsigned least_of(const struct outbound *o)
{
	return list_empty(&o->loaded) ? 1 : recipients_of(container_of(o->loaded.next, struct attempt, link));
}

bool outbound_turn(struct outbound *o, struct connection *c, uint64_t *next_ns)
{
	struct account *account;
	uint64_t when_ns;

	if (!mailbox_asks(o, c->mailbox))
		return true;
	account = &c->mailbox->account;
	if (day_near(o, account, least_of(o), &when_ns)) {
		when_ns = account_when_ns(account, &o->destination->limits, &c->turn, o->shard->now_ns);
		if (when_ns <= o->shard->now_ns + ACCOUNT_EARLY_MS * CLOCK_NS_PER_MS)
			return true;
	}
	wait_until(o, account, when_ns, next_ns);
	connection_park(c, when_ns - ACCOUNT_EARLY_MS * CLOCK_NS_PER_MS);
	return false;
}

bool outbound_takes(struct outbound *o, struct connection *c, uint64_t *next_ns)
{
	if (connection_has_room(c))
		return outbound_turn(o, c, next_ns);
	/* Learned while it was idle, or busy with more than that. Where the host or the mailbox is held a probe stays
	 * until it is answered; one that proved nothing makes room for the next. */
	if (c->state == CONNECTION_READY && !c->retiring &&
	    (connection_at_limit(c) ||
	     (connection_stopped(c) && (!(c->probe || c->mailbox_probe) || c->attempt_count == 0)))) {
		connection_retire(c);
		return false;
	}
	/* Asked for because something waits. */
	if (c->attempt_count >= c->window.limit)
		window_limited(&c->window);
	return false;
}

/* A large message takes its client's further turns. */
void outbound_charge(struct fair *fair, const struct delivery *d)
{
	uint64_t length = mail_of(d)->content_length;

	if (length >= OUTBOUND_TURN)
		fair_charge(fair, d->client,
			    length / OUTBOUND_TURN < FAIR_CHARGE_MOST ? (unsigned)(length / OUTBOUND_TURN)
								      : (unsigned)FAIR_CHARGE_MOST);
}

bool outbound_mailbox_worth(struct outbound *o, struct mailbox *mailbox, uint64_t *next_ns)
{
	uint64_t now_ns = o->shard->now_ns, when_ns;

	if (!mailbox_asks(o, mailbox))
		return true;
	if (day_near(o, &mailbox->account, least_of(o), &when_ns)) {
		when_ns = bucket_when_ns(&mailbox->account.pace, now_ns);
		if (when_ns <= now_ns + LEAD_CONNECTION_MS * CLOCK_NS_PER_MS)
			return true;
		when_ns -= LEAD_CONNECTION_MS * CLOCK_NS_PER_MS;
	}
	wait_until(o, &mailbox->account, when_ns, next_ns);
	return false;
}

/* Its own pace only: when that is. */
static bool slowed_grants(struct outbound *o, struct account *account, struct account_turn *turn, uint64_t *next_ns)
{
	uint64_t when_ns;

	if (!account_slowed(account))
		return true;
	when_ns = account_when_ns(account, &none, turn, o->shard->now_ns);
	if (when_ns <= o->shard->now_ns + ACCOUNT_EARLY_MS * CLOCK_NS_PER_MS)
		return true;
	wait_until(o, account, when_ns, next_ns);
	return false;
}

/* By the limits that are configured: of the destination, or of a mailbox. */
static bool limits_grant(struct outbound *o, struct account *account, struct account_turn *turn, struct attempt *a,
			 uint64_t *next_ns)
{
	const struct config_limits *limits = &o->destination->limits;
	uint64_t now_ns = o->shard->now_ns, when_ns;

	when_ns = account_when_ns(account, limits, turn, now_ns);
	if (when_ns > now_ns + ACCOUNT_EARLY_MS * CLOCK_NS_PER_MS) {
		wait_until(o, account, when_ns, next_ns);
		return false;
	}
	if (!day_grants(o, account, a, next_ns))
		return false;
	when_ns = account_take(account, limits, turn, mail_of(a->delivery)->content_length, now_ns);
	a->granted_ns = now_ns;
	if (when_ns == 0)
		return true;
	if (a->granted)
		budget_give_back(account->day, now_ns, a->granted);
	a->granted = 0;
	a->granted_ns = 0;
	wait_until(o, account, when_ns, next_ns);
	return false;
}

bool outbound_granted(struct outbound *o, struct connection *c, struct attempt *a, uint64_t *next_ns)
{
	struct account *host = &c->host->hold->account;
	uint64_t now_ns = o->shard->now_ns;

	o->budget_waits = false;
	if (!slowed_grants(o, host, &c->host->turn, next_ns))
		return false;
	if (o->mailboxes && !slowed_grants(o, o->account, &o->turn, next_ns))
		return false;
	if (mailbox_asks(o, c->mailbox) && !limits_grant(o, &c->mailbox->account, &c->turn, a, next_ns)) {
		if (!o->budget_writing && !o->budget_waits)
			connection_park(c, o->limited_until_ns);
		return false;
	}
	if (!o->mailboxes && asks(o) && !limits_grant(o, o->account, &o->turn, a, next_ns))
		return false;
	if (account_slowed(host))
		(void)account_take(host, &none, &c->host->turn, 0, now_ns);
	if (o->mailboxes && account_slowed(o->account))
		(void)account_take(o->account, &none, &o->turn, 0, now_ns);
	return true;
}
