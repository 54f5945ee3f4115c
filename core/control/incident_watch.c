/*
 * core/control/incident_watch.c - see incident_watch.h.
 */
#include "core/control/incident_watch.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>

#include "core/agents/incident_file.h"
#include "core/agents/incident_word.h"
#include "core/base/clock.h"
#include "core/base/disk_room.h"
#include "core/base/durable.h"
#include "core/base/line_ring.h"
#include "core/base/rounds.h"
#include "core/config/config.h"
#include "core/config/device_table.h"
#include "core/config/text_file.h"
#include "core/control/desk.h"
#include "core/control/incident_letter.h"
#include "core/control/incident_owners.h"
#include "core/control/incident_readings.h"
#include "core/control/incident_terms.h"
#include "core/events/incidents.h"
#include "core/relay/relay.h"

enum {
	LOOK_MS = 250,
	READ_MOST_S = 10,  /* between two readings */
	COLLECT_MS = 5000, /* what comes together is told together */
	RETRY_S = 60,      /* a mail that could not be stored */
	HOUR_MS = 3600000,
	PIECE = 1 << 16,
};

struct incident_watch {
	struct rounds rounds; /* its lock is of all that follows */
	struct desk *desk;
	struct log *log;
	struct incident_terms *terms; /* owned */
	struct incidents incidents;
	struct incident_past past;
	struct incident_readings readings;
	char directory[PATH_MAX], file[PATH_MAX];
	bool changed, unwritten, untold;
	/* Without the lock: it is held while shards are asked. */
	_Atomic(bool) on;
	_Atomic(uint64_t) open[INCIDENT_KINDS];
	uint64_t read_ns;
	uint64_t refused; /* words that found no room, so far */

	/* Mail. */
	struct incident_notes notes;
	struct incident_sending *sending; /* owned; NULL: none is under way */
	struct incident_notes sent;       /* what that one says */
	uint64_t mail_ns;                 /* not before */
	uint64_t mailed_ms[60];           /* when the last were, by the monotonic clock */
	unsigned mailed;
	struct incident_owners owners; /* to others */
	char piece[PIECE];
};

/* ---- opened, closed --------------------------------------------------------------------------------------------- */

static void note(struct incident_watch *w, struct incident_notes *notes, const struct incident *one,
		 uint64_t closed_wall_ms)
{
	if (!w->terms->mail)
		return;
	if (notes->count == 0 && notes->more == 0 && w->mail_ns < clock_monotonic_ns())
		w->mail_ns = clock_monotonic_ns() + COLLECT_MS * CLOCK_NS_PER_MS;
	if (notes->count < INCIDENT_NOTES_MAX)
		notes->list[notes->count++] = (struct incident_note){*one, closed_wall_ms};
	else
		notes->more++;
}

/* Whose device it is, as the inventory has it now. */
static void note_owner(struct incident_watch *w, const struct incident *one, uint64_t closed_wall_ms)
{
	const struct config *config;
	struct device device;
	int32_t index;

	if (one->kind != INCIDENT_DEVICE_SILENT)
		return;
	config = desk_config_take(w->desk);
	index = device_table_of_name(config->devices, one->subject);
	if (index >= 0) {
		device_table_get(config->devices, (size_t)index, &device);
		/* Who is told of everything is told once. */
		if (device.owner[0] && !(w->terms->mail && strcasecmp(device.owner, w->terms->mail) == 0))
			incident_owners_note(&w->owners, device.owner, one, closed_wall_ms, clock_monotonic_ns());
	}
	desk_config_return(w->desk);
}

static struct event_incident facts_of(const struct incident *one)
{
	return (struct event_incident){
		.kind = incident_name(one->kind),
		.subject = one->subject,
		.title = incident_title(one->kind),
		.problem = one->problem,
		.fix = incident_fix(one->kind),
		.again = one->again,
		.error = one->kind == INCIDENT_SETUP_REFUSED || one->kind == INCIDENT_SIGN_IN_REFUSED ||
			 one->kind == INCIDENT_TOKEN_ENDING,
	};
}

