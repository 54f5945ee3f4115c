/*
 * tests/unit/test_verifier.c - core/agents/verifier.c: right and wrong passwords, a full queue, deadlines, and that
 * who is known waits for no stranger.
 */
#include "core/agents/verifier.h"

#include <errno.h>
#include <stdlib.h>

#include "core/agents/password.h"
#include "core/base/clock.h"
#include "core/base/list.h"
#include "core/base/ring.h"
#include "tests/unit/check.h"

enum { WAIT_S = 120 };

struct one {
	struct verifier_question ask;
	unsigned back, order;
};

static struct ring *ring;
static struct asker asker;
static struct verifiers *verifiers;
static char hash[PASSWORD_HASH_MAX + 1];
static unsigned backs;

static void on_back(struct question *question)
{
	struct one *one = container_of(container_of(question, struct verifier_question, question), struct one, ask);

	one->back++;
	one->order = ++backs;
}

static void ask_at(struct one *one, const char *password, uint64_t deadline_ns, bool known)
{
	one->ask = (struct verifier_question){
		.question = {.fn = on_back, .deadline_ns = deadline_ns}, .password = password, .hash = hash};
	verifier_ask(verifiers, &asker, &one->ask, known);
}

static void ask(struct one *one, const char *password, bool known)
{
	ask_at(one, password, clock_monotonic_ns() + WAIT_S * CLOCK_NS_PER_S, known);
}

static void wait_for(const struct one *one)
{
	uint64_t end_ns = clock_monotonic_ns() + WAIT_S * CLOCK_NS_PER_S;

	while (one->back == 0 && clock_monotonic_ns() < end_ns) {
		CHECK(ring_turn(ring, asker_due(&asker) ? 0 : clock_monotonic_ns() + CLOCK_NS_PER_S / 10) >= 0);
		asker_take(&asker);
	}
	CHECK_EQ(one->back, 1);
}

static void test_answers(void)
{
	struct one right = {.back = 0}, wrong = {.back = 0}, empty = {.back = 0};

	ask(&right, "correct horse", false);
	ask(&wrong, "correct hors", true);
	ask(&empty, "", false);
	wait_for(&right);
	wait_for(&wrong);
	wait_for(&empty);
	CHECK_EQ(right.ask.question.result, 0);
	CHECK_EQ(wrong.ask.question.result, -EACCES);
	CHECK_EQ(empty.ask.question.result, -EACCES);
}

static void test_deadline_and_giving_up(void)
{
	struct one late = {.back = 0}, given_up = {.back = 0}, first = {.back = 0};

	ask(&first, "x", false); /* it keeps the thread busy */
	ask_at(&late, "correct horse", clock_monotonic_ns(), false);
	ask(&given_up, "correct horse", false);
	question_give_up(&given_up.ask.question);
	wait_for(&late);
	wait_for(&given_up);
	wait_for(&first);
	CHECK_EQ(late.ask.question.result, -ETIMEDOUT);
	CHECK(given_up.ask.question.result == -ECANCELED);
}

/* Strangers as many as there is room for, and more: the rest hear so at once, and who is known is answered. */
static void test_flood(void)
{
	enum { MANY = VERIFIER_STRANGERS_MAX + 20 };
	static struct one many[MANY];
	struct one known = {.back = 0};
	unsigned waiting = 0, busy = 0, wrong = 0;

	for (unsigned i = 0; i < MANY; i++)
		ask(&many[i], "guess", false);
	ask(&known, "correct horse", true);
	wait_for(&known);
	CHECK_EQ(known.ask.question.result, 0);
	for (unsigned i = 0; i < MANY; i++)
		waiting += many[i].back == 0;
	CHECK(waiting > 0); /* he has overtaken them */
	for (unsigned i = 0; i < MANY; i++) {
		wait_for(&many[i]);
		busy += many[i].ask.question.result == -EBUSY;
		wrong += many[i].ask.question.result == -EACCES;
	}
	CHECK_EQ(busy + wrong, MANY);
	/* The answer to the last question before may still be on its way to be counted. */
	CHECK(busy == MANY - VERIFIER_STRANGERS_MAX || busy == MANY - VERIFIER_STRANGERS_MAX + 1);
}

int main(void)
{
	struct ring_config config = {.entries = 64, .completions = 128};
	struct password_desk *desk = password_desk_new();
	struct ring_problem problem;

	if (ring_open(&ring, &config, &problem) < 0) {
		fprintf(stderr, "%s\n", problem.text);
		return 1;
	}
	CHECK_EQ(password_hash(desk, "correct horse", hash), 0);
	password_desk_free(desk);
	asker_init(&asker, ring);
	verifiers = verifiers_start();
	CHECK(verifiers != NULL);
	RUN(test_answers);
	RUN(test_deadline_and_giving_up);
	RUN(test_flood);
	verifiers_stop(verifiers);
	ring_close(ring);
	return check_end();
}
