/*
 * core/config/succession.c - see succession.h.
 */
#include "core/config/succession.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct succession {
	struct config *next;
	const struct config *running;
	const struct config_bounds *bounds;
	struct config_problems *problems;
	size_t *places; /* of `running`: where each destination of `next` will stand */
	bool *taken;    /* by place: one of `next` stands there */
};

#define CANNOT(s, ...) config_problems_add((s)->problems, false, (s)->next->file, (struct config_place){0}, __VA_ARGS__)

/* Either may be left out. */
static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Who signs in, how, and may act, may change: whoever is to be kept out must be at once. But whether anybody has to. */
static bool same_http(const struct config *a, const struct config *b)
{
	return same(a->control.http.address_text, b->control.http.address_text) &&
	       same(a->control.http.users_file, b->control.http.users_file) &&
	       same(a->control.http.client_ca, b->control.http.client_ca) &&
	       same(a->control.http.client_crl, b->control.http.client_crl) &&
	       a->control.http.signs_in == b->control.http.signs_in &&
	       same(a->control.http.certificate, b->control.http.certificate) &&
	       same(a->control.http.private_key, b->control.http.private_key);
}

static void check_spool(const struct succession *s)
{
	const struct config *a = s->running, *b = s->next;

	if (a->shards != b->shards)
		CANNOT(s, "shards cannot change from %u to %u while postrider runs: restart it", a->shards, b->shards);
	if (strcmp(a->spool.directory, b->spool.directory) != 0)
		CANNOT(s, "spool.directory cannot change while postrider runs: restart it");
	if (!same(a->control.socket, b->control.socket) || !same(a->control.group, b->control.group) ||
	    !same_http(a, b))
		CANNOT(s, "control cannot change while postrider runs: restart it");
	if (a->log_journal != b->log_journal)
		CANNOT(s, "log.journal cannot change while postrider runs: restart it");
	if (a->spool.size_max != b->spool.size_max || a->spool.segment_size != b->spool.segment_size ||
	    a->spool.memory_max != b->spool.memory_max || a->spool.message_size_max != b->spool.message_size_max)
		CANNOT(s, "the sizes below spool cannot change while postrider runs: restart it");
}

static bool same_directories(const struct config_words *a, const struct config_words *b)
{
	size_t i;

	for (i = 0; i < a->count && i < b->count && strcmp(a->list[i], b->list[i]) == 0; i++)
		;
	return i == a->count && i == b->count;
}

/* What was given up at the start is not had back. */
static void check_given_up(const struct succession *s)
{
	const struct config *a = s->running, *b = s->next;

	if (!same(a->user, b->user))
		CANNOT(s, "user cannot change while postrider runs: restart it");
	if (a->hardening.seccomp != b->hardening.seccomp || a->hardening.landlock != b->hardening.landlock ||
	    (a->hardening.landlock && !same_directories(&a->hardening.directories, &b->hardening.directories)))
		CANNOT(s, "hardening cannot change while postrider runs: restart it");
}

static void check_limits(const struct succession *s)
{
	if (s->next->limits.connections > s->bounds->connections)
		CANNOT(s,
		       "limits.connections cannot be more than the %u that this process was started with: restart it",
		       s->bounds->connections);
}

static const struct config_destination *find(const struct config *config, const char *name, size_t *index)
{
	for (size_t i = 0; i < config->destination_count; i++) {
		if (strcmp(config->destinations[i].name, name) == 0) {
			*index = i;
			return &config->destinations[i];
		}
	}
	return NULL;
}

/* A place that nobody needs any more, or the first behind all. */
static size_t new_place(const struct succession *s, size_t destination, size_t *count)
{
	const struct config_bounds *bounds = s->bounds;

	for (size_t place = 0; bounds->free_for && place < s->running->destination_count; place++) {
		if (!s->taken[place] && s->running->destinations[place].gone &&
		    bounds->free_for(bounds->context, s->next, destination, place)) {
			s->taken[place] = true;
			return place;
		}
	}
	return (*count)++;
}

/* Where each of the new destinations will stand; returns how many places there are then. */
static size_t choose_places(const struct succession *s)
{
	size_t count = s->running->destination_count;

	for (size_t i = 0; i < s->next->destination_count; i++) {
		if (find(s->running, s->next->destinations[i].name, &s->places[i]))
			s->taken[s->places[i]] = true;
		else
			s->places[i] = SIZE_MAX;
	}
	for (size_t i = 0; i < s->next->destination_count; i++) {
		if (s->places[i] == SIZE_MAX)
			s->places[i] = new_place(s, i, &count);
	}
	if (count > s->bounds->destinations)
		CANNOT(s,
		       "there would be %zu destinations, those that are gone included, and this process has room for "
		       "%zu: restart it",
		       count, s->bounds->destinations);
	return count;
}

/* On no shard its mail would be without a lane. */
static bool make_gone(struct config_destination *place, const char *name, size_t length)
{
	*place = (struct config_destination){.gone = true, .connections = UINT32_MAX};
	place->name = strndup(name, length);
	return place->name != NULL;
}

static bool move(const struct succession *s, size_t count)
{
	const struct config *running = s->running;
	struct config *next = s->next;
	const size_t *places = s->places;
	struct config_destination *moved = calloc(count + 1, sizeof(*moved));
	bool ok = moved != NULL;
	size_t i;

	for (i = 0; ok && i < running->destination_count; i++) {
		const struct config_destination *before = &running->destinations[i];
		if (!s->taken[i])
			ok = make_gone(&moved[i], before->name, strlen(before->name));
	}
	if (!ok) {
		for (i = 0; moved && i < running->destination_count; i++)
			free(moved[i].name);
		free(moved);
		return false;
	}
	for (i = 0; i < next->destination_count; i++)
		moved[places[i]] = next->destinations[i];
	for (i = 0; i < next->destination_count; i++) {
		size_t *fallback = &moved[places[i]].fallback;
		*fallback = *fallback > 0 ? places[*fallback - 1] + 1 : 0;
	}
	for (i = 0; i < next->route_count; i++)
		next->routes[i].destination = places[next->routes[i].destination];
	free(next->destinations);
	next->destinations = moved;
	next->destination_count = count;
	return true;
}

bool config_succeed(struct config *next, const struct config *running, const struct config_bounds *bounds,
		    struct config_problems *problems)
{
	const struct succession s = {
		.next = next,
		.running = running,
		.bounds = bounds,
		.problems = problems,
		.places = calloc(next->destination_count + 1, sizeof(*s.places)),
		.taken = calloc(running->destination_count + 1, sizeof(*s.taken)),
	};
	size_t count = 0;
	bool memory = s.places && s.taken, ok = false;

	if (memory) {
		check_spool(&s);
		check_given_up(&s);
		check_limits(&s);
		count = choose_places(&s);
	}
	if (memory && problems->errors == 0)
		memory = ok = move(&s, count);
	if (!memory)
		CANNOT(&s, "out of memory");
	free(s.places);
	free(s.taken);
	return ok;
}

int config_add_gone(struct config *config, const char *name, size_t length)
{
	size_t count = config->destination_count;
	struct config_destination *more = realloc(config->destinations, (count + 1) * sizeof(*more));

	if (!more)
		return -1;
	config->destinations = more;
	if (!make_gone(&more[count], name, length))
		return -1;
	config->destination_count = count + 1;
	return (int)count;
}