static void on_opened(void *context, struct incident *one)
{
	struct incident_watch *w = context;
	struct event_incident facts = facts_of(one);

	event_incident_opened(w->log, &facts);
	note(w, &w->notes, one, 0);
	note_owner(w, one, 0);
	atomic_fetch_add(&w->open[one->kind], 1);
	w->changed = true;
}

static void on_closed(void *context, const struct incident *one)
{
	struct incident_watch *w = context;
	struct event_incident facts = facts_of(one);
	uint64_t wall_ms = clock_wall_ns() / CLOCK_NS_PER_MS;

	facts.ms = wall_ms > one->opened_wall_ms ? wall_ms - one->opened_wall_ms : 0;
	event_incident_closed(w->log, &facts);
	incident_past_add(&w->past, one, wall_ms);
	note(w, &w->notes, one, wall_ms);
	note_owner(w, one, wall_ms);
	atomic_fetch_sub(&w->open[one->kind], 1);
	w->changed = true;
}

/* ---- the file --------------------------------------------------------------------------------------------------- */

static void save(struct incident_watch *w)
{
	char *text = incident_file_write(&w->incidents, w->sending ? &w->sent : NULL, &w->notes, &w->past);
	int r = !text ? -ENOMEM : disk_has_room(w->directory) ? durable_replace(w->file, text, strlen(text)) : -ENOSPC;

	free(text);
	if (r < 0 && !w->unwritten)
		event_incidents_unwritten(w->log, w->file, r == -ENOSPC ? DISK_NEARLY_FULL : strerror(-r));
	w->unwritten = w->changed = r < 0;
}

static void load(struct incident_watch *w)
{
	char *text, kept[PATH_MAX];
	size_t length;
	bool opened, good;
	int r = text_file_read(w->file, INCIDENT_FILE_MAX, &text, &length, &opened);

	if (r == -ENOENT)
		return;
	good = r == 0 && incident_file_read(&w->incidents, &w->sent, &w->past, text, length, clock_monotonic_ns());
	if (r == 0)
		free(text);
	if (good) {
		for (size_t i = 0; i < w->sent.count; i++)
			note(w, &w->notes, &w->sent.list[i].incident, w->sent.list[i].closed_wall_ms);
		w->notes.more += w->sent.more;
		for (size_t i = 0; i < w->incidents.count; i++) {
			atomic_fetch_add(&w->open[w->incidents.list[i].kind], 1);
			if (w->incidents.list[i].told)
				continue;
			note(w, &w->notes, &w->incidents.list[i], 0);
			note_owner(w, &w->incidents.list[i], 0);
		}
		return;
	}
	event_incidents_unread(w->log, w->file, r < 0 ? strerror(-r) : "it is no file of this version, or cut off");
	(void)durable_set_aside(w->file, kept);
}

/* ---- mail ------------------------------------------------------------------------------------------------------- */

/* So many within an hour. */
static bool may_mail(const struct incident_watch *w, uint64_t now_ms)
{
	unsigned most = w->terms->mails_per_hour, seen = w->mailed < most ? w->mailed : most, room = 60;

	return seen < most || now_ms - w->mailed_ms[(w->mailed - most) % room] >= HOUR_MS;
}

static void mark_told(struct incident_watch *w, const struct incident_notes *notes)
{
	for (size_t i = 0; i < notes->count; i++) {
		const struct incident *said = &notes->list[i].incident;
		struct incident *one = incidents_find(&w->incidents, said->kind, said->subject);
		if (one)
			one->told = true;
	}
	w->changed = true;
}

/* A letter is no reason for another. */
static void stored_at(struct incident_watch *w, const char *destination)
{
	struct incident_progress *p = incident_readings_of(&w->readings, destination);

	if (!p)
		return;
	p->letters++;
	p->letters_ns = clock_monotonic_ns();
}

