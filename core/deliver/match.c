/*
 * core/deliver/match.c - see match.h.
 */
#include "core/deliver/match.h"

#include <stdlib.h>
#include <string.h>

#include "core/route/route.h"
#include "queue/hash.h"
#include "queue/lane.h"

bool match_begin(struct matching *m, size_t mailboxes)
{
	m->members_size = ROUTE_MEMBERS(mailboxes);
	m->wanted = calloc(2, m->members_size + 1);
	m->room = m->wanted ? m->wanted + m->members_size + 1 : NULL;
	return m->wanted != NULL;
}

static void give_back(struct matching *m, struct match_class *class, struct lane *lane)
{
	struct delivery *d;

	while ((d = fair_next(&class->mail)) != NULL) {
		match_remove(m, class, d);
		lane_ready(lane, d);
	}
}

void match_end(struct matching *m, struct lane *lane)
{
	size_t i;

	for (i = 0; i < m->count; i++) {
		if (lane)
			give_back(m, m->classes[i], lane);
		fair_deinit(&m->classes[i]->mail);
		free(m->classes[i]);
	}
	free(m->classes);
	free(m->spare);
	free(m->wanted);
	*m = (struct matching){0};
}

static struct match_class *known(const struct matching *m, const struct match_class *like)
{
	size_t i;

	for (i = 0; i < m->count; i++) {
		struct match_class *class = m->classes[i];
		if (class->hash == like->hash && memcmp(class->members, like->members, m->members_size) == 0)
			return class;
	}
	return NULL;
}

static bool grow(struct matching *m)
{
	size_t capacity = m->capacity ? 2 * m->capacity : 8;
	struct match_class **classes;

	if (m->count < m->capacity)
		return true;
	classes = realloc(m->classes, capacity * sizeof(struct match_class *));
	if (!classes)
		return false;
	m->classes = classes;
	m->capacity = capacity;
	return true;
}

struct match_class *match_find(struct matching *m, const struct config_destination *destination, struct span sender,
			       const struct fair *terms, bool *nobody)
{
	struct match_class *class;

	*nobody = false;
	if (!m->spare)
		m->spare = calloc(1, sizeof(*m->spare) + m->members_size);
	if (!m->spare)
		return NULL;
	if (!route_mailboxes(destination, sender, m->spare->members)) {
		*nobody = true;
		return NULL;
	}
	m->spare->hash = queue_hash(m->spare->members, m->members_size);
	class = known(m, m->spare);
	if (class)
		return class;
	if (!grow(m))
		return NULL;
	class = m->spare;
	m->spare = NULL;
	fair_init(&class->mail);
	fair_set_terms(&class->mail, terms->terms, terms->terms_count);
	m->classes[m->count++] = class;
	return class;
}

void match_append(struct matching *m, struct match_class *class, struct delivery *d)
{
	d->place = DELIVERY_SORTED;
	fair_append(&class->mail, d);
	m->waiting++;
}

void match_prepend(struct matching *m, struct match_class *class, struct delivery *d)
{
	d->place = DELIVERY_SORTED;
	fair_prepend(&class->mail, d);
	m->waiting++;
}

void match_remove(struct matching *m, struct match_class *class, struct delivery *d)
{
	fair_remove(&class->mail, d);
	d->place = DELIVERY_ACTIVE;
	m->waiting--;
}

/* Which class it is in follows only where it is the last of its client; for the others it does not matter. */
void match_withdraw(struct matching *m, struct delivery *d)
{
	size_t i = 0;

	if (fair_alone(d)) {
		while (!fair_has_line_of(&m->classes[i]->mail, d))
			i++;
		fair_withdraw(&m->classes[i]->mail, d);
	} else {
		list_remove(&d->link);
	}
	d->place = DELIVERY_NONE;
	m->waiting--;
}

bool match_has_room(const struct matching *m, const struct match_class *class)
{
	uint8_t any = 0;
	size_t k;

	for (k = 0; k < m->members_size; k++)
		any |= m->room[k] & class->members[k];
	return any != 0;
}

void match_no_room(struct matching *m, const struct match_class *class)
{
	size_t k;

	for (k = 0; k < m->members_size; k++)
		m->room[k] &= (uint8_t) ~class->members[k];
}

bool match_want(struct matching *m)
{
	bool any = false;
	size_t i, k;

	memset(m->wanted, 0, m->members_size);
	for (i = 0; i < m->count; i++) {
		const struct match_class *class = m->classes[i];
		if (!class->wants)
			continue;
		any = true;
		for (k = 0; k < m->members_size; k++)
			m->wanted[k] |= class->members[k];
	}
	return any;
}
