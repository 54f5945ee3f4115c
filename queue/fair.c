/*
 * queue/fair.c - see fair.h. What always holds between calls: lines with mail stand in the round of their priority, and
 * the first of a round has credit. So who is next can be told without changing anything.
 */
#include "queue/fair.h"

#include <assert.h>
#include <stdlib.h>

#include "queue/hash.h"
#include "queue/lane.h"

enum { CAPACITY_FIRST = 16 };

uint16_t fair_client(const void *name, size_t length)
{
	uint16_t client = (uint16_t)queue_hash(name, length);

	return client == FAIR_COMMON ? 1 : client;
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

static void line_init(struct fair_line *line, uint16_t client)
{
	list_init(&line->link);
	list_init(&line->mail);
	line->credit = 0;
	line->client = client;
	line->weight = 1;
	line->priority = FAIR_NORMAL;
}

static void apply_terms(const struct fair *fair, struct fair_line *line)
{
	size_t low = 0, high = fair->terms_count;

	line->weight = 1;
	line->priority = FAIR_NORMAL;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (fair->terms[middle].client < line->client)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < fair->terms_count && fair->terms[low].client == line->client) {
		line->weight = fair->terms[low].weight;
		line->priority = fair->terms[low].priority;
	}
}

static struct fair_line **slot_of(struct fair_line **table, size_t capacity, uint16_t client)
{
	size_t i = client & (capacity - 1);

	while (table[i] && table[i]->client != client)
		i = (i + 1) & (capacity - 1);
	return &table[i];
}

/* At most half of the table is used. */
static bool grow(struct fair *fair)
{
	size_t capacity = fair->capacity ? 2 * fair->capacity : CAPACITY_FIRST, i;
	struct fair_line **table;

	if (2 * (fair->lines + 1) <= fair->capacity)
		return true;
	table = calloc(capacity, sizeof(*table));
	if (!table)
		return false;
	for (i = 0; i < fair->capacity; i++) {
		if (fair->table[i])
			*slot_of(table, capacity, fair->table[i]->client) = fair->table[i];
	}
	free(fair->table);
	fair->table = table;
	fair->capacity = capacity;
	return true;
}

static struct fair_line *new_line(struct fair *fair, uint16_t client)
{
	struct fair_line *line = grow(fair) ? malloc(sizeof(*line)) : NULL;

	if (!line)
		return NULL;
	line_init(line, client);
	apply_terms(fair, line);
	*slot_of(fair->table, fair->capacity, client) = line;
	fair->lines++;
	return line;
}

/* NULL: it never had one. */
static struct fair_line *find(struct fair *fair, uint16_t client)
{
	struct fair_line *line = fair->last;

	if (line->client == client)
		return line;
	if (client == FAIR_COMMON)
		return &fair->common;
	line = fair->table ? *slot_of(fair->table, fair->capacity, client) : NULL;
	if (line)
		fair->last = line;
	return line;
}

static struct fair_line *line_for(struct fair *fair, struct delivery *d)
{
	struct fair_line *line = find(fair, d->client);

	if (!line)
		line = new_line(fair, d->client);
	if (line)
		return line;
	d->client = FAIR_COMMON;
	return &fair->common;
}

void fair_init(struct fair *fair)
{
	unsigned i;

	*fair = (struct fair){.last = &fair->common};
	for (i = 0; i < FAIR_PRIORITIES; i++)
		list_init(&fair->rounds[i]);
	line_init(&fair->common, FAIR_COMMON);
}

void fair_deinit(struct fair *fair)
{
	size_t i;

	for (i = 0; i < fair->capacity; i++)
		free(fair->table[i]);
	free(fair->table);
	fair->table = NULL;
	fair->capacity = 0;
}

/* ---- rounds ------------------------------------------------------------------------------------------------------ */

static struct fair_line *first_of(const struct list *round)
{
	return container_of(round->next, struct fair_line, link);
}

/* Whoever comes first in the round has something to spend. */
static void turn_round(struct list *round)
{
	while (!list_empty(round) && first_of(round)->credit <= 0) {
		struct fair_line *line = first_of(round);
		/* Alone it owes nobody anything. */
		line->credit = round->prev == &line->link ? line->weight : line->credit + line->weight;
		list_remove(&line->link);
		list_append(round, &line->link);
	}
}