static void sent(struct incident_watch *w, int result, const char *problem, const char *destination)
{
	uint64_t opened = 0, now_ns = clock_monotonic_ns();

	if (result < 0) {
		if (!w->untold && w->terms->mail)
			event_incidents_untold(w->log, w->terms->mail, w->sent.count, problem);
		w->untold = true;
		/* What came meanwhile is behind it. */
		for (size_t i = 0; i < w->notes.count; i++)
			note(w, &w->sent, &w->notes.list[i].incident, w->notes.list[i].closed_wall_ms);
		w->sent.more += w->notes.more;
		w->notes = w->sent;
		w->mail_ns = now_ns + RETRY_S * CLOCK_NS_PER_S;
		return;
	}
	for (size_t i = 0; i < w->sent.count; i++)
		opened += w->sent.list[i].closed_wall_ms == 0;
	/* On disk before anybody can see it: who ends the process then is not told twice. */
	mark_told(w, &w->sent);
	save(w);
	if (w->terms->mail)
		event_incidents_told(w->log, w->terms->mail, opened, w->sent.count - opened, w->sent.more);
	w->untold = false;
	w->mailed_ms[w->mailed++ % 60] = now_ns / CLOCK_NS_PER_MS;
	stored_at(w, destination);
}

/* Where nobody else is told by mail that was all. */
static void owner_told(struct incident_watch *w, const char *destination)
{
	stored_at(w, destination);
	if (w->terms->mail)
		return;
	mark_told(w, &w->owners.sent);
	save(w);
}

/* Where letters are stored, or are not. */
static void letters_over(struct incident_watch *w)
{
	char problem[INCIDENT_LETTER_PROBLEM], destination[INCIDENT_LETTER_DESTINATION];
	int result;

	if (w->sending && incident_letter_over(w->sending, &result, problem, destination)) {
		w->sending = NULL;
		sent(w, result, problem, destination);
	}
	if (incident_owners_over(&w->owners, w->log, clock_monotonic_ns(), destination))
		owner_told(w, destination);
}

static size_t count_open(const struct incident_watch *w)
{
	size_t n = 0;

	for (size_t i = 0; i < w->incidents.count; i++)
		n += incident_is_open(&w->incidents.list[i]);
	return n;
}

static void mail(struct incident_watch *w, uint64_t now_ns, uint64_t wall_ms)
{
	size_t length, open = count_open(w);
	char *text;

	letters_over(w);
	incident_owners_mail(&w->owners, w->desk, w->terms, now_ns);
	if (!w->terms->mail)
		w->notes.count = w->notes.more = 0;
	if (w->sending || w->notes.count == 0 || now_ns < w->mail_ns || !may_mail(w, now_ns / CLOCK_NS_PER_MS))
		return;
	text = incident_letter_text(w->terms, w->terms->mail, &w->notes, &open, wall_ms, &length);
	if (text)
		w->sending = incident_letter_send(w->desk, w->terms->mail, w->terms->from, text, length);
	if (!w->sending) {
		w->mail_ns = now_ns + RETRY_S * CLOCK_NS_PER_S;
		return;
	}
	w->sent = w->notes;
	w->notes.count = w->notes.more = 0;
}

/* ---- what is seen ----------------------------------------------------------------------------------------------- */

static void hear(struct incident_watch *w, const char *line, size_t length, uint64_t now_ns, uint64_t wall_ms)
{
	struct incident_word word;
	struct incident_progress *p;

	incident_word_read(line, length, &word);
	switch (word.says) {
	case INCIDENT_SAYS_NOTHING:
		break;
	case INCIDENT_SAYS_BAD:
		incidents_bad(&w->incidents, word.kind, word.subject, word.problem, now_ns, wall_ms);
		break;
	case INCIDENT_SAYS_WELL:
		incidents_well(&w->incidents, word.kind, word.subject, false, now_ns);
		break;
	case INCIDENT_SAYS_WHY:
		p = incident_terms_find(w->terms, word.subject, strlen(word.subject))
			    ? incident_readings_of(&w->readings, word.subject)
			    : NULL;
		if (p)
			snprintf(p->why, sizeof(p->why), "%s", word.problem);
		break;
	}
}

static void listen_in(struct incident_watch *w, uint64_t now_ns, uint64_t wall_ms)
{
	struct line_ring *ring = atomic_load(&w->desk->relay->incident_lines);
	size_t length;

	while (ring && (length = line_ring_take(ring, w->piece, sizeof(w->piece))) > 0) {
		const char *line = w->piece, *end = w->piece + length, *eol;
		for (; line < end && w->terms->watched; line = eol + 1) {
			eol = memchr(line, '\n', (size_t)(end - line));
			hear(w, line, (size_t)(eol - line), now_ns, wall_ms);
		}
	}
	/* Among those that were lost may be the one that says that it is over. */
	if (ring && line_ring_refused(ring) != w->refused) {
		w->refused = line_ring_refused(ring);
		incidents_doubt(&w->incidents);
	}
}

