/*
 * core/agents/tls_given.c - see tls_given.h.
 */
#include "core/agents/tls_given.h"

#include <stdatomic.h>
#include <stdlib.h>

struct tls_given_table {
	struct tls_given_table *next;
	struct tls_count *count; /* owned */
};

void tls_given_put(struct tls_given *given, struct tls_count *count)
{
	struct tls_given_table *one = NULL;

	if (atomic_fetch_add(&given->count, 1) < TLS_GIVEN_MOST)
		one = malloc(sizeof(*one));
	if (!one) {
		atomic_fetch_sub(&given->count, 1);
		atomic_fetch_add(&given->lost, tls_count_sessions(count));
		tls_count_free(count);
		return;
	}
	one->count = count;
	one->next = atomic_load(&given->tables);
	while (!atomic_compare_exchange_weak(&given->tables, &one->next, one))
		;
}

void tls_given_take(struct tls_given *given, struct tls_days *days)
{
	struct tls_given_table *one = atomic_exchange(&given->tables, NULL), *next;
	uint64_t lost = atomic_exchange(&given->lost, 0);

	for (; one; one = next) {
		next = one->next;
		tls_days_count(days, one->count);
		tls_count_free(one->count);
		free(one);
		atomic_fetch_sub(&given->count, 1);
	}
	if (lost > 0) {
		tls_count_lose(days->today, lost);
		days->changed = true;
	}
}
