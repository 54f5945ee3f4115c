/*
 * core/control/incident_owners.c - see incident_owners.h.
 */
#include "core/control/incident_owners.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/clock.h"
#include "core/config/user_table.h"
#include "core/control/incident_terms.h"
#include "core/events/incidents.h"

enum { COLLECT_S = 5, RETRY_S = 60, HOUR_MS = 3600000 };

/* A million devices that are silent at once are one letter with as many as it has room for: of those beyond nobody is
 * told by mail, and the events have them. */
void incident_owners_note(struct incident_owners *o, const char *owner, const struct incident *incident,
			  uint64_t closed_wall_ms, uint64_t now_ns)
{
	if (!o->list)
		o->list = calloc(INCIDENT_OWNER_NOTES, sizeof(*o->list));
	if (!o->list || o->count == INCIDENT_OWNER_NOTES || strlen(owner) >= INCIDENT_OWNER_SIZE)
		return;
	if (o->count == 0 && o->due_ns < now_ns)
		o->due_ns = now_ns + COLLECT_S * CLOCK_NS_PER_S;
	snprintf(o->list[o->count].owner, INCIDENT_OWNER_SIZE, "%s", owner);
	o->list[o->count].more = 0;
	o->list[o->count++].note = (struct incident_note){*incident, closed_wall_ms};
}

static uint64_t hash_of(const char *owner)
{
	return user_name_hash(owner, strlen(owner));
}

/* So many within an hour; of all owners as many as are remembered. */
static bool may_mail(const struct incident_owners *o, const char *owner, unsigned most, uint64_t now_ms)
{
	unsigned known = o->letter_count < INCIDENT_OWNER_LETTERS ? o->letter_count : INCIDENT_OWNER_LETTERS, all = 0,
		 his = 0;

	for (unsigned i = 0; i < known; i++) {
		bool lately = now_ms - o->letters[i].ms < HOUR_MS;
		all += lately;
		his += lately && o->letters[i].owner == hash_of(owner);
	}
	return his < most && all < INCIDENT_OWNER_LETTERS;
}

/* The notes of one who may be told go from the list into `sent`. False: there is none. */
static bool take_next(struct incident_owners *o, unsigned most, uint64_t now_ms)
{
	size_t kept = 0, first = 0;

	while (first < o->count && !may_mail(o, o->list[first].owner, most, now_ms))
		first++;
	if (first == o->count)
		return false;
	memcpy(o->to, o->list[first].owner, sizeof(o->to));
	o->sent.count = 0;
	o->sent.more = 0;
	for (size_t i = 0; i < o->count; i++) {
		if (strcasecmp(o->list[i].owner, o->to) != 0) {
			o->list[kept++] = o->list[i];
			continue;
		}
		o->sent.more += o->list[i].more;
		if (o->sent.count < INCIDENT_NOTES_MAX)
			o->sent.list[o->sent.count++] = o->list[i].note;
		else
			o->sent.more++;
	}
	o->count = kept;
	return true;
}

/* Behind what came meanwhile, as far as there is room. */
static void put_back(struct incident_owners *o, uint64_t now_ns)
{
	for (size_t i = 0; i < o->sent.count; i++)
		incident_owners_note(o, o->to, &o->sent.list[i].incident, o->sent.list[i].closed_wall_ms, now_ns);
	if (o->count > 0 && strcasecmp(o->list[o->count - 1].owner, o->to) == 0)
		o->list[o->count - 1].more += o->sent.more;
	o->due_ns = now_ns + RETRY_S * CLOCK_NS_PER_S;
}

bool incident_owners_over(struct incident_owners *o, struct log *log, uint64_t now_ns,
			  char destination[INCIDENT_LETTER_DESTINATION])
{
	char problem[INCIDENT_LETTER_PROBLEM];
	uint64_t opened = 0;
	int result;

	if (!o->sending || !incident_letter_over(o->sending, &result, problem, destination))
		return false;
	o->sending = NULL;
	if (result < 0) {
		if (!o->untold || result == -ENOENT)
			event_incidents_untold(log, o->to, o->sent.count, problem);
		if (result != -ENOENT)
			put_back(o, now_ns);
		o->untold = result != -ENOENT;
		return false;
	}
	for (size_t i = 0; i < o->sent.count; i++)
		opened += o->sent.list[i].closed_wall_ms == 0;
	event_incidents_told(log, o->to, opened, o->sent.count - opened, o->sent.more);
	o->untold = false;
	o->letters[o->letter_count % INCIDENT_OWNER_LETTERS].owner = hash_of(o->to);
	o->letters[o->letter_count++ % INCIDENT_OWNER_LETTERS].ms = now_ns / CLOCK_NS_PER_MS;
	return true;
}

void incident_owners_mail(struct incident_owners *o, struct desk *desk, const struct incident_terms *terms,
			  uint64_t now_ns)
{
	size_t length;
	char *text;

	if (!terms->watched || !terms->from)
		o->count = 0;
	if (o->sending || o->count == 0 || now_ns < o->due_ns ||
	    !take_next(o, terms->mails_per_hour, now_ns / CLOCK_NS_PER_MS))
		return;
	text = incident_letter_text(terms, o->to, &o->sent, NULL, clock_wall_ns() / CLOCK_NS_PER_MS, &length);
	if (text)
		o->sending = incident_letter_send(desk, o->to, terms->from, text, length);
	if (!o->sending)
		put_back(o, now_ns);
}

void incident_owners_free(struct incident_owners *o)
{
	incident_letter_leave(o->sending);
	free(o->list);
	*o = (struct incident_owners){.list = NULL};
}