static void join(struct fair *fair, struct fair_line *line)
{
	if (line->credit <= 0)
		line->credit += line->weight;
	list_append(&fair->rounds[line->priority], &line->link);
	turn_round(&fair->rounds[line->priority]);
}

static void leave(struct fair *fair, struct fair_line *line)
{
	list_remove(&line->link);
	/* What it owes it still owes when it comes back; what it has not used is gone. */
	line->credit = line->credit < 0 ? line->credit : 0;
	turn_round(&fair->rounds[line->priority]);
}

void fair_set_terms(struct fair *fair, const struct fair_terms *terms, size_t count)
{
	size_t i;

	fair->terms = terms;
	fair->terms_count = count;
	for (i = 0; i < fair->capacity; i++) {
		struct fair_line *line = fair->table[i];
		if (!line)
			continue;
		if (!list_empty(&line->mail))
			leave(fair, line);
		apply_terms(fair, line);
		if (!list_empty(&line->mail))
			join(fair, line);
	}
}

void fair_append(struct fair *fair, struct delivery *d)
{
	struct fair_line *line = line_for(fair, d);

	list_append(&line->mail, &d->link);
	fair->count++;
	if (!list_linked(&line->link))
		join(fair, line);
}

void fair_prepend(struct fair *fair, struct delivery *d)
{
	struct fair_line *line = line_for(fair, d);

	list_prepend(&line->mail, &d->link);
	fair->count++;
	/* Its turn was not used. */
	if (list_linked(&line->link))
		list_remove(&line->link);
	line->credit = line->credit < 0 ? 1 : line->credit + 1;
	list_prepend(&fair->rounds[line->priority], &line->link);
}

/* Whose priority it is: of those that have mail. */
static const struct list *choose(const struct fair *fair)
{
	unsigned below = fair->turn % 16 == 15 ? 2 : fair->turn % 4 == 3 ? 1 : 0, i;
	const struct list *chosen = NULL;

	for (i = 0; i < FAIR_PRIORITIES; i++) {
		if (list_empty(&fair->rounds[i]))
			continue;
		chosen = &fair->rounds[i];
		if (below-- == 0)
			break;
	}
	return chosen;
}

struct delivery *fair_next(const struct fair *fair)
{
	/* Lanes of sites are empty most of the time, and asked often. */
	const struct list *round = fair->count > 0 ? choose(fair) : NULL;

	return round ? container_of(first_of(round)->mail.next, struct delivery, link) : NULL;
}

struct delivery *fair_first(struct fair *fair, uint16_t client)
{
	const struct fair_line *line = find(fair, client);

	return line && !list_empty(&line->mail) ? container_of(line->mail.next, struct delivery, link) : NULL;
}

void fair_remove(struct fair *fair, struct delivery *d)
{
	struct fair_line *line = find(fair, d->client);

	assert(line && line->mail.next == &d->link);
	list_remove(&d->link);
	fair->count--;
	fair->turn++;
	line->credit--;
	if (list_empty(&line->mail))
		leave(fair, line);
	else
		turn_round(&fair->rounds[line->priority]);
}

bool fair_alone(const struct delivery *d)
{
	/* Before it and behind it is the line's own end. */
	return d->link.next == d->link.prev;
}

void fair_withdraw(struct fair *fair, struct delivery *d)
{
	struct list *mail = d->link.next;
	bool alone = fair_alone(d);

	list_remove(&d->link);
	fair->count--;
	if (alone)
		leave(fair, container_of(mail, struct fair_line, mail));
}

bool fair_has_line_of(struct fair *fair, const struct delivery *d)
{
	const struct fair_line *line = find(fair, d->client);

	return line && line->mail.next == &d->link;
}

void fair_charge(struct fair *fair, uint16_t client, unsigned messages)
{
	struct fair_line *line = find(fair, client);

	if (!line)
		return;
	line->credit -= (int32_t)(messages < FAIR_CHARGE_MOST ? messages : FAIR_CHARGE_MOST);
	if (line->credit < -FAIR_CHARGE_MOST)
		line->credit = -FAIR_CHARGE_MOST;
	turn_round(&fair->rounds[line->priority]);
}

size_t fair_heads(const struct fair *fair)
{
	return fair->capacity + 1;
}

struct delivery *fair_head(const struct fair *fair, size_t i)
{
	const struct fair_line *line = i == fair->capacity ? &fair->common : fair->table[i];

	return line && !list_empty(&line->mail) ? container_of(line->mail.next, struct delivery, link) : NULL;
}
