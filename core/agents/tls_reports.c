/*
 * core/agents/tls_reports.c - see tls_reports.h.
 *
 * Everything below tls_reports_ask() runs on the agent's thread, which blocks in its poll only, and for a moment where
 * its file is replaced.
 */
#include "core/agents/tls_reports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/agents/agent_thread.h"
#include "core/agents/fetch.h"
#include "core/agents/tls_days.h"
#include "core/agents/tls_given.h"
#include "core/agents/tls_report_state.h"
#include "core/agents/tls_report_text.h"
#include "core/base/clock.h"
#include "core/base/durable.h"
#include "core/config/text_file.h"
#include "core/events/tls_reports.h"

enum {
	SAVE_S = 300,           /* what was counted is written again after so long */
	ANSWER_MOST = 64 << 10, /* octets of a place's answer, which nobody reads */
	POSTING_MOST = 16,      /* reports under way by HTTPS */
	DAY_SIZE = 16,
	ANY_PORT = 25,
};

struct settings {
	char *organization, *contact, *from, *submitter, *ca_file; /* owned; NULL: not given */
};

/* A report on its way by HTTPS. */
struct posting {
	struct list link;
	struct fetch fetch;
	struct tls_reports *of;
	struct tls_report *report;
	char *body; /* owned */
	char at[FETCH_AT_SIZE];
};

struct tls_reports {
	struct agent_thread thread;
	struct tls_given given;
	_Atomic(struct settings *) next; /* owned: to be taken */
	char *path;
	struct log *log;

	/* The thread's. */
	struct settings *settings; /* owned; NULL: none yet */
	struct fetcher *fetcher;
	struct tls_days days;
	struct list ready, postings; /* struct tls_report, OUT, by `ready`; struct posting */
	unsigned posting_count;
	unsigned looked_for;     /* places whose address a shard looks for: each is posted to next */
	struct question *parked; /* of shards that have nothing to do, while reports are on their way */
	uint64_t parked_ns;      /* since then, the first of them */
	uint64_t saved_ns;
	bool unwritten;
};

static uint64_t wall_s(void)
{
	return clock_wall_ns() / CLOCK_NS_PER_S;
}

/* ---- settings --------------------------------------------------------------------------------------------------- */

static void free_settings(struct settings *settings)
{
	if (!settings)
		return;
	free(settings->organization);
	free(settings->contact);
	free(settings->from);
	free(settings->submitter);
	free(settings->ca_file);
	free(settings);
}

static bool copy(char **out, const char *text)
{
	*out = text ? strdup(text) : NULL;
	return *out || !text;
}

bool tls_reports_follow(struct tls_reports *reports, const struct tls_reports_settings *settings)
{
	struct settings *next = calloc(1, sizeof(*next));

	if (!next || !copy(&next->organization, settings->organization) || !copy(&next->contact, settings->contact) ||
	    !copy(&next->from, settings->from) || !copy(&next->submitter, settings->submitter) ||
	    !copy(&next->ca_file, settings->ca_file)) {
		free_settings(next);
		return false;
	}
	free_settings(atomic_exchange(&reports->next, next));
	return true;
}

static void take_settings(struct tls_reports *reports)
{
	struct settings *next = atomic_exchange(&reports->next, NULL);

	if (!next)
		return;
	free_settings(reports->settings);
	reports->settings = next;
}

static bool switched_on(const struct tls_reports *reports)
{
	return reports->settings && reports->settings->organization;
}

/* ---- the file --------------------------------------------------------------------------------------------------- */

static void save(struct tls_reports *reports)
{
	char *text = tls_report_state_write(&reports->days);
	int r = text ? durable_replace(reports->path, text, strlen(text)) : -ENOMEM;

	free(text);
	if (r < 0 && !reports->unwritten)
		event_tls_reports_unwritten(reports->log, reports->path, strerror(-r));
	reports->unwritten = r < 0;
	reports->days.changed = r < 0;
	reports->saved_ns = clock_monotonic_ns();
}

