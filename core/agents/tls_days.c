/*
 * core/agents/tls_days.c - see tls_days.h.
 */
#include "core/agents/tls_days.h"

#include <stdlib.h>
#include <string.h>

enum { HEAP_FIRST = 64, DOUBLINGS_MOST = 8 };

bool tls_days_init(struct tls_days *days, uint64_t now_s)
{
	memset(days, 0, sizeof(*days));
	list_init(&days->out);
	random_init(&days->random);
	days->day = now_s / TLS_DAY_S;
	days->today = tls_count_new(TLS_COUNT_DAY_OCTETS);
	return days->today != NULL;
}

void tls_report_free(struct tls_report *report)
{
	for (unsigned i = 0; i < report->place_count; i++)
		free(report->places[i].text);
	tls_domain_count_free(report->domain);
	free(report);
}

void tls_days_deinit(struct tls_days *days)
{
	struct list *link;

	while ((link = list_take_first(&days->out)) != NULL)
		tls_report_free(container_of(link, struct tls_report, link));
	for (size_t i = 0; i < days->due_count; i++)
		tls_report_free(days->due[i]);
	free(days->due);
	tls_count_free(days->today);
}

void tls_days_count(struct tls_days *days, const struct tls_count *count)
{
	tls_count_merge(days->today, count);
	days->changed = true;
}

/* ---- those that are due ------------------------------------------------------------------------------------------ */

static void swap(struct tls_report **a, struct tls_report **b)
{
	struct tls_report *one = *a;

	*a = *b;
	*b = one;
}

static bool push(struct tls_days *days, struct tls_report *report)
{
	struct tls_report **heap = days->due;
	size_t room = days->due_room ? 2 * days->due_room : HEAP_FIRST, i;

	if (days->due_count == days->due_room) {
		heap = realloc(days->due, room * sizeof(struct tls_report *));
		if (!heap)
			return false;
		days->due = heap;
		days->due_room = room;
	}
	i = days->due_count++;
	heap[i] = report;
	for (; i > 0 && heap[(i - 1) / 2]->due_s > heap[i]->due_s; i = (i - 1) / 2)
		swap(&heap[i], &heap[(i - 1) / 2]);
	return true;
}

static struct tls_report *pop(struct tls_days *days)
{
	struct tls_report **heap = days->due, *first = heap[0];
	size_t i = 0, least;

	heap[0] = heap[--days->due_count];
	for (;; i = least) {
		least = i;
		for (size_t child = 2 * i + 1; child <= 2 * i + 2; child++) {
			if (child < days->due_count && heap[child]->due_s < heap[least]->due_s)
				least = child;
		}
		if (least == i)
			return first;
		swap(&heap[i], &heap[least]);
	}
}

bool tls_days_put(struct tls_days *days, const struct tls_report *report)
{
	size_t octets = report->domain->octets;
	bool room = days->report_count < TLS_DAYS_REPORTS_MAX && days->report_octets + octets <= TLS_DAYS_OCTETS_MAX;
	struct tls_report *copy = room ? malloc(sizeof(*copy)) : NULL;

	if (copy) {
		*copy = *report;
		list_init(&copy->link);
		list_init(&copy->ready);
	}
	if (copy && push(days, copy)) {
		days->report_count++;
		days->report_octets += octets;
		days->changed = true;
		return true;
	}
	free(copy);
	for (unsigned i = 0; i < report->place_count; i++)
		free(report->places[i].text);
	tls_domain_count_free(report->domain);
	return false;
}

static void forget(struct tls_days *days, struct tls_report *report)
{
	days->report_count--;
	days->report_octets -= report->domain->octets;
	days->changed = true;
	tls_report_free(report);
}

