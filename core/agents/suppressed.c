/*
 * core/agents/suppressed.c - see suppressed.h. Open addressing with steps of one: what is looked at lies side by side.
 * Nearly everybody who is asked for is not there, and half an octet for each place says so: of a million addresses that
 * is a mebibyte, which stays in the processor's caches where sixteen do not.
 */
#include "core/agents/suppressed.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "core/base/pages.h"
#include "core/smtp/idna.h"
#include "core/smtp/utf8.h"
#include "queue/hash.h"

enum { REASON_MASK = 7, GONE = 7, SIZE_FIRST = 64, HUGE = 2 << 20 };

static_assert((int)SUPPRESSION_REASONS <= (int)GONE, "a reason and what is gone fit three bits");

struct suppressed_table {
	size_t mask, count, used;  /* used: with those that are gone */
	_Atomic(uint64_t) slots[]; /* a hash and its reason; 0: free. Behind them the sieve, a word for SIEVE_SLOTS */
};

/* Of the word that an address has in the sieve these are set. Never taken back, but by a new table. */
enum { SIEVE_SLOTS = 16 };

/* ---- names ------------------------------------------------------------------------------------------------------ */

/* The content of a quoted string (RFC 5321 4.1.2), or the text itself. */
static size_t put_local(struct span local, char *out)
{
	bool quoted = local.length >= 2 && local.data[0] == '"' && local.data[local.length - 1] == '"';
	size_t end = local.length - quoted, n = 0;

	for (size_t i = quoted; i < end; i++) {
		if (quoted && local.data[i] == '\\' && i + 1 < end)
			i++;
		out[n++] = local.data[i];
	}
	return n;
}

