/*
 * core/deliver/mailbox.c - see mailbox.h. What is read from files is in mailbox_set.c.
 */
#include "core/deliver/mailbox.h"

#include "core/base/clock.h"

/* ---- choosing --------------------------------------------------------------------------------------------------- */

static uint64_t pause_ns(enum mailbox_trouble trouble, uint32_t before)
{
	static const struct {
		uint32_t first_ms, factor, most_ms;
	} pauses[] = {
		[MAILBOX_AGAIN] = {MAILBOX_LATER_MS, 2, MAILBOX_LATER_MAX_MS},
		[MAILBOX_LATER] = {MAILBOX_LATER_MS, 2, MAILBOX_LATER_MAX_MS},
		[MAILBOX_REFUSED] = {MAILBOX_REFUSED_MS, 4, MAILBOX_REFUSED_MAX_MS},
		[MAILBOX_WITHOUT] = {MAILBOX_LATER_MS, 2, MAILBOX_LATER_MAX_MS},
		[MAILBOX_BARRED] = {MAILBOX_BARRED_MS, 2, MAILBOX_BARRED_MAX_MS},
	};
	uint64_t ms = pauses[trouble].first_ms;

	while (before-- > 0 && ms < pauses[trouble].most_ms)
		ms *= pauses[trouble].factor;
	return (ms < pauses[trouble].most_ms ? ms : pauses[trouble].most_ms) * CLOCK_NS_PER_MS;
}

static void lower(uint64_t *next_ns, uint64_t ns)
{
	if (ns < *next_ns)
		*next_ns = ns;
}

static bool first_under_way(const struct mailbox *mailbox, uint64_t now_ns)
{
	return !atomic_load_explicit(&mailbox->accepted, memory_order_relaxed) &&
	       atomic_load_explicit(&mailbox->first_ns, memory_order_relaxed) > now_ns;
}

/* Usable, or held and for this one to try: then nobody else does before the next pause is over. */
static bool claim(struct mailbox *mailbox, uint64_t now_ns, bool *probe, uint64_t *next_ns)
{
	uint64_t until_ns = atomic_load_explicit(&mailbox->until_ns, memory_order_relaxed);

	*probe = false;
	if (until_ns == 0 && first_under_way(mailbox, now_ns)) {
		lower(next_ns, now_ns + MAILBOX_FIRST_POLL_MS * CLOCK_NS_PER_MS);
		return false;
	}
	if (until_ns == 0)
		return true;
	if (now_ns >= until_ns) {
		enum mailbox_trouble trouble = (enum mailbox_trouble)atomic_load(&mailbox->trouble);
		uint64_t pause =
			pause_ns(trouble == MAILBOX_USABLE ? MAILBOX_LATER : trouble, atomic_load(&mailbox->refused));
		*probe = atomic_compare_exchange_strong(&mailbox->until_ns, &until_ns, now_ns + pause);
		if (*probe)
			return true;
	}
	lower(next_ns, now_ns + MAILBOX_POLL_MS * CLOCK_NS_PER_MS);
	if (until_ns > now_ns)
		lower(next_ns, until_ns);
	return false;
}

static bool count(struct mailbox *mailbox, unsigned most, uint64_t now_ns, bool *full, uint64_t *next_ns)
{
	uint32_t open = atomic_load_explicit(&mailbox->connections, memory_order_relaxed);

	do {
		if (open >= most) {
			/* Who waits is called when one closes; but where logins are refused there may be more slots
			 * than mailboxes that are of use. */
			*full = true;
			lower(next_ns, now_ns + MAILBOX_POLL_MS * CLOCK_NS_PER_MS);
			return false;
		}
	} while (!atomic_compare_exchange_weak(&mailbox->connections, &open, open + 1));
	return true;
}

/* Whose login is likely to be right. Only where one login is said at a time does it matter: behind nine hundred wrong
 * ones, half a minute apart, the right one would wait for hours. */
