/*
 * tests/unit/test_agent.c - core/agents/agent.c, agent_bell.c and agent_thread.c: questions come back exactly once, to
 * who asked.
 *
 * The agent here answers what it is asked for in order, or holds everything back until it is told to go on. Askers are
 * threads with rings of the kernel's.
 */
#include "core/agents/agent_thread.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/list.h"
#include "core/base/ring.h"
#include "tests/unit/check.h"

enum { ASKERS = 4, QUESTIONS = 3000, MOST = 64, WAIT_S = 20 };

struct sum {
	struct question question;
	unsigned a, b, sum, back;
	int result;
	bool given_up;
};

static struct agent_thread agent;
static _Atomic(bool) hold;
static _Atomic(unsigned) seen_given_up;

/* ---- the agent ---------------------------------------------------------------------------------------------- */

static void run(struct agent_thread *thread)
{
	struct question *held = NULL, **end = &held, *question;

	while (!agent_thread_stopping(thread)) {
		*end = agent_take(&thread->agent);
		while (*end)
			end = &(*end)->next;
		while (!atomic_load(&hold) && (question = held) != NULL) {
			struct sum *s = container_of(question, struct sum, question);
			held = question->next;
			s->sum = s->a + s->b;
			if (question_given_up(question))
				atomic_fetch_add(&seen_given_up, 1);
			agent_answer(&thread->agent, question, 0);
		}
		if (!held)
			end = &held;
		(void)agent_thread_wait(thread, -1, held ? CLOCK_NS_PER_MS : CLOCK_NS_PER_S);
	}
}

static void start(void)
{
	atomic_store(&hold, false);
	CHECK_EQ(agent_thread_start(&agent, "sums", MOST, run), 0);
}

/* ---- who asks ----------------------------------------------------------------------------------------------- */

struct worker {
	pthread_t thread;
	struct ring *ring;
	struct asker asker;
	unsigned turns, answers, busy, wrong;
};

static void on_answer(struct question *question)
{
	struct sum *s = container_of(question, struct sum, question);

	s->back++;
	s->result = question->result;
}

static void on_doorbell(void *context)
{
}

static void open_worker(struct worker *w)
{
	struct ring_config config = {.entries = 8, .completions = 64};
	struct ring_problem problem;

	CHECK_EQ(ring_open(&w->ring, &config, &problem), 0);
	ring_on_doorbell(w->ring, on_doorbell, w);
	asker_init(&w->asker, w->ring);
}

static bool turn(struct worker *w, uint64_t end_ns)
{
	(void)ring_turn(w->ring, asker_due(&w->asker) ? 0 : end_ns);
	asker_take(&w->asker);
	w->turns++;
	return clock_monotonic_ns() < end_ns;
}

static void ask(struct worker *w, struct sum *s, unsigned number)
{
	*s = (struct sum){.a = number, .b = 2 * number};
	s->question.fn = on_answer;
	s->question.deadline_ns = UINT64_MAX;
	agent_ask(&agent.agent, &w->asker, &s->question);
	if (question_out(&s->question) && s->back > 0)
		w->wrong++; /* never from inside */
}

/* All its questions, so many at a time that they do not always fit; sleeps without a limit worth mentioning, so that a
 * bell that is not rung shows. */
static void *work(void *context)
{
	struct worker *w = context;
	uint64_t end_ns = clock_monotonic_ns() + WAIT_S * CLOCK_NS_PER_S;
	struct sum *sums = calloc(QUESTIONS, sizeof(*sums));
	unsigned done = 0;

	open_worker(w);
	while (done < QUESTIONS) {
		unsigned batch = 1 + done % 40, i;
		batch = batch < QUESTIONS - done ? batch : QUESTIONS - done;
		for (i = 0; i < batch; i++)
			ask(w, &sums[done + i], done + i);
		while (w->asker.out > 0 && turn(w, end_ns))
			;
		for (i = done; i < done + batch; i++) {
			const struct sum *s = &sums[i];
			w->answers += s->result == 0;
			w->busy += s->result == -EBUSY;
			w->wrong += s->back != 1 || (s->result == 0 && s->sum != 3 * i) || question_out(&s->question);
		}
		done += batch;
	}
	free(sums);
	return NULL;
}

