/*
 * core/agents/incident.c - see incident.h.
 */
#include "core/agents/incident.h"

#include <stdio.h>
#include <string.h>

#include "core/base/span.h"

static const struct {
	const char *name, *title, *fix;
} kinds[INCIDENT_KINDS] = {
	[INCIDENT_DESTINATION_DOWN] = {"destination_down", "no host of the destination can be used",
				       "look at what was last said, at the network and its firewall, and whether the "
				       "provider has an outage; mail waits and is tried again by itself"},
	[INCIDENT_NO_DELIVERY] = {"no_delivery", "mail waits for the destination and none was delivered",
				  "postrider why DESTINATION says what holds it up"},
	[INCIDENT_OLD_MAIL] = {"old_mail", "mail waits for long",
			       "postrider queue list --destination NAME --older 1h, and postrider why DESTINATION"},
	[INCIDENT_SETUP_REFUSED] = {"setup_refused", "the next hop refuses what this relay is or how it is set up",
				    "what was last said names it; mail is held, and goes when it is mended"},
	[INCIDENT_SIGN_IN_REFUSED] =
		{"sign_in_refused", "a mailbox cannot sign in or may not send",
		 "look at its password or token, its licence and its right to send by SMTP; postrider "
		 "doctor goes through them, postrider reload tries it at once"},
	[INCIDENT_TOKEN_ENDING] = {"token_ending", "no new access token can be had",
				   "look at the application's secret or certificate and its rights; postrider doctor "
				   "says at which step it ends"},
	[INCIDENT_CERTIFICATE_ENDING] = {"certificate_ending",
					 "a certificate, or a list of revoked ones, ends soon, or has",
					 "renew it and put the new files in their places: they are taken without a "
					 "restart"},
	[INCIDENT_SPOOL_FILLING] =
		{"spool_filling", "the spool is filling up",
		 "postrider queue summary says what waits; give it room (spool.size_max, the disk), or "
		 "find out why it does not flow"},
	[INCIDENT_BUDGET_NEARLY_SPENT] =
		{"budget_nearly_spent", "the recipients of a day are nearly used up",
		 "postrider report says who sent them; mail beyond the limit waits for the next "
		 "day"},
	[INCIDENT_DEVICE_SILENT] = {"device_silent", "a device sends nothing at a time when it always did",
				    "look whether it is on and connected, and what it was last refused for: postrider "
				    "trace --device NAME"},
};

const char *incident_name(enum incident_kind kind)
{
	return kinds[kind].name;
}

const char *incident_title(enum incident_kind kind)
{
	return kinds[kind].title;
}

const char *incident_fix(enum incident_kind kind)
{
	return kinds[kind].fix;
}

enum incident_kind incident_kind_of(const char *name)
{
	unsigned kind = 0;

	while (kind < INCIDENT_KINDS && strcmp(kinds[kind].name, name) != 0)
		kind++;
	return (enum incident_kind)kind;
}

void incident_subject(const char *whole, const char *part, char out[INCIDENT_SUBJECT_SIZE])
{
	/* One octet more says whether a character ends with the last that there is room for. */
	char all[INCIDENT_SUBJECT_SIZE + 1];

	snprintf(all, sizeof(all), "%s%s%s", whole, part[0] ? "/" : "", part);
	span_copy(span_text(all), out, INCIDENT_SUBJECT_SIZE);
}

struct incident *incidents_find(struct incidents *incidents, enum incident_kind kind, const char *subject)
{
	char as_kept[INCIDENT_SUBJECT_SIZE];

	incident_subject(subject, "", as_kept);
	for (size_t i = 0; i < incidents->count; i++) {
		struct incident *one = &incidents->list[i];
		if (one->kind == kind && strcmp(one->subject, as_kept) == 0)
			return one;
	}
	return NULL;
}

static void move(struct incident *one, enum incident_state state, uint64_t now_ns)
{
	one->state = state;
	one->since_ns = now_ns;
}

static void forget(struct incidents *incidents, struct incident *one)
{
	*one = incidents->list[--incidents->count];
}

/* What is only suspected makes room for what is there, and not for another suspicion: a thousand of them would take the
 * place from each other, and none would grow old enough. */
static struct incident *make_room(struct incidents *incidents, bool suspected)
{
	if (incidents->count < INCIDENTS_MAX)
		return &incidents->list[incidents->count++];
	for (size_t i = 0; !suspected && i < INCIDENTS_MAX; i++) {
		if (incidents->list[i].state == INCIDENT_SUSPECTED)
			return &incidents->list[i];
	}
	incidents->left_out++;
	return NULL;
}

static void open_one(struct incidents *incidents, struct incident *one, uint64_t now_ns, uint64_t wall_ms)
{
	move(one, INCIDENT_OPEN, now_ns);
	one->opened_wall_ms = wall_ms;
	incidents->opened(incidents->context, one);
}

void incidents_bad(struct incidents *incidents, enum incident_kind kind, const char *subject, const char *problem,
		   uint64_t now_ns, uint64_t wall_ms)
{
	struct incident *one = incidents_find(incidents, kind, subject);

	if (!one) {
		one = make_room(incidents, incidents->after_ns[kind] > 0);
		if (!one)
			return;
		*one = (struct incident){.kind = kind};
		incident_subject(subject, "", one->subject);
		move(one, INCIDENT_SUSPECTED, now_ns);
	}
	span_copy(span_text(problem), one->problem, sizeof(one->problem));
	one->restored = false;
	if (one->state == INCIDENT_CALMING) {
		one->again++;
		move(one, INCIDENT_OPEN, now_ns);
	} else if (one->state == INCIDENT_SUSPECTED && now_ns - one->since_ns >= incidents->after_ns[kind]) {
		open_one(incidents, one, now_ns, wall_ms);
	}
}

void incidents_well(struct incidents *incidents, enum incident_kind kind, const char *subject, bool at_once,
		    uint64_t now_ns)
{
	struct incident *one = incidents_find(incidents, kind, subject);

	if (!one)
		return;
	if (one->state == INCIDENT_OPEN)
		move(one, INCIDENT_CALMING, now_ns);
	if (one->state == INCIDENT_SUSPECTED) {
		forget(incidents, one);
	} else if (at_once || now_ns - one->since_ns >= incidents->calm_ns[kind]) {
		incidents->closed(incidents->context, one);
		forget(incidents, one);
	}
}

void incidents_tick(struct incidents *incidents, uint64_t now_ns, uint64_t wall_ms)
{
	for (size_t i = 0; i < incidents->count;) {
		struct incident *one = &incidents->list[i];
		uint64_t ns = now_ns - one->since_ns;
		if (one->state == INCIDENT_CALMING && ns >= incidents->calm_ns[one->kind]) {
			incidents->closed(incidents->context, one);
			forget(incidents, one);
			continue;
		}
		if (one->state == INCIDENT_SUSPECTED && ns >= incidents->after_ns[one->kind])
			open_one(incidents, one, now_ns, wall_ms);
		i++;
	}
}

bool incidents_restore(struct incidents *incidents, const struct incident *incident, uint64_t now_ns)
{
	if (incidents->count == INCIDENTS_MAX || incidents_find(incidents, incident->kind, incident->subject))
		return false;
	incidents->list[incidents->count] = *incident;
	incidents->list[incidents->count].restored = true;
	move(&incidents->list[incidents->count++], INCIDENT_OPEN, now_ns);
	return true;
}

void incidents_doubt(struct incidents *incidents)
{
	for (size_t i = 0; i < incidents->count; i++)
		incidents->list[i].restored |= incident_is_open(&incidents->list[i]);
}
