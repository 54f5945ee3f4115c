/*
 * core/deliver/domain_table.h - the domains of a lane (domain.h) by their names: the rows of struct domains.
 */
#ifndef POSTRIDER_DELIVER_DOMAIN_TABLE_H
#define POSTRIDER_DELIVER_DOMAIN_TABLE_H

#include <stdbool.h>

#include "core/deliver/domain.h"

/* False: no memory. The rows are free()d by who has the table. */
bool domain_table_init(struct domains *domains);
uint32_t domain_table_hash(const char *name);
/* NULL: it is not there. */
struct domain *domain_table_find(const struct domains *domains, const char *name, uint32_t hash);
/* One that is not there yet, with its name and hash. */
void domain_table_put(struct domains *domains, struct domain *domain);
void domain_table_take(struct domains *domains, struct domain *domain);

#endif