enum hope { HOPE_ACCEPTED, HOPE_NEW, HOPE_REFUSED, HOPES };

static enum hope hope_of(const struct mailbox *mailbox)
{
	if (atomic_load_explicit(&mailbox->accepted, memory_order_relaxed))
		return HOPE_ACCEPTED;
	return mailbox_held(mailbox) ? HOPE_REFUSED : HOPE_NEW;
}

/* `hope`: of these only; HOPES: of all. */
static struct mailbox *choose_of(const struct mailbox_set *set, const uint8_t *among, enum hope hope, unsigned *turn,
				 unsigned most, uint64_t now_ns, bool *probe, bool *full, uint64_t *next_ns)
{
	size_t i;

	for (i = 0; i < set->count; i++) {
		size_t seat = (*turn + i) % set->count;
		struct mailbox *mailbox = set->entries[seat].mailbox;
		if (among && !(among[seat / 8] >> seat % 8 & 1))
			continue;
		if (hope != HOPES && hope_of(mailbox) != hope)
			continue;
		if (!count(mailbox, most, now_ns, full, next_ns))
			continue;
		if (claim(mailbox, now_ns, probe, next_ns)) {
			*turn = (unsigned)((*turn + i + 1) % set->count);
			return mailbox;
		}
		mailbox_gone(mailbox);
	}
	return NULL;
}

struct mailbox *mailbox_choose(const struct mailbox_set *set, const uint8_t *among, unsigned *turn, unsigned most,
			       uint64_t now_ns, bool *probe, bool *full, uint64_t *next_ns)
{
	const struct door *door = set->entries[0].mailbox->door;
	struct mailbox *chosen = NULL;
	unsigned hope;

	if (door && !door_free(door, now_ns, next_ns))
		return NULL;
	if (!door || !door_refuses(door))
		return choose_of(set, among, HOPES, turn, most, now_ns, probe, full, next_ns);
	for (hope = 0; hope < HOPES && !chosen; hope++)
		chosen = choose_of(set, among, hope, turn, most, now_ns, probe, full, next_ns);
	return chosen;
}

void mailbox_gone(struct mailbox *mailbox)
{
	atomic_fetch_sub(&mailbox->connections, 1);
}

bool mailbox_may_login(struct mailbox *mailbox, bool probe, uint64_t now_ns, uint64_t *first_ns)
{
	uint64_t before_ns = atomic_load(&mailbox->first_ns);
	uint64_t until_ns = now_ns + MAILBOX_FIRST_MS * CLOCK_NS_PER_MS;

	if (probe || *first_ns)
		return true;
	if (!atomic_load(&mailbox->accepted)) {
		if (before_ns > now_ns || !atomic_compare_exchange_strong(&mailbox->first_ns, &before_ns, until_ns))
			return false;
		*first_ns = until_ns;
	}
	/* What was refused meanwhile is for a probe to say. Looked at last: it is held before that login is over. */
	return !mailbox_held(mailbox);
}

void mailbox_first_over(struct mailbox *mailbox, uint64_t *first_ns)
{
	if (*first_ns)
		(void)atomic_compare_exchange_strong(&mailbox->first_ns, first_ns, 0);
	*first_ns = 0;
}

bool mailbox_enter(struct mailbox *mailbox, uint64_t now_ns, uint64_t *claim)
{
	return !mailbox->door || door_enter(mailbox->door, now_ns, claim);
}

void mailbox_entered(struct mailbox *mailbox, uint64_t *claim)
{
	if (mailbox->door)
		door_leave(mailbox->door, claim);
}

/* Where it was in the newest set it is in nearly all. */
const struct mailbox_entry *mailbox_find(const struct mailbox_set *set, const struct mailbox *mailbox)
{
	unsigned seat =
		mailbox ? atomic_load_explicit(&((struct mailbox *)(uintptr_t)mailbox)->seat, memory_order_relaxed) : 0;
	size_t i;

	if (set && seat < set->count && set->entries[seat].mailbox == mailbox)
		return &set->entries[seat];
	for (i = 0; set && i < set->count; i++) {
		if (set->entries[i].mailbox == mailbox)
			return &set->entries[i];
	}
	return NULL;
}

