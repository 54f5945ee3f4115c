/*
 * core/deliver/tls_clerk.c - see tls_clerk.h.
 */
#include "core/deliver/tls_clerk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/agents/dns_records.h"
#include "core/agents/tls_reports.h"
#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/deliverer.h"
#include "core/deliver/mx.h"
#include "core/route/route.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"
#include "core/store/submission.h"
#include "queue/envelope.h"

enum {
	HANDS = 8,        /* reports at a time for which something is asked or stored */
	HAND_OVER_S = 20, /* what was counted waits for so long at most */
	QUESTION_S = 60,
};

/* One thing at a time.
 *
 *     IDLE -- ask() --> ASKING -- a task --> the DNS, or a letter --> ask()
 *      ^                   |
 *      '-- a while --------'-- nothing to do
 */
struct hand {
	struct tls_clerk *of;
	bool busy; /* the question is out, or what it was answered is being done */
	struct tls_reports_question q;
	struct dns_records_question *record; /* owned; NULL: not out */
	struct dns_question place;           /* out */
	struct submission *letter;
	struct tlsrpt_places parsed;
	struct wheel_timer timer;
};

struct tls_clerk {
	struct shard *shard;
	struct tls_count *count; /* owned; NULL: nothing was counted */
	struct wheel_timer timer;
	struct hand *hands[HANDS]; /* owned; of the first shard */
};

static struct tls_reports *agent_of(const struct tls_clerk *clerk)
{
	return clerk->shard->deliverer->shared->tls_reports;
}

static bool switched_on(const struct tls_clerk *clerk)
{
	return clerk->shard->config->tls_reports.organization && agent_of(clerk);
}

/* ---- counting --------------------------------------------------------------------------------------------------- */

static void hand_over(struct tls_clerk *clerk)
{
	if (clerk->count)
		tls_reports_give(agent_of(clerk), clerk->count);
	clerk->count = NULL;
}

static void on_timer(struct wheel_timer *timer)
{
	hand_over(container_of(timer, struct tls_clerk, timer));
}

void tls_clerk_count(struct shard *shard, const struct tls_seen *seen)
{
	struct tls_clerk *clerk = shard->deliverer->tls_clerk;

	if (!agent_of(clerk))
		return;
	if (!clerk->count) {
		clerk->count = tls_count_new(TLS_COUNT_SHARD_OCTETS);
		wheel_arm(&shard->wheel, &clerk->timer, shard->now_ns + HAND_OVER_S * CLOCK_NS_PER_S);
	}
	if (clerk->count)
		tls_count_add(clerk->count, seen, 1);
}

/* ---- a task ----------------------------------------------------------------------------------------------------- */

static void ask(struct hand *hand);

/* It is done, well or not; `problem` for people. */
static void done(struct hand *hand, int result, const char *problem)
{
	hand->q.result = result;
	snprintf(hand->q.problem, sizeof(hand->q.problem), "%s", problem);
	ask(hand);
}

static void wait(struct hand *hand)
{
	struct shard *shard = hand->of->shard;

	hand->busy = false;
	/* The others are called when the first has found something, but for what they still have to say. */
	if (hand == hand->of->hands[0] || hand->q.task != TLS_TASK_NONE)
		wheel_arm(&shard->wheel, &hand->timer, shard->now_ns + TLS_REPORTS_WAIT_S * CLOCK_NS_PER_S);
}

/* ---- a letter --------------------------------------------------------------------------------------------------- */

static void on_answered(struct submission *m)
{
	struct hand *hand = m->context;
	int result = m->result;

	submission_free(m);
	hand->letter = NULL;
	done(hand, result, result ? "the spool does not take it" : "");
}

static void on_part_stored(struct submission *m)
{
	(void)m;
}

static const struct submission_handlers handlers = {.on_answered = on_answered, .on_part_stored = on_part_stored};