static void set_aside(struct tls_reports *reports, const char *problem)
{
	char kept[PATH_MAX];

	event_tls_reports_unread(reports->log, reports->path, problem);
	(void)durable_set_aside(reports->path, kept);
}

static void load(struct tls_reports *reports)
{
	char *text;
	size_t length;
	bool opened;
	int r = text_file_read(reports->path, TLS_REPORT_STATE_MAX, &text, &length, &opened);

	if (r == -ENOENT)
		return;
	if (r < 0) {
		set_aside(reports, strerror(-r));
		return;
	}
	if (!tls_report_state_read(&reports->days, text, length))
		set_aside(reports, "it is no file of this version, or cut off");
	reports->days.changed = false;
	free(text);
}

/* ---- what was counted, and the day ------------------------------------------------------------------------------ */

void tls_reports_give(struct tls_reports *reports, struct tls_count *count)
{
	tls_given_put(&reports->given, count);
}

static void look_at_day(struct tls_reports *reports)
{
	struct tls_day_end end;
	char day[DAY_SIZE];
	struct tm tm;
	time_t at;

	if (!tls_days_at(&reports->days, wall_s(), &end))
		return;
	at = (time_t)(end.day * TLS_DAY_S);
	gmtime_r(&at, &tm);
	(void)strftime(day, sizeof(day), "%Y-%m-%d", &tm);
	event_tls_reports_due(reports->log, day, end.domains, end.lost, end.dropped);
	save(reports);
}

/* ---- one report ------------------------------------------------------------------------------------------------- */

