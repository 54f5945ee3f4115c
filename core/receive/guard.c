/*
 * core/receive/guard.c - see guard.h.
 */
#include "core/receive/guard.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/address_text.h"
#include "core/base/clock.h"
#include "core/base/hidden.h"
#include "core/config/user_table.h"
#include "queue/hash.h"

enum { SETS = 4096, WAYS = 4, STRIPES = 64, SITE_OCTETS = 6 };

#define TRUST_NS (GUARD_TRUST_DAYS * 86400 * CLOCK_NS_PER_S)
#define DAY_NS (86400 * CLOCK_NS_PER_S)

static_assert(SETS * WAYS == TRUST_FILE_MAX, "all that is trusted fits the file");

enum kind { KIND_ADDRESS, KIND_SITE, KIND_USER, KIND_BOTH };

static const struct {
	unsigned most, leak_s;
} kinds[] = {
	[KIND_ADDRESS] = {GUARD_ADDRESS_FAILURES, GUARD_ADDRESS_LEAK_S},
	[KIND_SITE] = {GUARD_SITE_FAILURES, GUARD_SITE_LEAK_S},
	[KIND_USER] = {GUARD_USER_FAILURES, GUARD_USER_LEAK_S},
	[KIND_BOTH] = {GUARD_ADDRESS_FAILURES, GUARD_ADDRESS_LEAK_S},
};

/* A bucket as the time at which it will be empty; 0 and past times: it is. */
struct place {
	uint64_t key; /* 0: free */
	uint64_t empty_ns;
	uint64_t trusted_ns; /* of KIND_BOTH: until when */
	uint32_t pending;    /* being compared */
};

struct guard {
	uint64_t salt;
	uint8_t *key;       /* owned, hidden: of KIND_BOTH */
	_Atomic(bool) grew; /* guard_trusts_grew() */
	pthread_mutex_t locks[STRIPES];
	/* Apart, so that nobody who fails pushes out who has succeeded. */
	struct place failures[SETS][WAYS], trusts[SETS][WAYS];
};

struct guard *guard_new(uint64_t salt)
{
	struct guard *guard = calloc(1, sizeof(*guard));

	if (!guard)
		return NULL;
	guard->salt = salt;
	guard->key = hidden_new(MAC_SIZE);
	if (!guard->key) {
		free(guard);
		return NULL;
	}
	memcpy(guard->key, &salt, sizeof(salt));
	for (size_t i = 0; i < STRIPES; i++)
		pthread_mutex_init(&guard->locks[i], NULL);
	return guard;
}

void guard_free(struct guard *guard)
{
	for (size_t i = 0; guard && i < STRIPES; i++)
		pthread_mutex_destroy(&guard->locks[i]);
	if (guard)
		hidden_free(guard->key, MAC_SIZE);
	free(guard);
}

/* Names come from strangers, so what is hashed is keyed. 64 bits: that two are the same by chance is no matter. What is
 * kept in a file names nobody who has only the file. */
static uint64_t key_of(const struct guard *guard, enum kind kind, const struct guard_attempt *attempt)
{
	struct {
		uint64_t salt, kind, user;
		uint8_t address[16], family[8];
	} octets = {.salt = guard->salt, .kind = kind};
	const struct mac_part part = {&octets, sizeof(octets)};
	uint8_t mac[MAC_SIZE];
	uint64_t key;

	if (kind == KIND_USER || kind == KIND_BOTH)
		octets.user = user_name_hash(attempt->user, attempt->user_length);
	if (kind != KIND_USER) {
		octets.family[0] = (uint8_t)address_text_octets(attempt->address, octets.address);
		memset(octets.address + (kind == KIND_SITE ? SITE_OCTETS : 8), 0,
		       sizeof(octets.address) - (kind == KIND_SITE ? SITE_OCTETS : 8));
	}
	key = queue_hash(&octets, sizeof(octets));
	if (kind == KIND_BOTH) {
		octets.salt = 0;                       /* of this process alone */
		if (mac_of(guard->key, &part, 1, mac)) /* without memory: nobody's */
			memcpy(&key, mac, sizeof(key));
	}
	return key ? key : 1;
}

static unsigned stripe_of(uint64_t key)
{
	return (unsigned)(key % SETS % STRIPES);
}