static bool compose(struct hand *hand, struct submission *m, const struct config_route *route)
{
	static const struct span none = {"", 0};
	const struct config *config = hand->of->shard->config;
	/* Whoever cannot be written to must not make us write to ourselves. */
	const struct addressee who = {.destination = (uint16_t)route->destination,
				      .notify = ENVELOPE_NOTIFY_NEVER,
				      .address = span_text(hand->q.to)};

	m->letter.wall_ns = clock_wall_ns();
	m->letter.id = message_id_next(&m->shard->store->ids, m->letter.wall_ns);
	m->letter.peer = m->letter.client = m->letter.owner = m->letter.device = none;
	m->letter.flags = ENVELOPE_TLS_FREE;
	if (!submission_envelope_start(m, span_text(config->tls_reports.from), none) ||
	    submission_add_recipient(m, &who) != SUBMISSION_ADDED)
		return false;
	m->state = SUBMISSION_CONTENT;
	return submission_append(m, hand->q.letter, hand->q.letter_length);
}

static void send_letter(struct hand *hand)
{
	struct shard *shard = hand->of->shard;
	const struct config_route *route =
		route_find(shard->config, &(struct route_question){
						  .recipient = span_text(hand->q.to),
						  .sender = span_text(shard->config->tls_reports.from),
					  });

	if (!route || route->refuse || shard->draining) {
		done(hand, -EAGAIN, route && !route->refuse ? "postrider is stopping" : "no route leads there");
		return;
	}
	hand->letter = submission_new(shard, &handlers, hand);
	if (hand->letter && compose(hand, hand->letter, route)) {
		submission_commit(hand->letter);
		return;
	}
	if (hand->letter)
		submission_abort(hand->letter);
	hand->letter = NULL;
	done(hand, -ENOMEM, "out of memory");
}

/* ---- the DNS ---------------------------------------------------------------------------------------------------- */

/* One record that is meant to be one; more are none (RFC 8460 3). */
static int take_records(struct hand *hand, const struct dns_records_question *q)
{
	struct tlsrpt_places *places = &hand->parsed;
	enum tlsrpt_record record, found = TLSRPT_OTHER;
	const uint8_t *data;
	size_t at = 0, length;

	while (dns_records_next(q, &at, &data, &length)) {
		record = tlsrpt_record_parse((const char *)data, length, places);
		if (record == TLSRPT_OTHER)
			continue;
		if (found != TLSRPT_OTHER)
			return -ENOENT;
		found = record;
		hand->q.places = *places;
	}
	return found == TLSRPT_GOOD ? 0 : -ENOENT;
}

static void on_record(struct question *question)
{
	struct dns_records_question *q =
		container_of(container_of(question, struct dns_question, question), struct dns_records_question, base);
	struct hand *hand = q->of;
	int result = question->result == 0 ? take_records(hand, q) : question->result;
	char problem[DNS_PROBLEM_SIZE];

	snprintf(problem, sizeof(problem), "%s", q->base.problem);
	hand->record = NULL;
	free(q);
	done(hand, result == -ENODATA ? -ENOENT : result, problem);
}

static void look_for_record(struct hand *hand, struct dns *dns)
{
	struct shard *shard = hand->of->shard;
	struct dns_records_question *q = calloc(1, sizeof(*q));

	if (!q) {
		done(hand, -ENOMEM, "out of memory");
		return;
	}
	hand->record = q;
	q->of = hand;
	q->kind = DNS_RECORDS_TEXT;
	q->base.name = hand->q.name;
	q->base.lenient = true;
	q->base.question.fn = on_record;
	q->base.question.deadline_ns = shard->now_ns + DNS_TIMEOUT_MS * CLOCK_NS_PER_MS;
	dns_ask_records(dns, shard->asker, q);
}

static void on_place(struct question *question)
{
	struct dns_question *q = container_of(question, struct dns_question, question);
	struct hand *hand = container_of(q, struct hand, place);
	char problem[DNS_PROBLEM_SIZE + 80];

	snprintf(problem, sizeof(problem), "%s", question->result ? q->problem : "");
	hand->q.address_count = 0;
	for (unsigned i = 0; question->result == 0 && i < q->count; i++) {
		/* Whoever names a place must not make us look into this network (REL-04). */
		const char *forbidden =
			hand->of->shard->config->dns.allow_private ? NULL : mx_forbidden(&q->addresses[i]);
		if (forbidden)
			snprintf(problem, sizeof(problem), "its address is not to be used (dns.allow_private): %s",
				 forbidden);
		else
			hand->q.addresses[hand->q.address_count++] = q->addresses[i];
	}
	done(hand, question->result, problem);
}