unsigned mailbox_seat(const struct mailbox_set *set, const struct mailbox *mailbox)
{
	const struct mailbox_entry *entry = mailbox_find(set, mailbox);

	return entry ? (unsigned)(entry - set->entries) : 0;
}

enum mailbox_use mailbox_use(const struct mailbox_set *set, const uint8_t *among)
{
	enum mailbox_use use = MAILBOXES_PUT_OFF;
	size_t i;

	for (i = 0; i < set->count; i++) {
		const struct mailbox *mailbox = set->entries[i].mailbox;
		if (among && !(among[i / 8] >> i % 8 & 1))
			continue;
		if (!mailbox_held(mailbox))
			return MAILBOXES_USABLE;
		if (atomic_load_explicit(&mailbox->trouble, memory_order_relaxed) != MAILBOX_LATER)
			use = MAILBOXES_STOPPED;
	}
	return use;
}

bool mailbox_all_held(const struct mailbox_set *set)
{
	size_t i;

	for (i = 0; i < set->count; i++) {
		if (!mailbox_held(set->entries[i].mailbox))
			return false;
	}
	return true;
}

/* ---- held, and let go ------------------------------------------------------------------------------------------- */

/* Passwords that were said at one time were counted one by one where they were refused: the next is said as much later,
 * so that all together stay below what guards logins bears. */
static bool counts_too(const struct mailbox *mailbox, enum mailbox_trouble trouble)
{
	return trouble == MAILBOX_REFUSED && mailbox_held(mailbox) &&
	       atomic_load(&mailbox->refused) < MAILBOX_REFUSED_TOGETHER;
}

/* Several connections that meet the same at one time are one refusal; a probe that does is the next. */
uint64_t mailbox_troubled(struct mailbox *mailbox, enum mailbox_trouble trouble, bool probe, uint64_t now_ns,
			  bool *tell)
{
	uint64_t none = 0, tell_ns = atomic_load(&mailbox->tell_ns), pause, until_ns;
	enum mailbox_trouble before = (enum mailbox_trouble)atomic_exchange(&mailbox->trouble, trouble);
	bool together = !probe && counts_too(mailbox, trouble);

	/* What is said again at once is still the first refusal. */
	if ((probe && before != MAILBOX_AGAIN) || together)
		atomic_fetch_add(&mailbox->refused, 1);
	pause = pause_ns(trouble, atomic_load(&mailbox->refused));
	if (atomic_compare_exchange_strong(&mailbox->until_ns, &none, now_ns + pause))
		atomic_store(&mailbox->since_ns, now_ns);
	else if (probe || together)
		atomic_store(&mailbox->until_ns, now_ns + pause);
	until_ns = atomic_load(&mailbox->until_ns);
	/* Once, then every hour, and when it becomes somebody's business. */
	*tell = (now_ns >= tell_ns || (before < MAILBOX_REFUSED && trouble >= MAILBOX_REFUSED)) &&
		atomic_compare_exchange_strong(&mailbox->tell_ns, &tell_ns, now_ns + MAILBOX_TELL_S * CLOCK_NS_PER_S);
	return until_ns > now_ns ? until_ns - now_ns : 0;
}

bool mailbox_login_again(struct mailbox *mailbox, uint64_t token, bool better, bool probe, uint64_t now_ns)
{
	uint64_t none = 0, before = token ? atomic_exchange(&mailbox->refused_token, token) : 0;

	/* A probe that is given the same one has nothing better to say. */
	if (token && before == token && !probe)
		return true;
	if (!better || atomic_fetch_add(&mailbox->logins, 1) > 0)
		return false;
	/* By one connection, as any other trial. */
	atomic_store(&mailbox->trouble, MAILBOX_AGAIN);
	if (atomic_compare_exchange_strong(&mailbox->until_ns, &none, now_ns))
		atomic_store(&mailbox->since_ns, now_ns);
	else
		atomic_store(&mailbox->until_ns, now_ns);
	return true;
}