/* The later it is of no meaning any more, the more it would be missed. */
static uint64_t until(const struct place *place)
{
	return place->trusted_ns ? place->trusted_ns : place->empty_ns;
}

/* The stripe is locked. NULL: it is not there, and `make` is false. */
static struct place *find(struct guard *guard, enum kind kind, uint64_t key, bool make)
{
	struct place *set = kind == KIND_BOTH ? guard->trusts[key % SETS] : guard->failures[key % SETS], *least = set;

	for (unsigned i = 0; i < WAYS; i++) {
		if (set[i].key == key)
			return &set[i];
		if (until(&set[i]) < until(least))
			least = &set[i];
	}
	if (!make)
		return NULL;
	*least = (struct place){.key = key};
	return least;
}

struct state {
	bool full, trusted;
	unsigned failures; /* that have not leaked yet, rounded up */
};

static struct state look_at(struct guard *guard, enum kind kind, uint64_t key, const struct guard_attempt *attempt)
{
	uint64_t leak_ns = kinds[kind].leak_s * CLOCK_NS_PER_S, left_ns;
	struct state state = {.full = false};
	const struct place *place;

	pthread_mutex_lock(&guard->locks[stripe_of(key)]);
	place = find(guard, kind, key, false);
	if (place) {
		left_ns = place->empty_ns > attempt->now_ns ? place->empty_ns - attempt->now_ns : 0;
		state.failures = (unsigned)((left_ns + leak_ns - 1) / leak_ns);
		state.full = left_ns > 0 && left_ns + place->pending * leak_ns > (kinds[kind].most - 1) * leak_ns;
		state.trusted = place->trusted_ns > attempt->now_ns;
	}
	pthread_mutex_unlock(&guard->locks[stripe_of(key)]);
	return state;
}

static struct state look(struct guard *guard, enum kind kind, const struct guard_attempt *attempt)
{
	return look_at(guard, kind, key_of(guard, kind, attempt), attempt);
}

/* One failure more, though never more than it holds. */
static void fill(struct place *place, enum kind kind, uint64_t now_ns)
{
	uint64_t leak_ns = kinds[kind].leak_s * CLOCK_NS_PER_S, most_ns = now_ns + kinds[kind].most * leak_ns;

	if (place->empty_ns < now_ns)
		place->empty_ns = now_ns;
	place->empty_ns = place->empty_ns + leak_ns < most_ns ? place->empty_ns + leak_ns : most_ns;
}

struct counting {
	int pending;
	bool failed;
};

static void count_at(struct guard *guard, enum kind kind, uint64_t key, const struct guard_attempt *attempt,
		     struct counting counting)
{
	struct place *place;

	pthread_mutex_lock(&guard->locks[stripe_of(key)]);
	place = find(guard, kind, key, counting.pending > 0 || counting.failed);
	if (place && (counting.pending > 0 || place->pending > 0)) /* it may have been pushed out meanwhile */
		place->pending += (uint32_t)counting.pending;
	if (counting.failed)
		fill(place, kind, attempt->now_ns);
	pthread_mutex_unlock(&guard->locks[stripe_of(key)]);
}

static void count(struct guard *guard, enum kind kind, const struct guard_attempt *attempt, struct counting counting)
{
	count_at(guard, kind, key_of(guard, kind, attempt), attempt, counting);
}

static void trust(struct guard *guard, uint64_t key, const struct guard_attempt *attempt)
{
	uint64_t until_ns = attempt->now_ns + TRUST_NS;
	struct place *place;

	pthread_mutex_lock(&guard->locks[stripe_of(key)]);
	place = find(guard, KIND_BOTH, key, true);
	/* A device that signs in for each message is not written for each. */
	if (place->trusted_ns + DAY_NS <= until_ns)
		atomic_store_explicit(&guard->grew, true, memory_order_relaxed);
	place->trusted_ns = until_ns;
	pthread_mutex_unlock(&guard->locks[stripe_of(key)]);
}

/* Its address is one of many that its site may take. */
static bool of_site(const struct guard_attempt *attempt)
{
	uint8_t octets[16];

	return address_text_octets(attempt->address, octets) == sizeof(octets);
}