/* A datagram socket that is connected sends nothing, but finds a route. */
static bool source_towards(const char *text, char out[TLS_REPORT_ADDRESS_SIZE])
{
	struct ring_address to = {.length = sizeof(to.v4)}, from = {.length = sizeof(from.v6)};
	const void *octets = &from.v4.sin_addr;
	bool ok;
	int fd;

	to.v4.sin_port = htons(ANY_PORT); /* the same place in both families */
	to.any.sa_family = AF_INET;
	if (inet_pton(AF_INET6, text, &to.v6.sin6_addr) == 1) {
		to.any.sa_family = AF_INET6;
		to.length = sizeof(to.v6);
		octets = &from.v6.sin6_addr;
	} else if (inet_pton(AF_INET, text, &to.v4.sin_addr) != 1) {
		return false;
	}
	fd = socket(to.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	ok = connect(fd, &to.any, to.length) == 0 && getsockname(fd, &from.any, &from.length) == 0 &&
	     inet_ntop(to.any.sa_family, octets, out, TLS_REPORT_ADDRESS_SIZE) != NULL;
	close(fd);
	return ok;
}

static struct tls_report_facts facts_of(const struct tls_reports *reports, const struct tls_report *report)
{
	const struct settings *settings = reports->settings;

	return (struct tls_report_facts){
		.organization = settings->organization,
		.contact = settings->contact,
		.from = settings->from,
		.submitter = settings->submitter,
		.start_s = report->day * TLS_DAY_S,
		.end_s = report->day * TLS_DAY_S + TLS_DAY_S - 1,
		.domain = report->domain,
		.source = source_towards,
	};
}

/* Compressed; NULL: no memory. */
static char *report_of(const struct tls_report_facts *facts, size_t *length)
{
	char *json = tls_report_json(facts), *out = json ? tls_report_gzip(json, length) : NULL;

	free(json);
	return out;
}

static void told(struct tls_reports *reports, const struct tls_report *report, const char *to, uint64_t octets)
{
	struct tls_report_facts facts = facts_of(reports, report);
	char id[TLS_REPORT_ID_SIZE];

	tls_report_id(&facts, id);
	event_tls_report(reports->log, &(struct event_tls_report){report->domain->name, to, id, octets});
}

/* To that place it did not go. */
static void failed(struct tls_reports *reports, struct tls_report *report, const char *problem)
{
	const struct tls_place *place = tls_report_place(report);

	event_tls_report_failed(reports->log, report->domain->name, place->text, problem, report->tries);
	tls_report_tried(report, false);
}

static void later(struct tls_reports *reports, struct tls_report *report, const char *problem)
{
	char domain[DNS_NAME_MAX + 1];
	unsigned tries = report->tries;

	snprintf(domain, sizeof(domain), "%.253s", report->domain->name);
	if (tls_days_again(&reports->days, report, wall_s()) == 0)
		event_tls_report_given_up(reports->log, domain, problem, tries);
}

static void finish(struct tls_reports *reports, struct tls_report *report)
{
	if (report->failed)
		later(reports, report, "");
	else
		tls_days_over(&reports->days, report);
}

/* ---- by HTTPS --------------------------------------------------------------------------------------------------- */

static void posting_free(struct posting *posting)
{
	list_remove(&posting->link);
	posting->of->posting_count--;
	fetch_wipe(&posting->fetch);
	free(posting->body);
	free(posting);
}

static void on_posted(struct fetch *fetch)
{
	struct posting *posting = container_of(fetch, struct posting, fetch);
	struct tls_reports *reports = posting->of;
	struct tls_report *report = posting->report;
	const struct tls_place *place = tls_report_place(report);
	char problem[FETCH_PROBLEM_SIZE];

	if (fetch->status / 100 == 2) {
		told(reports, report, place->text, fetch->body_length);
		tls_report_tried(report, true);
	} else {
		if (fetch->status > 0)
			snprintf(problem, sizeof(problem), "it answers %u%s", fetch->status,
				 fetch->status / 100 == 3 ? ", and no redirection is followed" : "");
		failed(reports, report, fetch->status > 0 ? problem : fetch->problem);
	}
	posting_free(posting);
	if (tls_report_place(report))
		list_append(&reports->ready, &report->ready);
	else
		finish(reports, report);
}

/* False: no memory. */
static bool post(struct tls_reports *reports, struct tls_report *report, const struct tls_reports_question *q)
{
	struct tls_report_facts facts = facts_of(reports, report);
	struct posting *posting = calloc(1, sizeof(*posting));
	size_t length = 0;

	if (!posting)
		return false;
	posting->body = report_of(&facts, &length);
	if (!posting->body) {
		free(posting);
		return false;
	}
	posting->of = reports;
	posting->report = report;
	list_init(&posting->link);
	list_append(&reports->postings, &posting->link);
	reports->posting_count++;
	fetch_at(q->name, q->port, q->addresses, q->address_count, posting->at);
	posting->fetch = (struct fetch){
		.url = tls_report_place(report)->text,
		.body = posting->body,
		.body_length = length,
		.content_type = TLS_REPORT_TYPE,
		.ca_file = reports->settings->ca_file,
		.accept = "*/*",
		.at = posting->at,
		.most = ANSWER_MOST,
		.fn = on_posted,
	};
	fetch_start(reports->fetcher, &posting->fetch);
	return true;
}

/* ---- what a shard is to do -------------------------------------------------------------------------------------- */

static void ask_for_record(struct tls_report *report, struct tls_reports_question *q)
{
	q->task = TLS_TASK_RECORD;
	q->report = report;
	snprintf(q->name, sizeof(q->name), "_smtp._tls.%.253s", report->domain->name);
}

static bool make_letter(struct tls_reports *reports, struct tls_report *report, const struct tls_place *place,
			struct tls_reports_question *q)
{
	struct tls_report_facts facts = facts_of(reports, report);
	size_t length = 0;
	char *body = report_of(&facts, &length);

	q->letter = body ? tls_report_letter(&facts, place->text, wall_s(), body, length, &q->letter_length) : NULL;
	free(body);
	if (!q->letter)
		return false;
	q->task = TLS_TASK_LETTER;
	q->report = report;
	snprintf(q->to, sizeof(q->to), "%s", place->text);
	return true;
}

/* Who is looked for has a place among those that are posted to already. */
static bool full(const struct tls_reports *reports)
{
	return reports->posting_count + reports->looked_for >= POSTING_MOST;
}

/* To the next of its places that wants it, until there is something that a shard has to do. False: it is over, or goes
 * on when there is room for it. */
static bool go_on(struct tls_reports *reports, struct tls_report *report, struct tls_reports_question *q)
{
	const struct tls_place *place;

	while ((place = tls_report_place(report)) != NULL) {
		if (!place->mail && full(reports)) {
			list_append(&reports->ready, &report->ready);
			return false;
		}
		if (!place->mail) {
			reports->looked_for++;
			q->task = TLS_TASK_ADDRESS;
			q->report = report;
			tlsrpt_host(place->text, q->name, &q->port);
			return true;
		}
		if (make_letter(reports, report, place, q))
			return true;
		failed(reports, report, "out of memory");
	}
	finish(reports, report);
	return false;
}

/* True: there is more to do for the same report. */
static bool take_record(struct tls_reports *reports, struct tls_report *report, struct tls_reports_question *q)
{
	if (q->result == 0) {
		tls_report_wanted(report, &q->places);
		return go_on(reports, report, q);
	}
	/* Nobody wants to know; most domains are like that. */
	if (q->result == -ENOENT)
		tls_days_over(&reports->days, report);
	else
		later(reports, report, q->problem);
	return false;
}

static bool take_address(struct tls_reports *reports, struct tls_report *report, struct tls_reports_question *q)
{
	reports->looked_for--;
	if (q->result == 0 && q->address_count > 0) {
		if (post(reports, report, q))
			return false;
		failed(reports, report, "out of memory");
	} else {
		failed(reports, report, q->problem[0] ? q->problem : "its host has no address");
	}
	return go_on(reports, report, q);
}

static bool take_letter(struct tls_reports *reports, struct tls_report *report, struct tls_reports_question *q)
{
	if (q->result == 0) {
		told(reports, report, q->to, q->letter_length);
		tls_report_tried(report, true);
	} else {
		failed(reports, report, q->problem);
	}
	free(q->letter);
	q->letter = NULL;
	return go_on(reports, report, q);
}

static bool take_result(struct tls_reports *reports, struct tls_reports_question *q)
{
	struct tls_report *report = q->report;
	enum tls_task task = q->task;

	q->task = TLS_TASK_NONE;
	q->report = NULL;
	switch (task) {
	case TLS_TASK_RECORD:
		return take_record(reports, report, q);
	case TLS_TASK_ADDRESS:
		return take_address(reports, report, q);
	case TLS_TASK_LETTER:
		return take_letter(reports, report, q);
	case TLS_TASK_NONE:
		break;
	}
	return false;
}

/* False: there is nothing to do now. */
static bool find_task(struct tls_reports *reports, struct tls_reports_question *q)
{
	struct tls_report *report;
	struct list *link;
	uint64_t next_s;

	while (!full(reports) && (link = list_take_first(&reports->ready)) != NULL) {
		if (go_on(reports, container_of(link, struct tls_report, ready), q))
			return true;
	}
	report = full(reports) ? NULL : tls_days_take(&reports->days, wall_s(), &next_s);
	if (report)
		ask_for_record(report, q);
	return report != NULL;
}

static void park(struct tls_reports *reports, struct tls_reports_question *q)
{
	if (!reports->parked)
		reports->parked_ns = clock_monotonic_ns();
	q->question.next = reports->parked;
	reports->parked = &q->question;
}

/* Has something come up for them? */
static void look_at_parked(struct tls_reports *reports)
{
	struct question *question = reports->parked, *next;
	bool over = reports->posting_count == 0 ||
		    clock_monotonic_ns() - reports->parked_ns > TLS_REPORTS_WAIT_S * CLOCK_NS_PER_S;

	reports->parked = NULL;
	for (; question; question = next) {
		struct tls_reports_question *q = container_of(question, struct tls_reports_question, question);
		next = question->next;
		if ((switched_on(reports) && find_task(reports, q)) || over || question_given_up(question)) {
			agent_answer(&reports->thread.agent, question, 0);
		} else {
			question->next = reports->parked;
			reports->parked = question;
		}
	}
}

static void answer(struct tls_reports *reports, struct tls_reports_question *q)
{
	/* What came of its task is not taken, and the task not to be done again: shards hear later of a reload. */
	if (!switched_on(reports) || question_given_up(&q->question))
		agent_answer(&reports->thread.agent, &q->question, -EAGAIN);
	else if (!take_result(reports, q) && !find_task(reports, q) && reports->posting_count > 0)
		park(reports, q);
	else
		agent_answer(&reports->thread.agent, &q->question, 0);
}

void tls_reports_ask(struct tls_reports *reports, struct asker *asker, struct tls_reports_question *question)
{
	question->question.asker = asker;
	agent_ask(&reports->thread.agent, asker, &question->question);
}

/* ---- the thread ------------------------------------------------------------------------------------------------- */

static void turn(struct tls_reports *reports)
{
	struct question *question, *following;
	uint64_t wait_ns, fetcher_ns;

	take_settings(reports);
	tls_given_take(&reports->given, &reports->days);
	look_at_day(reports);
	for (question = agent_take(&reports->thread.agent); question; question = following) {
		following = question->next;
		answer(reports, container_of(question, struct tls_reports_question, question));
	}
	look_at_parked(reports);
	if (reports->days.changed && clock_monotonic_ns() - reports->saved_ns > SAVE_S * CLOCK_NS_PER_S)
		save(reports);
	wait_ns = TLS_REPORTS_WAIT_S * CLOCK_NS_PER_S;
	fetcher_ns = fetcher_wait_ns(reports->fetcher, clock_monotonic_ns());
	(void)agent_thread_wait(&reports->thread, fetcher_fd(reports->fetcher),
				wait_ns < fetcher_ns ? wait_ns : fetcher_ns);
	fetcher_process(reports->fetcher);
}

static void run(struct agent_thread *thread)
{
	struct tls_reports *reports = container_of(thread, struct tls_reports, thread);

	/* A large one takes a second or two, for which nobody's mail waits. */
	load(reports);
	while (!agent_thread_stopping(thread))
		turn(reports);
	tls_given_take(&reports->given, &reports->days);
	while (!list_empty(&reports->postings)) {
		struct posting *posting = container_of(reports->postings.next, struct posting, link);
		fetch_cancel(reports->fetcher, &posting->fetch);
		posting_free(posting);
	}
	if (reports->days.changed)
		save(reports);
}

static void free_all(struct tls_reports *reports)
{
	fetcher_free(reports->fetcher);
	tls_days_deinit(&reports->days);
	free_settings(reports->settings);
	free_settings(atomic_exchange(&reports->next, NULL));
	free(reports->path);
	free(reports);
}

struct tls_reports *tls_reports_start(const char *path, struct log *log)
{
	struct tls_reports *reports = fetch_global_init() == 0 ? calloc(1, sizeof(*reports)) : NULL;

	if (!reports)
		return NULL;
	list_init(&reports->ready);
	list_init(&reports->postings);
	reports->log = log;
	reports->path = strdup(path);
	reports->fetcher = fetcher_new();
	reports->saved_ns = clock_monotonic_ns();
	if (tls_days_init(&reports->days, wall_s()) && reports->path && reports->fetcher) {
		if (agent_thread_start(&reports->thread, "tls-reports", TLS_REPORTS_QUESTIONS_MAX, run) == 0)
			return reports;
	}
	free_all(reports);
	return NULL;
}

void tls_reports_stop(struct tls_reports *reports)
{
	if (!reports)
		return;
	agent_thread_stop(&reports->thread);
	free_all(reports);
}