void mailbox_token_accepted(struct mailbox *mailbox, uint64_t token)
{
	atomic_store(&mailbox->accepted_token, token);
	/* Should it be refused again that is something new. */
	(void)atomic_compare_exchange_strong(&mailbox->refused_token, &token, 0);
}

bool mailbox_refused_token(const struct mailbox *mailbox, uint64_t token)
{
	return atomic_load(&((struct mailbox *)(uintptr_t)mailbox)->refused_token) == token;
}

bool mailbox_lost_token(struct mailbox *mailbox, uint64_t token)
{
	return atomic_compare_exchange_strong(&mailbox->accepted_token, &token, 0);
}

bool mailbox_anew(struct mailbox *mailbox, uint64_t since_ns, uint64_t now_ns)
{
	uint64_t before_ns = 0;

	/* Of several connections that are told so at one time the first one says it for all. */
	return atomic_compare_exchange_strong(&mailbox->anew_ns, &before_ns, now_ns) || since_ns < before_ns;
}

void mailbox_not_before(struct mailbox *mailbox, uint64_t ns)
{
	uint64_t until_ns = atomic_load(&mailbox->until_ns);

	if (until_ns > 0 && until_ns < ns)
		(void)atomic_compare_exchange_strong(&mailbox->until_ns, &until_ns, ns);
}

bool mailbox_well(struct mailbox *mailbox, bool sent, uint64_t now_ns, uint64_t *held_ns, bool *told)
{
	uint64_t since_ns;

	if (!atomic_load_explicit(&mailbox->accepted, memory_order_relaxed))
		atomic_store(&mailbox->accepted, true);
	if (!sent && mailbox->door)
		door_accepted(mailbox->door);
	if (atomic_load_explicit(&mailbox->logins, memory_order_relaxed))
		atomic_store(&mailbox->logins, 0);
	if (sent && mailbox_in_doubt(mailbox))
		atomic_store(&mailbox->anew_ns, 0);
	if (!mailbox_held(mailbox) || (!sent && mailbox_barred(mailbox)))
		return false;
	since_ns = atomic_load(&mailbox->since_ns);
	atomic_store(&mailbox->refused, 0);
	atomic_store(&mailbox->trouble, MAILBOX_USABLE);
	*told = atomic_exchange(&mailbox->tell_ns, 0) != 0;
	*held_ns = now_ns > since_ns ? now_ns - since_ns : 0;
	return atomic_exchange(&mailbox->until_ns, 0) != 0;
}

/* Whatever others find out of it meanwhile counts: who is well must not be held by this. */
void mailbox_postpone(struct mailbox *mailbox, uint64_t now_ns)
{
	uint64_t until_ns = atomic_load(&mailbox->until_ns);

	if (until_ns > 0)
		(void)atomic_compare_exchange_strong(&mailbox->until_ns, &until_ns,
						     now_ns + MAILBOX_POLL_MS * CLOCK_NS_PER_MS);
}

void mailbox_retry(struct mailbox *mailbox, uint64_t now_ns)
{
	uint64_t until_ns = atomic_load(&mailbox->until_ns);

	if (until_ns > now_ns)
		(void)atomic_compare_exchange_strong(&mailbox->until_ns, &until_ns, now_ns);
}

void mailbox_set_retry(const struct mailbox_set *set, uint64_t now_ns)
{
	size_t i;

	for (i = 0; i < set->count; i++)
		mailbox_retry(set->entries[i].mailbox, now_ns);
	if (set->entries[0].mailbox->door)
		door_retry(set->entries[0].mailbox->door);
}