static void look_for_place(struct hand *hand, struct dns *dns)
{
	struct shard *shard = hand->of->shard;

	hand->place = (struct dns_question){.name = hand->q.name, .port = hand->q.port, .lenient = true, .whole = true};
	hand->place.question.fn = on_place;
	hand->place.question.deadline_ns = shard->now_ns + DNS_TIMEOUT_MS * CLOCK_NS_PER_MS;
	dns_ask(dns, shard->asker, &hand->place);
}

/* ---- what there is to do ---------------------------------------------------------------------------------------- */

static void call_another(struct tls_clerk *clerk)
{
	for (unsigned i = 0; i < HANDS; i++) {
		if (clerk->hands[i] && !clerk->hands[i]->busy) {
			ask(clerk->hands[i]);
			return;
		}
	}
}

static void on_task(struct question *question)
{
	struct hand *hand = container_of(container_of(question, struct tls_reports_question, question), struct hand, q);
	struct dns *dns = hand->of->shard->snapshot->dns;

	/* Not taken, and what came of the last task is said again later. */
	if (question->result < 0 || hand->q.task == TLS_TASK_NONE) {
		wait(hand);
		return;
	}
	call_another(hand->of);
	if (hand->q.task == TLS_TASK_LETTER)
		send_letter(hand);
	else if (!dns)
		done(hand, -EAGAIN, "there are no name servers to ask");
	else if (hand->q.task == TLS_TASK_RECORD)
		look_for_record(hand, dns);
	else
		look_for_place(hand, dns);
}

static void ask(struct hand *hand)
{
	struct shard *shard = hand->of->shard;

	/* It may have been called while it waited. */
	wheel_disarm(&shard->wheel, &hand->timer);
	hand->busy = switched_on(hand->of) && !shard->draining;
	if (!hand->busy)
		return;
	hand->q.question.fn = on_task;
	hand->q.question.deadline_ns = shard->now_ns + QUESTION_S * CLOCK_NS_PER_S;
	tls_reports_ask(agent_of(hand->of), shard->asker, &hand->q);
}

static void on_hand(struct wheel_timer *timer)
{
	ask(container_of(timer, struct hand, timer));
}

/* ---- start and end ---------------------------------------------------------------------------------------------- */

int tls_clerk_init(struct shard *shard)
{
	struct tls_clerk *clerk = calloc(1, sizeof(*clerk));

	if (!clerk)
		return -ENOMEM;
	clerk->shard = shard;
	wheel_timer_init(&clerk->timer, on_timer);
	shard->deliverer->tls_clerk = clerk;
	for (unsigned i = 0; shard->index == 0 && i < HANDS; i++) {
		struct hand *hand = calloc(1, sizeof(*hand));
		if (!hand)
			return -ENOMEM;
		hand->of = clerk;
		wheel_timer_init(&hand->timer, on_hand);
		clerk->hands[i] = hand;
	}
	return 0;
}

void tls_clerk_follow(struct shard *shard)
{
	struct tls_clerk *clerk = shard->deliverer->tls_clerk;

	for (unsigned i = 0; i < HANDS; i++) {
		struct hand *hand = clerk->hands[i];
		bool first = i == 0;
		if (hand && (first || hand->q.task != TLS_TASK_NONE) && !hand->busy && !wheel_armed(&hand->timer))
			ask(hand);
	}
}

void tls_clerk_start(struct shard *shard)
{
	tls_clerk_follow(shard);
}

void tls_clerk_drain(struct shard *shard)
{
	hand_over(shard->deliverer->tls_clerk);
}

void tls_clerk_deinit(struct shard *shard)
{
	struct tls_clerk *clerk = shard->deliverer->tls_clerk;

	if (!clerk)
		return;
	for (unsigned i = 0; i < HANDS; i++) {
		struct hand *hand = clerk->hands[i];
		if (!hand)
			continue;
		free(hand->record);
		free(hand->q.letter);
		free(hand);
	}
	tls_count_free(clerk->count);
	free(clerk);
}
