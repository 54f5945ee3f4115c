/*
 * core/deliver/domain_table.c - see domain_table.h.
 */
#include "core/deliver/domain_table.h"

#include <stdlib.h>
#include <string.h>

#include "queue/hash.h"

enum { ROWS_FIRST = 64 };

bool domain_table_init(struct domains *domains)
{
	domains->rows = calloc(ROWS_FIRST, sizeof(struct domain *));
	domains->row_count = ROWS_FIRST;
	return domains->rows;
}

uint32_t domain_table_hash(const char *name)
{
	return (uint32_t)queue_hash(name, strlen(name));
}

static struct domain **row_of(const struct domains *domains, uint32_t hash)
{
	return &domains->rows[hash & (domains->row_count - 1)];
}

struct domain *domain_table_find(const struct domains *domains, const char *name, uint32_t hash)
{
	struct domain *domain = *row_of(domains, hash);

	while (domain && (domain->hash != hash || strcmp(domain->name, name) != 0))
		domain = domain->next;
	return domain;
}

/* Without memory rows get longer. */
static void grow(struct domains *domains)
{
	struct domain **before = domains->rows, **rows = calloc(2 * domains->row_count, sizeof(*rows));
	size_t count = domains->row_count, i;

	if (!rows)
		return;
	domains->rows = rows;
	domains->row_count = 2 * count;
	for (i = 0; i < count; i++) {
		while (before[i]) {
			struct domain *domain = before[i], **row = row_of(domains, domain->hash);
			before[i] = domain->next;
			domain->next = *row;
			*row = domain;
		}
	}
	free(before);
}

void domain_table_put(struct domains *domains, struct domain *domain)
{
	struct domain **row;

	if (domains->count >= domains->row_count)
		grow(domains);
	row = row_of(domains, domain->hash);
	domain->next = *row;
	*row = domain;
	domains->count++;
}

void domain_table_take(struct domains *domains, struct domain *domain)
{
	struct domain **at = row_of(domains, domain->hash);

	while (*at != domain)
		at = &(*at)->next;
	*at = domain->next;
	domains->count--;
}
