/*
 * core/agents/tls_given.c - see tls_given.h.
 */
#include "core/agents/tls_given.h"

#include <stdatomic.h>
#include <stdlib.h>

struct tls_given_table {
	struct stack_link link;
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
	(void)stack_push(&given->tables, &one->link);
}

void tls_given_take(struct tls_given *given, struct tls_days *days)
{
	struct stack_link *link = stack_take(&given->tables), *next;
	uint64_t lost = atomic_exchange(&given->lost, 0);

	for (; link; link = next) {
		struct tls_given_table *one = container_of(link, struct tls_given_table, link);
		next = link->next;
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
