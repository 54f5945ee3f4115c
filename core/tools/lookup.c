/*
 * core/tools/lookup.c - see lookup.h.
 */
#include "core/tools/lookup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/agents/dns_exchangers.h"
#include "core/agents/dns_records.h"
#include "core/agents/sts.h"
#include "core/base/clock.h"

struct lookup {
	struct dns *dns;
	struct ring *ring;
	struct asker asker;
};

static void on_bell(void *context)
{
}

static void on_answer(struct question *question)
{
}

struct lookup *lookup_open(const struct dns_settings *settings, struct ring_problem *problem)
{
	struct ring_config config = {.entries = 8, .completions = 64};
	struct lookup *lookup = calloc(1, sizeof(*lookup));

	snprintf(problem->text, sizeof(problem->text), "out of memory");
	if (!lookup || ring_open(&lookup->ring, &config, problem) < 0) {
		free(lookup);
		return NULL;
	}
	ring_on_doorbell(lookup->ring, on_bell, lookup);
	asker_init(&lookup->asker, lookup->ring);
	lookup->dns = dns_start(settings);
	if (lookup->dns)
		return lookup;
	snprintf(problem->text, sizeof(problem->text), "no thread that asks for names can be started: %s",
		 strerror(errno));
	ring_close(lookup->ring);
	free(lookup);
	return NULL;
}

void lookup_close(struct lookup *lookup)
{
	if (!lookup)
		return;
	dns_stop(lookup->dns);
	ring_close(lookup->ring);
	free(lookup);
}

static void prepare(struct dns_question *question)
{
	question->question.fn = on_answer;
	question->question.deadline_ns = clock_monotonic_ns() + DNS_TIMEOUT_MS * CLOCK_NS_PER_MS;
}

static int await(struct lookup *lookup, struct question *question)
{
	/* The agent answers by the deadline, whatever the servers do. */
	while (question_out(question)) {
		if (ring_turn(lookup->ring, asker_due(&lookup->asker) ? 0 : UINT64_MAX) < 0)
			return -EIO;
		asker_take(&lookup->asker);
	}
	return question->result;
}

int lookup_name(struct lookup *lookup, struct dns_question *question)
{
	prepare(question);
	dns_ask(lookup->dns, &lookup->asker, question);
	return await(lookup, &question->question);
}

int lookup_exchangers(struct lookup *lookup, struct dns_exchangers_question *question)
{
	prepare(&question->base);
	dns_ask_exchangers(lookup->dns, &lookup->asker, question);
	return await(lookup, &question->base.question);
}

int lookup_records(struct lookup *lookup, struct dns_records_question *question)
{
	prepare(&question->base);
	dns_ask_records(lookup->dns, &lookup->asker, question);
	return await(lookup, &question->base.question);
}

int lookup_policy(struct lookup *lookup, struct sts *sts, struct sts_question *question)
{
	question->question.fn = on_answer;
	question->question.deadline_ns = clock_monotonic_ns() + STS_TIMEOUT_MS * CLOCK_NS_PER_MS;
	sts_ask(sts, &lookup->asker, question);
	return await(lookup, &question->question);
}
