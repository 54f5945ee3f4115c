/*
 * tests/unit/test_tls_reports.c - core/agents/tls_reports.c: what is switched off hands no task out a second time.
 */
#include "core/agents/tls_reports.h"

#include <errno.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/ring.h"
#include "tests/unit/check.h"

enum { WAIT_S = 20 };

static void on_answer(struct question *question)
{
	(void)question;
}

static void on_doorbell(void *context)
{
	(void)context;
}

/* A reload reaches the agent before it reaches the shards: a letter that is stored meanwhile is not stored again. */
static void test_switched_off(void)
{
	static struct tls_reports_question q;
	struct ring_config config = {.entries = 8, .completions = 64};
	uint64_t end_ns = clock_monotonic_ns() + WAIT_S * CLOCK_NS_PER_S;
	struct log *log = log_new(-1, 1 << 16);
	struct tls_reports *reports = tls_reports_start("/nonexistent/tls-reports", log);
	struct ring_problem problem;
	struct asker asker;
	struct ring *ring;

	CHECK(reports != NULL);
	CHECK_EQ(ring_open(&ring, &config, &problem), 0);
	ring_on_doorbell(ring, on_doorbell, NULL);
	asker_init(&asker, ring);
	q.question.fn = on_answer;
	q.question.deadline_ns = UINT64_MAX;
	q.task = TLS_TASK_LETTER;
	tls_reports_ask(reports, &asker, &q);
	while (asker.out > 0 && clock_monotonic_ns() < end_ns) {
		(void)ring_turn(ring, asker_due(&asker) ? 0 : end_ns);
		asker_take(&asker);
	}
	CHECK_EQ(asker.out, 0);
	CHECK_EQ(q.question.result, -EAGAIN);
	CHECK_EQ(q.task, TLS_TASK_LETTER);
	tls_reports_stop(reports);
	ring_close(ring);
	log_free(log);
}

int main(void)
{
	RUN(test_switched_off);
	return check_end();
}