static char small(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

size_t suppressed_name(struct span address, char out[SMTP_PATH_MAX])
{
	char room[SMTP_PATH_MAX];
	const char *at;
	struct span domain;
	bool control = false;
	size_t n;

	if (address.length > SMTP_PATH_MAX - 2)
		return 0;
	if (utf8_needed(address)) {
		enum idna_result result = idna_address(address, room, &address);
		if (result != IDNA_OK && result != IDNA_LOCAL)
			return 0;
	}
	at = address.length ? memrchr(address.data, '@', address.length) : NULL;
	if (!at || at == address.data)
		return 0;
	domain = (struct span){at + 1, (uint32_t)(address.data + address.length - at - 1)};
	if (domain.length > 0 && domain.data[domain.length - 1] == '.')
		domain.length--;
	if (domain.length == 0)
		return 0;
	n = put_local((struct span){address.data, (uint32_t)(at - address.data)}, out);
	out[n++] = '@';
	memcpy(out + n, domain.data, domain.length);
	n += domain.length;
	for (size_t i = 0; i < n; i++) {
		control |= (unsigned char)out[i] < ' ' || out[i] == 0x7f;
		out[i] = small(out[i]);
	}
	return control ? 0 : n;
}

static const char *const names[SUPPRESSION_REASONS] = {
	[SUPPRESSION_NONE] = "",
	[SUPPRESSION_MANUAL] = "manual",
	[SUPPRESSION_BOUNCE] = "bounce",
	[SUPPRESSION_COMPLAINT] = "complaint",
	[SUPPRESSION_UNSUBSCRIBED] = "unsubscribed",
};

const char *suppression_reason_name(enum suppression_reason reason)
{
	return names[reason];
}

enum suppression_reason suppression_reason_of(const char *name)
{
	for (int i = SUPPRESSION_NONE + 1; i < SUPPRESSION_REASONS; i++) {
		if (strcasecmp(names[i], name) == 0)
			return (enum suppression_reason)i;
	}
	return SUPPRESSION_NONE;
}

/* ---- the table -------------------------------------------------------------------------------------------------- */

/* Never of the form of what is free or gone. */
static uint64_t hash_of(const struct suppressed *s, const char *name, size_t length)
{
	uint64_t both[2] = {s->seed, queue_hash(name, length)}, hash = queue_hash(both, sizeof(both));

	return (hash & ~(uint64_t)REASON_MASK) ? hash & ~(uint64_t)REASON_MASK : REASON_MASK + 1;
}

static uint64_t slot_at(const struct suppressed_table *t, size_t i)
{
	return atomic_load_explicit((_Atomic(uint64_t) *)(uintptr_t)&t->slots[i & t->mask], memory_order_relaxed);
}

static size_t start_of(uint64_t hash)
{
	return (size_t)(hash >> 3);
}

/* The lowest of its bits say where it is in the table, the highest where in the sieve. */
static _Atomic(uint64_t) *sieve_word(const struct suppressed_table *t, uint64_t hash)
{
	size_t words = (t->mask + 1) / SIEVE_SLOTS;

	return (_Atomic(uint64_t) *)(uintptr_t)&t->slots[t->mask + 1 + (hash >> 40) % words];
}

static uint64_t sieve_bits(uint64_t hash)
{
	return UINT64_C(1) << (hash >> 28 & 63) | UINT64_C(1) << (hash >> 34 & 63);
}

/* False: it is in no slot. */
static bool may_be_there(const struct suppressed_table *t, uint64_t hash)
{
	uint64_t bits = sieve_bits(hash);

	return (atomic_load_explicit(sieve_word(t, hash), memory_order_relaxed) & bits) == bits;
}

/* Where it is; SIZE_MAX: nowhere. */
static size_t find(const struct suppressed_table *t, uint64_t hash)
{
	if (!may_be_there(t, hash))
		return SIZE_MAX;
	for (size_t i = start_of(hash);; i++) {
		uint64_t slot = slot_at(t, i);
		if (slot == 0)
			return SIZE_MAX;
		if ((slot & ~(uint64_t)REASON_MASK) == hash && (slot & REASON_MASK) != GONE)
			return i & t->mask;
	}
}

static size_t octets_of(size_t size)
{
	return sizeof(struct suppressed_table) + (size + size / SIEVE_SLOTS) * sizeof(_Atomic(uint64_t));
}

/* Whoever is looked for lies anywhere in it: of two misses of the processor's caches a huge page saves one. */
static struct suppressed_table *new_table(size_t size)
{
	size_t octets = octets_of(size);
	struct suppressed_table *t = octets < HUGE ? malloc(octets) : (void *)pages_new(octets);

	if (t) {
		memset(t, 0, octets);
		t->mask = size - 1;
	}
	return t;
}

static void put(struct suppressed_table *t, uint64_t slot)
{
	uint64_t hash = slot & ~(uint64_t)REASON_MASK;
	_Atomic(uint64_t) *word = sieve_word(t, hash);
	size_t i = start_of(hash);

	while (slot_at(t, i) != 0)
		i++;
	/* Only one thread writes. */
	atomic_store_explicit(word, atomic_load_explicit(word, memory_order_relaxed) | sieve_bits(hash),
			      memory_order_relaxed);
	atomic_store_explicit(&t->slots[i & t->mask], slot, memory_order_relaxed);
	t->count++;
	t->used++;
}

/* Who noted it before sees it until he is done; who notes it now sees that it is not the newest any more. */
static void retire(struct suppressed *s, struct suppressed_table *old)
{
	const struct timespec moment = {.tv_nsec = 100000};

	for (unsigned i = 0; old && i < SUPPRESSED_READERS; i++) {
		while (atomic_load(&s->readers[i].at) == old)
			(void)nanosleep(&moment, NULL);
	}
	free(old);
}

static void publish(struct suppressed *s, struct suppressed_table *t)
{
	retire(s, atomic_exchange(&s->table, t));
}

void suppressed_init(struct suppressed *s, uint64_t seed)
{
	memset(s, 0, sizeof(*s));
	s->seed = seed;
}

void suppressed_deinit(struct suppressed *s)
{
	free(atomic_load(&s->table));
	atomic_store(&s->table, NULL);
}

enum suppression_reason suppressed_find(struct suppressed *s, unsigned reader, struct span address)
{
	_Atomic(const struct suppressed_table *) *noted = &s->readers[reader].at;
	const struct suppressed_table *t = atomic_load_explicit(&s->table, memory_order_relaxed);
	enum suppression_reason reason = SUPPRESSION_NONE;
	char name[SMTP_PATH_MAX];
	size_t length, at;
	uint64_t hash;

	assert(reader < SUPPRESSED_READERS);
	if (!t || (length = suppressed_name(address, name)) == 0)
		return SUPPRESSION_NONE;
	hash = hash_of(s, name, length);
	for (;;) {
		t = atomic_load(&s->table);
		atomic_store(noted, t);
		if (t == atomic_load(&s->table))
			break;
	}
	at = t ? find(t, hash) : SIZE_MAX;
	if (at != SIZE_MAX)
		reason = (enum suppression_reason)(slot_at(t, at) & REASON_MASK);
	atomic_store_explicit(noted, NULL, memory_order_release);
	/* It was taken away between the two looks. */
	return reason < SUPPRESSION_REASONS ? reason : SUPPRESSION_NONE;
}

/* Room for one more, a quarter of the table being free. */
static bool make_room(struct suppressed *s)
{
	struct suppressed_table *old = atomic_load(&s->table), *t;
	size_t size = old ? old->mask + 1 : SIZE_FIRST;

	if (old && old->used + 1 <= size / 4 * 3)
		return true;
	/* Where it is full of what is gone the same size will do. */
	while (old && old->count + 1 > size / 2)
		size *= 2;
	t = new_table(size);
	if (!t)
		return false;
	for (size_t i = 0; old && i <= old->mask; i++) {
		uint64_t slot = slot_at(old, i);
		if (slot != 0 && (slot & REASON_MASK) != GONE)
			put(t, slot);
	}
	publish(s, t);
	return true;
}

bool suppressed_add(struct suppressed *s, struct span name, enum suppression_reason reason)
{
	uint64_t hash = hash_of(s, name.data, name.length);
	struct suppressed_table *t = atomic_load(&s->table);
	size_t at = t ? find(t, hash) : SIZE_MAX;

	assert(reason > SUPPRESSION_NONE && reason < SUPPRESSION_REASONS);
	if (at != SIZE_MAX) {
		atomic_store_explicit(&t->slots[at], hash | reason, memory_order_relaxed);
		return true;
	}
	if (!make_room(s))
		return false;
	put(atomic_load(&s->table), hash | reason);
	return true;
}

void suppressed_remove(struct suppressed *s, struct span name)
{
	struct suppressed_table *t = atomic_load(&s->table);
	uint64_t hash = hash_of(s, name.data, name.length);
	size_t at = t ? find(t, hash) : SIZE_MAX;

	if (at == SIZE_MAX)
		return;
	atomic_store_explicit(&t->slots[at], hash | GONE, memory_order_relaxed);
	t->count--;
}

void suppressed_take(struct suppressed *s, struct suppressed *next)
{
	assert(s->seed == next->seed);
	publish(s, atomic_exchange(&next->table, NULL));
}

size_t suppressed_count(const struct suppressed *s)
{
	const struct suppressed_table *t = atomic_load((_Atomic(struct suppressed_table *) *)(uintptr_t)&s->table);

	return t ? t->count : 0;
}

size_t suppressed_octets(const struct suppressed *s)
{
	const struct suppressed_table *t = atomic_load((_Atomic(struct suppressed_table *) *)(uintptr_t)&s->table);

	return t ? octets_of(t->mask + 1) : 0;
}
