/*
 * core/deliver/hold.c - see hold.h.
 */
#include "core/deliver/hold.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/mailbox.h"
#include "core/deliver/outbound.h"
#include "core/deliver/tell.h"
#include "core/shard/shard.h"

static uint64_t interval_ns(uint32_t refused)
{
	uint64_t interval = HOLD_PROBE_FIRST_MS * CLOCK_NS_PER_MS;

	while (refused-- > 0 && interval < HOLD_PROBE_MAX_MS * CLOCK_NS_PER_MS)
		interval *= 2;
	return interval < HOLD_PROBE_MAX_MS * CLOCK_NS_PER_MS ? interval : HOLD_PROBE_MAX_MS * CLOCK_NS_PER_MS;
}

/* ---- places ----------------------------------------------------------------------------------------------------- */

/* Nobody has it, and the configuration that is about to be in force has not either. */
static bool may_go(const struct hold_destination *destination, const struct hold_host *host)
{
	return !host->name || (host->users == 0 && host->generation != destination->generation);
}

/* The lock is held. 0, -ENOMEM, -EXFULL. */
static int find(struct hold_destination *destination, const char *name, struct hold_host **out)
{
	struct hold_host *place = NULL;
	char *own;
	size_t i;

	for (i = 0; i < destination->room; i++) {
		struct hold_host *host = &destination->hosts[i];
		*out = host;
		if (host->name && strcmp(host->name, name) == 0)
			return 0;
		/* What is free for longer is known less. */
		if (may_go(destination, host) && (!place || (place->name && !host->name)))
			place = host;
	}
	own = place ? strdup(name) : NULL;
	if (!own)
		return place ? -ENOMEM : -EXFULL;
	account_deinit(&place->account);
	free(place->name);
	memset(place, 0, sizeof(*place));
	place->name = own;
	*out = place;
	return 0;
}

int hold_make(struct hold_destination *destination, size_t room)
{
	destination->hosts = calloc(room, sizeof(*destination->hosts));
	if (!destination->hosts)
		return -ENOMEM;
	destination->room = room;
	pthread_mutex_init(&destination->lock, NULL);
	return 0;
}

int hold_extend(struct hold_destination *destination, const struct config_destination *config)
{
	struct hold_host *host;
	int r = 0;
	size_t h;

	if (!destination->hosts)
		r = hold_make(destination,
			      config->host_count + HOLD_HOSTS_ROOM + (config->mx_of ? HOLD_EXCHANGERS_ROOM : 0));
	if (r < 0)
		return r;
	pthread_mutex_lock(&destination->lock);
	/* First all that stay, or a new one takes the place of one of those. */
	destination->generation++;
	for (h = 0; h < destination->room; h++) {
		for (size_t k = 0; k < config->host_count; k++) {
			const char *name = destination->hosts[h].name;
			if (name && strcmp(name, config->hosts[k].text) == 0)
				destination->hosts[h].generation = destination->generation;
		}
	}
	for (h = 0; h < config->host_count && r == 0; h++) {
		r = find(destination, config->hosts[h].text, &host);
		if (r == 0)
			host->generation = destination->generation;
	}
	pthread_mutex_unlock(&destination->lock);
	return r;
}

void hold_deinit(struct hold_destination *destination)
{
	size_t h;

	for (h = 0; h < destination->room; h++) {
		account_deinit(&destination->hosts[h].account);
		free(destination->hosts[h].name);
	}
	if (destination->hosts)
		pthread_mutex_destroy(&destination->lock);
	free(destination->hosts);
	memset(destination, 0, sizeof(*destination));
}

struct hold_host *hold_host_take(struct hold_destination *destination, const char *name)
{
	struct hold_host *host;
	int r;

	pthread_mutex_lock(&destination->lock);
	r = find(destination, name, &host);
	if (r == 0)
		host->users++;
	pthread_mutex_unlock(&destination->lock);
	return r == 0 ? host : NULL;
}

void hold_host_give_back(struct hold_destination *destination, struct hold_host *host)
{
	pthread_mutex_lock(&destination->lock);
	assert(host->users > 0);
	host->users--;
	pthread_mutex_unlock(&destination->lock);
}

/* ---- probes ------------------------------------------------------------------------------------------------------ */

enum hold_claim hold_claim(struct hold_host *host, uint64_t now_ns, uint64_t *next_ns)
{
	uint64_t probe_ns = atomic_load_explicit(&host->probe_ns, memory_order_relaxed);
	uint64_t poll_ns = now_ns + HOLD_POLL_MS * CLOCK_NS_PER_MS;

	if (probe_ns == 0)
		return HOLD_NONE;
	/* Whoever moves the time on has the right to this probe. */
	if (now_ns >= probe_ns && atomic_compare_exchange_strong(&host->probe_ns, &probe_ns,
								 now_ns + interval_ns(atomic_load(&host->refused) + 1)))
		return HOLD_PROBE;
	if (poll_ns < *next_ns)
		*next_ns = poll_ns;
	if (probe_ns > now_ns && probe_ns < *next_ns)
		*next_ns = probe_ns;
	return HOLD_WAIT;
}

void hold_probe_now(struct hold_host *host, uint64_t now_ns)
{
	uint64_t probe_ns = atomic_load(&host->probe_ns);

	if (probe_ns > now_ns)
		(void)atomic_compare_exchange_strong(&host->probe_ns, &probe_ns, now_ns);
}

/* ---- refused ---------------------------------------------------------------------------------------------------- */