/* ---- tests -------------------------------------------------------------------------------------------------- */

static void test_exactly_once(void)
{
	struct worker workers[ASKERS] = {0};
	unsigned answers = 0, busy = 0;

	start();
	for (unsigned i = 0; i < ASKERS; i++)
		CHECK_EQ(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	for (unsigned i = 0; i < ASKERS; i++) {
		pthread_join(workers[i].thread, NULL);
		CHECK_EQ(workers[i].wrong, 0);
		answers += workers[i].answers;
		busy += workers[i].busy;
	}
	agent_thread_stop(&agent);
	/* Not before: the bell for the last answer may be rung when the answer has been taken. */
	for (unsigned i = 0; i < ASKERS; i++)
		ring_close(workers[i].ring);
	CHECK_EQ(answers + busy, ASKERS * QUESTIONS);
	CHECK(answers >= MOST);
	CHECK_EQ(atomic_load(&agent.agent.out), 0);
}

/* More than it takes: those that do not fit are answered at once, the others stay. */
static void test_bound(void)
{
	static struct sum sums[MOST + 10];
	uint64_t end_ns = clock_monotonic_ns() + WAIT_S * CLOCK_NS_PER_S;
	struct worker w = {0};
	unsigned busy = 0;

	start();
	open_worker(&w);
	atomic_store(&hold, true);
	for (unsigned i = 0; i < MOST + 10; i++)
		ask(&w, &sums[i], i);
	CHECK_EQ(w.wrong, 0);
	CHECK(asker_due(&w.asker));
	asker_take(&w.asker);
	for (unsigned i = 0; i < MOST + 10; i++)
		busy += sums[i].back == 1 && sums[i].result == -EBUSY;
	CHECK_EQ(busy, 10);
	CHECK_EQ(w.asker.out, MOST);
	atomic_store(&hold, false);
	while (w.asker.out > 0 && turn(&w, end_ns))
		;
	CHECK_EQ(w.asker.out, 0);
	/* There is room again. */
	ask(&w, &sums[0], 5);
	while (w.asker.out > 0 && turn(&w, end_ns))
		;
	CHECK_EQ(sums[0].sum, 15);
	agent_thread_stop(&agent);
	ring_close(w.ring);
}

/* What was given up comes back once, too, and the agent could know. */
static void test_given_up(void)
{
	uint64_t end_ns = clock_monotonic_ns() + WAIT_S * CLOCK_NS_PER_S;
	struct worker w = {0};
	struct sum one, other;

	start();
	open_worker(&w);
	atomic_store(&seen_given_up, 0);
	atomic_store(&hold, true);
	ask(&w, &one, 1);
	ask(&w, &other, 2);
	question_give_up(&one.question);
	CHECK(question_out(&one.question));
	CHECK_EQ(one.back, 0);
	atomic_store(&hold, false);
	while (w.asker.out > 0 && turn(&w, end_ns))
		;
	CHECK_EQ(one.back, 1);
	CHECK_EQ(other.back, 1);
	CHECK(!question_out(&one.question));
	CHECK_EQ(atomic_load(&seen_given_up), 1);
	agent_thread_stop(&agent);
	ring_close(w.ring);
}

/* The end waits for no answer. */
static void test_stop(void)
{
	struct worker w = {0};
	struct sum one;

	start();
	open_worker(&w);
	atomic_store(&hold, true);
	ask(&w, &one, 1);
	agent_thread_stop(&agent);
	CHECK_EQ(one.back, 0);
	CHECK(question_out(&one.question));
	ring_close(w.ring);
}

int main(void)
{
	RUN(test_exactly_once);
	RUN(test_bound);
	RUN(test_given_up);
	RUN(test_stop);
	return check_end();
}
