/*
 * core/control/incident_letter.c - see incident_letter.h.
 */
#include "core/control/incident_letter.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/list.h"
#include "core/base/random.h"
#include "core/config/config.h"
#include "core/control/incident_terms.h"
#include "core/control/inquiry.h"
#include "core/route/route.h"
#include "core/shard/shard.h"
#include "core/smtp/trace.h"
#include "core/store/store.h"
#include "core/store/submission.h"
#include "queue/envelope.h"

/* ---- what it says ----------------------------------------------------------------------------------------------- */

/* Without what a terminal or a mail program could be made to do. */
static void put_safe(FILE *file, const char *text)
{
	for (; *text; text++)
		fputc(*text >= ' ' && *text < 0x7f ? *text : '?', file);
}

static const char *time_text(uint64_t wall_ms, char out[40])
{
	time_t at = (time_t)(wall_ms / 1000);
	struct tm tm;

	(void)strftime(out, 40, "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&at, &tm));
	return out;
}

static void put_note(FILE *file, const struct incident_note *note)
{
	const struct incident *one = &note->incident;
	char text[40];

	fprintf(file, "%s  %s: ", note->closed_wall_ms ? "OVER" : "NEW ", incident_name(one->kind));
	put_safe(file, one->subject);
	fprintf(file, "\r\n      %s\r\n", incident_title(one->kind));
	if (one->problem[0]) {
		fputs("      what was last seen: ", file);
		put_safe(file, one->problem);
		fputs("\r\n", file);
	}
	if (!note->closed_wall_ms)
		fprintf(file, "      what to do: %s\r\n", incident_fix(one->kind));
	fprintf(file, "      since %s", time_text(one->opened_wall_ms, text));
	if (note->closed_wall_ms)
		fprintf(file, ", over since %s", time_text(note->closed_wall_ms, text));
	if (one->again > 0)
		fprintf(file, ", %" PRIu64 " more times meanwhile", one->again);
	fputs("\r\n\r\n", file);
}

static void put_subject(FILE *file, const struct incident_notes *notes)
{
	const struct incident_note *first = &notes->list[0];
	size_t opened = 0;

	for (size_t i = 0; i < notes->count; i++)
		opened += notes->list[i].closed_wall_ms == 0;
	if (notes->count == 1 && notes->more == 0) {
		fprintf(file, "%s: %s ", first->closed_wall_ms ? "over" : "incident",
			incident_name(first->incident.kind));
		put_safe(file, first->incident.subject);
	} else {
		fprintf(file, "incidents: %zu new, %zu over", opened, notes->count - opened);
	}
}

char *incident_letter_text(const struct incident_terms *terms, const char *to, const struct incident_notes *notes,
			   const size_t *open, uint64_t wall_ms, size_t *length)
{
	char *text = NULL, date[TRACE_DATE + 1] = "";
	uint64_t unique;
	FILE *file = open_memstream(&text, length);
	bool failed;

	if (!file)
		return NULL;
	random_bytes(&unique, sizeof(unique));
	trace_date(wall_ms * CLOCK_NS_PER_MS, date);
	fprintf(file, "Date: %s\r\nFrom: <%s>\r\nTo: <%s>\r\nMessage-ID: <%016" PRIx64 ".incidents@%s>\r\n", date,
		terms->from, to, unique, terms->hostname);
	fprintf(file, "Subject: [%s] ", terms->hostname);
	put_subject(file, notes);
	fputs("\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; "
	      "charset=us-ascii\r\n"
	      "\r\n",
	      file);
	for (size_t i = 0; i < notes->count; i++)
		put_note(file, &notes->list[i]);
	if (notes->more > 0)
		fprintf(file, "and %" PRIu64 " more, which are in the events.\r\n\r\n", notes->more);
	if (open)
		fprintf(file, "%zu open now: postrider incidents, on %s\r\n", *open, terms->hostname);
	else
		fprintf(file,
			"You are told as the owner of what is named above, in the list of devices of the mail relay "
			"%s.\r\n",
			terms->hostname);
	failed = ferror(file) != 0;
	if (fclose(file) != 0 || failed) {
		free(text);
		return NULL;
	}
	return text;
}

/* ---- into the spool --------------------------------------------------------------------------------------------- */

struct wish {
	char *to, *from, *text; /* owned */
	size_t length;
};

struct incident_sending {
	struct inquiry *inquiry;
};

/* On the first shard. */
struct letter_part {
	struct inquiry_part part;
	struct submission *submission;
	bool began, over;
	int result;
	char problem[INCIDENT_LETTER_PROBLEM];
	char destination[INCIDENT_LETTER_DESTINATION];
};

static void on_answered(struct submission *m)
{
	struct letter_part *part = m->context;
	struct shard *shard = m->shard;

	part->result = m->result;
	if (m->result)
		snprintf(part->problem, sizeof(part->problem), "the spool does not take it");
	submission_free(m);
	part->submission = NULL;
	part->over = true;
	visit_wake(&shard->visits, &part->part.visit);
}

static void on_part_stored(struct submission *m)
{
	(void)m;
}

static const struct submission_handlers handlers = {.on_answered = on_answered, .on_part_stored = on_part_stored};

static bool compose(struct submission *m, const struct wish *wish, const struct config_route *route)
{
	static const struct span none = {"", 0};
	const struct addressee who = {.destination = (uint16_t)route->destination,
				      .notify = ENVELOPE_NOTIFY_NEVER,
				      .address = span_text(wish->to)};

	m->letter.wall_ns = clock_wall_ns();
	m->letter.id = message_id_next(&m->shard->store->ids, m->letter.wall_ns);
	m->letter.peer = m->letter.client = m->letter.owner = m->letter.device = none;
	if (!submission_envelope_start(m, span_text(wish->from), none) ||
	    submission_add_recipient(m, &who) != SUBMISSION_ADDED)
		return false;
	m->state = SUBMISSION_CONTENT;
	return submission_append(m, wish->text, wish->length);
}

static enum visit_step fail(struct letter_part *part, int result, const char *problem)
{
	part->over = true;
	part->result = result;
	snprintf(part->problem, sizeof(part->problem), "%s", problem);
	return VISIT_DONE;
}

static enum visit_step begin(struct shard *shard, struct letter_part *part)
{
	const struct wish *wish = inquiry_question(&part->part);
	const struct config_route *route =
		route_find(shard->config,
			   &(struct route_question){.recipient = span_text(wish->to), .sender = span_text(wish->from)});

	part->began = true;
	if (!route || route->refuse)
		return fail(part, -ENOENT, "no route leads to that address");
	if (shard->draining)
		return fail(part, -EAGAIN, "postrider is stopping");
	snprintf(part->destination, sizeof(part->destination), "%s",
		 shard->config->destinations[route->destination].name);
	part->submission = submission_new(shard, &handlers, part);
	if (part->submission && compose(part->submission, wish, route)) {
		submission_commit(part->submission);
		return VISIT_WAITS;
	}
	if (part->submission)
		submission_abort(part->submission);
	part->submission = NULL;
	return fail(part, -ENOMEM, "out of memory");
}

static enum visit_step step(struct shard *shard, struct visit *visit, uint64_t until_ns)
{
	struct letter_part *part = container_of(inquiry_part_of(visit), struct letter_part, part);

	if (!part->began)
		return begin(shard, part);
	return part->over ? VISIT_DONE : VISIT_WAITS;
}

static void forget(void *question)
{
	struct wish *wish = question;

	free(wish->to);
	free(wish->from);
	free(wish->text);
	free(wish);
}

struct incident_sending *incident_letter_send(struct desk *desk, const char *to, const char *from, char *text,
					      size_t length)
{
	static const struct inquiry_kind kind = {.size = sizeof(struct letter_part), .fn = step, .forget = forget};
	struct incident_sending *sending = calloc(1, sizeof(*sending));
	struct wish *wish = calloc(1, sizeof(*wish));

	if (wish)
		*wish = (struct wish){.to = strdup(to), .from = strdup(from), .text = text, .length = length};
	else
		free(text);
	if (sending && wish && wish->to && wish->from)
		sending->inquiry = inquiry_new(desk, &kind, wish);
	if (sending && sending->inquiry) {
		inquiry_ask(sending->inquiry, 0);
		return sending;
	}
	if (wish)
		forget(wish);
	free(sending);
	return NULL;
}

int incident_letter_over(struct incident_sending *sending, int *result, char problem[INCIDENT_LETTER_PROBLEM],
			 char destination[INCIDENT_LETTER_DESTINATION])
{
	struct inquiry_part *answer;
	const struct letter_part *part;

	(void)inquiry_wait(sending->inquiry, 0);
	answer = inquiry_part(sending->inquiry, 0);
	if (!answer)
		return 0;
	part = container_of(answer, struct letter_part, part);
	*result = part->result;
	snprintf(problem, INCIDENT_LETTER_PROBLEM, "%s", part->problem);
	snprintf(destination, INCIDENT_LETTER_DESTINATION, "%s", part->destination);
	incident_letter_leave(sending);
	return 1;
}

void incident_letter_leave(struct incident_sending *sending)
{
	if (!sending)
		return;
	inquiry_end(sending->inquiry);
	free(sending);
}