void tls_days_clear(struct tls_days *days)
{
	struct tls_domain_count *domain;

	while ((domain = tls_count_take(days->today)) != NULL)
		tls_domain_count_free(domain);
	while (days->due_count > 0)
		forget(days, days->due[--days->due_count]);
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

static void end_day(struct tls_days *days, struct tls_day_end *end)
{
	uint64_t end_s = (days->day + 1) * TLS_DAY_S;
	struct tls_count *next = tls_count_new(TLS_COUNT_DAY_OCTETS);
	struct tls_domain_count *domain;

	*end = (struct tls_day_end){
		.day = days->day,
		.domains = tls_count_domains(days->today),
		.lost = tls_count_lost(days->today),
	};
	while ((domain = tls_count_take(days->today)) != NULL) {
		struct tls_report report = {
			.domain = domain,
			.day = days->day,
			.due_s = end_s + random_below(&days->random, TLS_DAYS_SPREAD_S),
		};
		if (domain->policies)
			end->dropped += !tls_days_put(days, &report);
		else
			tls_domain_count_free(domain);
	}
	/* Without memory the emptied one goes on, and what it has lost is told again. */
	if (next) {
		tls_count_free(days->today);
		days->today = next;
	}
}

/* Nobody took them up: it was switched off, or there are no name servers. */
static uint64_t drop_old(struct tls_days *days, uint64_t today)
{
	uint64_t dropped = 0;

	while (days->due_count > 0 && days->due[0]->due_s / TLS_DAY_S + TLS_DAYS_KEPT < today) {
		forget(days, pop(days));
		dropped++;
	}
	return dropped;
}

/* The clock was far ahead, and is not any more. */
static void set_back(struct tls_days *days, uint64_t now_s)
{
	size_t count = days->due_count;

	days->due_count = 0;
	for (size_t i = 0; i < count; i++) {
		struct tls_report *report = days->due[i];
		if (report->due_s > now_s)
			report->due_s = now_s + random_below(&days->random, TLS_DAYS_SPREAD_S);
		if (report->first_s > now_s)
			report->first_s = now_s;
		/* It has room: there are not more than before. */
		(void)push(days, report);
	}
}

bool tls_days_at(struct tls_days *days, uint64_t now_s, struct tls_day_end *end)
{
	uint64_t today = now_s / TLS_DAY_S, dropped = drop_old(days, today);
	bool ended = false;

	if (today == days->day || today + 1 == days->day)
		return false;
	if (today > days->day) {
		ended = !tls_count_empty(days->today);
		if (ended)
			end_day(days, end);
	} else {
		set_back(days, now_s);
	}
	days->day = today;
	days->changed = true;
	if (ended)
		end->dropped += dropped;
	return ended;
}

struct tls_report *tls_days_take(struct tls_days *days, uint64_t now_s, uint64_t *next_s)
{
	struct tls_report *report;

	if (days->due_count == 0 || days->due[0]->due_s > now_s) {
		*next_s = days->due_count > 0 ? days->due[0]->due_s : UINT64_MAX;
		return NULL;
	}
	report = pop(days);
	if (report->first_s == 0)
		report->first_s = now_s;
	report->tries++;
	days->changed = true;
	list_append(&days->out, &report->link);
	return report;
}

/* ---- its places -------------------------------------------------------------------------------------------------- */

static bool is_done(const struct tls_report *report, const struct tlsrpt_place *place)
{
	for (unsigned i = 0; i < report->place_count; i++) {
		const struct tls_place *one = &report->places[i];
		if (one->done && one->mail == place->mail && strcmp(one->text, place->text) == 0)
			return true;
	}
	return false;
}

/* Only those stay that are done. */
static void drop_undone(struct tls_report *report)
{
	unsigned left = 0;

	for (unsigned i = 0; i < report->place_count; i++) {
		if (report->places[i].done)
			report->places[left++] = report->places[i];
		else
			free(report->places[i].text);
	}
	report->place_count = left;
}

void tls_report_wanted(struct tls_report *report, const struct tlsrpt_places *places)
{
	drop_undone(report);
	report->at = 0;
	report->failed = false;
	for (unsigned i = 0; i < places->count && report->place_count < TLSRPT_PLACES_MAX; i++) {
		char *text = is_done(report, &places->list[i]) ? NULL : strdup(places->list[i].text);
		if (text)
			report->places[report->place_count++] = (struct tls_place){text, places->list[i].mail, false};
	}
}

struct tls_place *tls_report_place(struct tls_report *report)
{
	while (report->at < report->place_count && report->places[report->at].done)
		report->at++;
	return report->at < report->place_count ? &report->places[report->at] : NULL;
}

void tls_report_tried(struct tls_report *report, bool delivered)
{
	report->places[report->at++].done = delivered;
	report->failed |= !delivered;
}

/* ---- its end ----------------------------------------------------------------------------------------------------- */

void tls_days_over(struct tls_days *days, struct tls_report *report)
{
	list_remove(&report->link);
	forget(days, report);
}

uint64_t tls_days_again(struct tls_days *days, struct tls_report *report, uint64_t now_s)
{
	unsigned n = report->tries > 0 ? report->tries - 1 : 0;
	uint64_t pause_s = (uint64_t)TLS_DAYS_AGAIN_S << (n < DOUBLINGS_MOST ? n : DOUBLINGS_MOST);

	if (pause_s > TLS_DAYS_AGAIN_MOST_S)
		pause_s = TLS_DAYS_AGAIN_MOST_S;
	/* Those that failed together do not come together. */
	pause_s += random_below(&days->random, pause_s / 4);
	list_remove(&report->link);
	report->at = 0;
	report->due_s = now_s + pause_s;
	days->changed = true;
	if (report->due_s <= report->first_s + TLS_DAYS_TRY_S && push(days, report))
		return report->due_s;
	forget(days, report);
	return 0;
}