enum guard_answer guard_ask(struct guard *guard, const struct guard_attempt *attempt)
{
	const struct counting begun = {.pending = 1};
	uint64_t key = key_of(guard, KIND_BOTH, attempt);
	struct state both = look_at(guard, KIND_BOTH, key, attempt), address = look(guard, KIND_ADDRESS, attempt);

	if (both.trusted ? both.full : address.full)
		return GUARD_REFUSE_ADDRESS;
	if (!both.trusted && of_site(attempt) && look(guard, KIND_SITE, attempt).full)
		return GUARD_REFUSE_ADDRESS;
	if (!both.trusted && address.failures > 0 && look(guard, KIND_USER, attempt).full)
		return GUARD_REFUSE_USER;
	if (both.trusted)
		count_at(guard, KIND_BOTH, key, attempt, begun);
	else
		count(guard, KIND_ADDRESS, attempt, begun);
	return both.trusted ? GUARD_VERIFY_KNOWN : GUARD_VERIFY;
}

unsigned guard_done(struct guard *guard, const struct guard_attempt *attempt, enum guard_answer answer,
		    enum guard_result result)
{
	const struct counting over = {.pending = -1, .failed = result == GUARD_WRONG}, failed = {.failed = true};
	enum kind kind = answer == GUARD_VERIFY_KNOWN ? KIND_BOTH : KIND_ADDRESS;
	uint64_t both = key_of(guard, KIND_BOTH, attempt);
	uint64_t key = kind == KIND_BOTH ? both : key_of(guard, kind, attempt);
	unsigned failures, wait_ms = GUARD_WAIT_FIRST_MS;

	count_at(guard, kind, key, attempt, over);
	if (result == GUARD_RIGHT)
		trust(guard, both, attempt);
	if (result != GUARD_WRONG)
		return 0;
	if (kind == KIND_ADDRESS)
		count(guard, KIND_USER, attempt, failed);
	if (kind == KIND_ADDRESS && of_site(attempt))
		count(guard, KIND_SITE, attempt, failed);
	failures = look_at(guard, kind, key, attempt).failures;
	while (failures-- > 1 && wait_ms < GUARD_WAIT_MAX_MS)
		wait_ms *= 2;
	return wait_ms;
}

/* ---- beyond this process ----------------------------------------------------------------------------------------- */

void guard_set_key(struct guard *guard, const uint8_t key[MAC_SIZE])
{
	memcpy(guard->key, key, MAC_SIZE);
	memset(guard->trusts, 0, sizeof(guard->trusts));
}

void guard_trust_again(struct guard *guard, const struct guard_clock *clock, const struct trust *trusts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		/* Of a clock that was ahead, or is behind: as if he had signed in just now. */
		uint64_t left_s = trusts[i].until_s > clock->wall_s ? trusts[i].until_s - clock->wall_s : 0;
		uint64_t left_ns = left_s < TRUST_NS / CLOCK_NS_PER_S ? left_s * CLOCK_NS_PER_S : TRUST_NS;
		if (left_ns == 0)
			continue;
		pthread_mutex_lock(&guard->locks[stripe_of(trusts[i].key)]);
		find(guard, KIND_BOTH, trusts[i].key, true)->trusted_ns = clock->now_ns + left_ns;
		pthread_mutex_unlock(&guard->locks[stripe_of(trusts[i].key)]);
	}
}

static size_t copy_set(const struct place *set, const struct guard_clock *clock, struct trust *out)
{
	size_t n = 0;

	for (unsigned i = 0; i < WAYS; i++) {
		if (set[i].trusted_ns > clock->now_ns)
			out[n++] = (struct trust){.key = set[i].key,
						  .until_s = clock->wall_s +
							     (set[i].trusted_ns - clock->now_ns) / CLOCK_NS_PER_S};
	}
	return n;
}

size_t guard_trusts(struct guard *guard, const struct guard_clock *clock, struct trust *out)
{
	size_t n = 0;

	for (unsigned stripe = 0; stripe < STRIPES; stripe++) {
		pthread_mutex_lock(&guard->locks[stripe]);
		for (unsigned set = stripe; set < SETS; set += STRIPES)
			n += copy_set(guard->trusts[set], clock, out + n);
		pthread_mutex_unlock(&guard->locks[stripe]);
	}
	return n;
}

bool guard_trusts_grew(struct guard *guard)
{
	return atomic_exchange(&guard->grew, false);
}