static void look(struct incident_watch *w)
{
	uint64_t now_ns = clock_monotonic_ns(), wall_ms = clock_wall_ns() / CLOCK_NS_PER_MS;
	uint64_t pause_ns = w->terms->calm_ns / 4;

	listen_in(w, now_ns, wall_ms);
	if (w->terms->watched && now_ns >= w->read_ns) {
		w->readings.sending = w->sending != NULL || w->owners.sending != NULL;
		incident_readings_take(&w->readings, &w->incidents, w->desk->scrape, w->terms, now_ns, wall_ms);
		w->read_ns =
			now_ns + (pause_ns < READ_MOST_S * CLOCK_NS_PER_S ? pause_ns : READ_MOST_S * CLOCK_NS_PER_S);
	}
	if (w->terms->watched)
		incidents_tick(&w->incidents, now_ns, wall_ms);
	if (w->changed && (!w->unwritten || now_ns >= w->read_ns))
		save(w);
	mail(w, now_ns, wall_ms);
}

static void *run(void *context)
{
	struct incident_watch *w = context;

	(void)prctl(PR_SET_NAME, "incidents");
	pthread_mutex_lock(&w->rounds.lock);
	do
		look(w);
	while (!rounds_sleep(&w->rounds, LOOK_MS * CLOCK_NS_PER_MS));
	letters_over(w);
	if (w->changed)
		save(w);
	pthread_mutex_unlock(&w->rounds.lock);
	return NULL;
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

/* Whose it is: of DESTINATION, or of DESTINATION/MAILBOX as far as that has room in a subject. NULL: of nobody any
 * more. */
static const struct config_destination *home_of(const struct config *config, const char *subject)
{
	char of_mailbox[INCIDENT_SUBJECT_SIZE];

	for (size_t i = 0; i < config->destination_count; i++) {
		const struct config_destination *d = &config->destinations[i];
		size_t length = strlen(d->name);
		if (d->gone || strncmp(subject, d->name, length) != 0)
			continue;
		if (subject[length] == '\0')
			return d;
		for (size_t m = 0; subject[length] == '/' && m < d->mailbox_count; m++) {
			const char *user = d->mailboxes[m].user;
			incident_subject(d->name, user ? user : "", of_mailbox);
			if (user && strcmp(subject, of_mailbox) == 0)
				return d;
		}
	}
	return NULL;
}

static bool is_of(const struct config *config, const struct incident_terms *terms, const struct incident *one)
{
	const struct config_destination *home = home_of(config, one->subject);

	switch (one->kind) {
	case INCIDENT_CERTIFICATE_ENDING:
		for (size_t i = 0; i < terms->certificate_count; i++) {
			if (strcmp(terms->certificates[i], one->subject) == 0)
				return true;
		}
		return terms->lists && strcmp(terms->lists, one->subject) == 0;
	case INCIDENT_DEVICE_SILENT:
		return device_table_of_name(config->devices, one->subject) >= 0;
	case INCIDENT_SPOOL_FILLING:
		return true;
	case INCIDENT_SIGN_IN_REFUSED:
	case INCIDENT_TOKEN_ENDING:
		return home != NULL;
	case INCIDENT_BUDGET_NEARLY_SPENT:
		return home && home->limits.recipients_per_day > 0;
	default:
		return incident_terms_find(terms, one->subject, strlen(one->subject)) != NULL;
	}
}

/* Thresholds that are gone, and what is configured no more, end what was of them. */
static void take_terms(struct incident_watch *w, const struct config *config)
{
	const struct incident_terms *terms = w->terms;

	atomic_store(&w->on, terms->watched);
	for (unsigned kind = 0; kind < INCIDENT_KINDS; kind++) {
		w->incidents.after_ns[kind] = 0;
		w->incidents.calm_ns[kind] = terms->calm_ns;
	}
	w->incidents.after_ns[INCIDENT_DESTINATION_DOWN] = terms->down_ns;
	w->incidents.calm_ns[INCIDENT_CERTIFICATE_ENDING] = w->incidents.calm_ns[INCIDENT_DEVICE_SILENT] = 0;
	for (size_t i = 0; i < w->incidents.count;) {
		struct incident *one = &w->incidents.list[i];
		size_t before = w->incidents.count;
		if (!terms->watched || !is_of(config, terms, one))
			incidents_well(&w->incidents, one->kind, one->subject, true, clock_monotonic_ns());
		i += before == w->incidents.count;
	}
	w->readings.certificates_ns = 0;
}

void incident_watch_follow(struct incident_watch *w, const struct config *config)
{
	struct incident_terms *next = w ? incident_terms_of(config) : NULL;

	if (!next)
		return;
	pthread_mutex_lock(&w->rounds.lock);
	incident_terms_free(w->terms);
	w->terms = next;
	take_terms(w, config);
	pthread_mutex_unlock(&w->rounds.lock);
}

struct incident_watch *incident_watch_start(struct desk *desk, const struct config *config, struct log *log)
{
	struct incident_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->desk = desk;
	w->log = log;
	w->incidents.opened = on_opened;
	w->incidents.closed = on_closed;
	w->incidents.context = w;
	w->terms = incident_terms_of(config);
	if (w->terms &&
	    snprintf(w->directory, sizeof(w->directory), "%s", config->spool.directory) < (int)sizeof(w->directory) &&
	    snprintf(w->file, sizeof(w->file), "%s/incidents", config->spool.directory) < (int)sizeof(w->file)) {
		load(w);
		take_terms(w, config);
		if (rounds_start(&w->rounds, run, w))
			return w;
	}
	incident_terms_free(w->terms);
	free(w);
	return NULL;
}

void incident_watch_stop(struct incident_watch *w)
{
	if (!w)
		return;
	rounds_stop(&w->rounds);
	incident_letter_leave(w->sending);
	incident_owners_free(&w->owners);
	incident_readings_free(&w->readings);
	incident_terms_free(w->terms);
	free(w);
}

static int by_age(const void *a, const void *b)
{
	uint64_t one = ((const struct incident *)a)->opened_wall_ms,
		 other = ((const struct incident *)b)->opened_wall_ms;

	return one < other ? -1 : one > other;
}

size_t incident_watch_open(struct incident_watch *w, struct incident *out, size_t room, uint64_t *left_out)
{
	size_t n = 0;

	*left_out = 0;
	if (!w)
		return 0;
	pthread_mutex_lock(&w->rounds.lock);
	for (size_t i = 0; i < w->incidents.count && n < room; i++) {
		if (incident_is_open(&w->incidents.list[i]))
			out[n++] = w->incidents.list[i];
	}
	*left_out = w->incidents.left_out;
	pthread_mutex_unlock(&w->rounds.lock);
	qsort(out, n, sizeof(*out), by_age);
	return n;
}

size_t incident_watch_over(struct incident_watch *w, uint64_t since_wall_ms, struct incident_note *out,
			   uint64_t *forgotten)
{
	size_t n = 0;

	*forgotten = 0;
	if (!w)
		return 0;
	pthread_mutex_lock(&w->rounds.lock);
	for (size_t i = 0; i < w->past.count; i++) {
		const struct incident_note *one = incident_past_get(&w->past, i);
		if (one->closed_wall_ms >= since_wall_ms)
			out[n++] = *one;
	}
	if (w->past.forgotten_wall_ms >= since_wall_ms)
		*forgotten = w->past.forgotten;
	pthread_mutex_unlock(&w->rounds.lock);
	return n;
}

bool incident_watch_on(const struct incident_watch *w)
{
	return w && atomic_load(&w->on);
}

bool incident_watch_count(const struct incident_watch *w, uint64_t counts[INCIDENT_KINDS])
{
	bool on = incident_watch_on(w);

	for (unsigned kind = 0; on && kind < INCIDENT_KINDS; kind++)
		counts[kind] = atomic_load(&w->open[kind]);
	return on;
}
