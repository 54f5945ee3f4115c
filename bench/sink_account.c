/*
 * bench/sink_account.c - which sequences came, and how often.
 *
 * The bitmap is reserved for all sequences at once and costs memory only where it is touched; adding is one
 * atomic instruction, so threads that get the same message (a relay that sends twice) never both call it first.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "bench/sink.h"

enum { WORD_BITS = 64, ACCOUNT_OCTETS = ACCOUNT_SEQUENCES / 8 };
static_assert(ACCOUNT_SEQUENCES % WORD_BITS == 0, "whole words");

void sink_account_init(struct sink_account *account)
{
	void *memory =
		mmap(NULL, ACCOUNT_OCTETS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		common_fail(COMMON_EXIT_ENVIRONMENT, "no memory for the account of sequences");
	account->bits = memory;
}

void sink_account_free(struct sink_account *account)
{
	munmap((void *)account->bits, ACCOUNT_OCTETS);
	account->bits = NULL;
}

enum account_result sink_account_add(struct sink_account *account, uint64_t sequence)
{
	uint64_t bit = UINT64_C(1) << (sequence % WORD_BITS);
	if (sequence >= ACCOUNT_SEQUENCES) {
		atomic_fetch_add_explicit(&account->beyond, 1, memory_order_relaxed);
		return ACCOUNT_BEYOND;
	}
	uint64_t before = atomic_fetch_or_explicit(&account->bits[sequence / WORD_BITS], bit, memory_order_relaxed);
	if (before & bit)
		return ACCOUNT_DUPLICATE;
	atomic_fetch_add_explicit(&account->distinct, 1, memory_order_relaxed);
	return ACCOUNT_FIRST;
}

uint64_t sink_account_missing(const struct sink_account *account, uint64_t first, uint64_t last, uint64_t *some,
			      unsigned capacity)
{
	uint64_t missing = 0;
	for (uint64_t sequence = first; sequence <= last; sequence++) {
		assert(sequence < ACCOUNT_SEQUENCES);
		if (account->bits[sequence / WORD_BITS] >> (sequence % WORD_BITS) & 1)
			continue;
		if (missing < capacity)
			some[missing] = sequence;
		missing++;
	}
	return missing;
}

bool sink_account_find(const uint8_t *head, size_t length, uint64_t *sequence)
{
	static const char name[] = COMMON_SEQUENCE_HEADER;
	const size_t name_length = sizeof(name) - 1;
	const uint8_t *from = head;
	const uint8_t *end = head + length;
	const uint8_t *at;
	while ((at = memmem(from, (size_t)(end - from), name, name_length))) {
		from = at + name_length;
		if (at == head || at[-1] == '\n')
			break;
	}
	if (!at)
		return false;
	unsigned digits = 0;
	*sequence = 0;
	for (; from < end && *from >= '0' && *from <= '9' && digits < 18; from++, digits++)
		*sequence = *sequence * 10 + (*from - '0');
	return digits > 0;
}

void sink_names_add(struct sink_names *names, const char *name, uint64_t count)
{
	for (unsigned i = 0; i < SINK_NAMES_MAX; i++) {
		if (names->count[i] == 0)
			snprintf(names->name[i], sizeof(names->name[i]), "%s", name);
		/* The last place takes whatever else there is. */
		if (i == SINK_NAMES_MAX - 1 || strncmp(names->name[i], name, sizeof(names->name[i]) - 1) == 0) {
			names->count[i] += count;
			return;
		}
	}
}