/* From now on, if it was not held before; a probe that was refused makes the time to the next one longer. */
static void hold_host(struct outbound *o, struct host *host, enum stage stage, bool probed)
{
	struct hold_host *hold = host->hold;
	uint64_t now_ns = o->shard->now_ns, none = 0;

	atomic_store(&hold->stage, (uint32_t)stage);
	if (atomic_compare_exchange_strong(&hold->probe_ns, &none, now_ns + interval_ns(0)))
		atomic_store(&hold->since_ns, now_ns);
	else if (probed)
		atomic_fetch_add(&hold->refused, 1);
}

static void tell(struct outbound *o, const struct host *host, const struct verdict_fact *fact,
		 const struct ruling *ruling)
{
	_Atomic(uint64_t) *tell_ns = &o->holds->tell_ns[ruling->reason];
	uint64_t due_ns = atomic_load(tell_ns);

	if (o->shard->now_ns < due_ns)
		return;
	if (atomic_compare_exchange_strong(tell_ns, &due_ns, o->shard->now_ns + HOLD_TELL_S * CLOCK_NS_PER_S))
		tell_setup_refused(o, host, fact, ruling);
}

bool hold_refused(struct outbound *o, struct host *host, const struct delivery *d, const struct verdict_fact *fact,
		  const struct ruling *ruling)
{
	bool in_force = hold_in_force(host->hold);

	/* Again and again the same message says nothing about the host. */
	if (ruling->scope == SCOPE_MESSAGE && d && d->holds == 0 && !in_force)
		host->held_in_row++;
	/* Others got through since it was refused: it is this message after all, and it must not hold them up again. */
	bool only_this = d && d->holds > 0 && !in_force;

	if ((ruling->scope != SCOPE_MESSAGE && !only_this) || in_force || host->held_in_row >= HOLD_ROW) {
		hold_host(o, host, fact->stage, host->probing);
		host->probing = false;
	}
	tell(o, host, fact, ruling);
	return hold_in_force(host->hold);
}

/* ---- and let go ------------------------------------------------------------------------------------------------- */

static void let_go(struct outbound *o, struct host *host, uint64_t since_ns)
{
	struct hold_destination *destination = o->holds;
	bool told = false;
	unsigned i;

	for (i = 0; i < REASON_COUNT; i++)
		told = atomic_exchange(&destination->tell_ns[i], 0) != 0 || told;
	atomic_store(&destination->released_ns, o->shard->now_ns);
	atomic_fetch_add(&destination->releases, 1);
	if (told)
		tell_setup_accepted(o, host, since_ns);
	outbound_wake(o->shard, o->index);
}

/* How far it is to a stage. */
static unsigned way_to(enum stage stage)
{
	return stage == STAGE_AUTH ? 2 * STAGE_MAIL - 1 : 2u * stage;
}

void hold_passed(struct outbound *o, struct host *host, const struct delivery *d, enum stage stage, bool sent)
{
	struct hold_host *hold = host->hold;
	uint64_t since_ns;

	if (sent)
		host->held_in_row = 0;
	if (hold_in_force(hold)) {
		/* What came further than the refusal has passed the place where the others were refused. */
		if (!sent && way_to(stage) <= way_to((enum stage)atomic_load(&hold->stage)))
			return;
		since_ns = atomic_load(&hold->since_ns);
		atomic_store(&hold->refused, 0);
		if (atomic_exchange(&hold->probe_ns, 0) != 0)
			let_go(o, host, since_ns);
		host->probing = false;
		host->held_in_row = 0;
	} else if (sent && d->holds > 0 &&
		   o->shard->now_ns >= atomic_load(&o->holds->released_ns) + HOLD_RELEASE_MS * CLOCK_NS_PER_MS) {
		let_go(o, host, 0);
	}
}

/* ---- the lane --------------------------------------------------------------------------------------------------- */

void hold_released(struct outbound *o)
{
	atomic_store(&o->holds->released_ns, o->shard->now_ns);
}

/* When an operator let its destination go on, or when that will be; 0: it was never suspended. */
static uint64_t resumed_ns(const struct outbound *o)
{
	return suspend_until_ns(&o->shard->deliverer->shared->suspensions, o->place);
}

bool hold_stops(const struct outbound *o)
{
	bool held = false;
	size_t i;

	if (resumed_ns(o) > o->shard->now_ns)
		return true;
	if (o->mailboxes && mailbox_use(o->mailboxes, NULL) == MAILBOXES_STOPPED)
		return true;
	for (i = 0; i < o->host_count; i++) {
		const struct host *host = o->hosts[i];
		if (hold_in_force(host->hold))
			held = true;
		else if (host->blocked_until_ns <= o->shard->now_ns)
			return false;
	}
	return held;
}

uint64_t hold_uptime_ns(const struct outbound *o)
{
	uint64_t released_ns = atomic_load(&o->holds->released_ns), now_ns = o->shard->now_ns;
	uint64_t from_ns = released_ns > o->shard->started_ns ? released_ns : o->shard->started_ns;

	from_ns = from_ns > resumed_ns(o) ? from_ns : resumed_ns(o);

	/* Another shard's clock may be a turn ahead. */
	return hold_stops(o) || now_ns < from_ns ? 0 : now_ns - from_ns;
}

static bool is_held(const struct delivery *d)
{
	return d->holds > 0;
}

void hold_follow(struct outbound *o, uint64_t *next_ns)
{
	uint32_t releases = atomic_load_explicit(&o->holds->releases, memory_order_relaxed);
	uint64_t poll_ns = o->shard->now_ns + HOLD_POLL_MS * CLOCK_NS_PER_MS;

	if (!o->holds_waiting) {
		o->releases_seen = releases;
		return;
	}
	if (releases == o->releases_seen) {
		if (poll_ns < *next_ns)
			*next_ns = poll_ns;
		return;
	}
	o->releases_seen = releases;
	o->holds_waiting = false;
	lane_make_due(&o->lane, is_held, o->shard->now_ns);
}
