/*
 * tests/unit/test_stack.c - core/base/stack.h: what several threads give comes to one, each once and in order.
 */
#include "core/base/stack.h"

#include <pthread.h>
#include <sched.h>

#include "core/base/list.h"
#include "tests/unit/check.h"

enum { GIVERS = 4, EACH = 20000 };

struct item {
	struct stack_link link;
	unsigned giver, number;
};

static struct item items[GIVERS][EACH];
static struct stack common;
static unsigned met[GIVERS], out_of_order;
static _Atomic(unsigned) wakings;

static void test_order(void)
{
	struct stack stack;
	struct item one = {.number = 1}, two = {.number = 2}, three = {.number = 3};
	const struct stack_link *link;

	stack_init(&stack);
	CHECK(stack_empty(&stack));
	CHECK(stack_take(&stack) == NULL && stack_take_in_order(&stack) == NULL);
	/* Only who came first has to wake anybody. */
	CHECK(stack_push(&stack, &one.link));
	CHECK(!stack_push(&stack, &two.link) && !stack_push(&stack, &three.link));
	CHECK(!stack_empty(&stack));
	link = stack_take(&stack);
	CHECK(link == &three.link && link->next == &two.link && link->next->next == &one.link);
	CHECK(link->next->next->next == NULL && stack_empty(&stack));
	CHECK(stack_push(&stack, &one.link) && !stack_push(&stack, &two.link) && !stack_push(&stack, &three.link));
	link = stack_take_in_order(&stack);
	CHECK(link == &one.link && link->next == &two.link && link->next->next == &three.link);
	CHECK(link->next->next->next == NULL && stack_empty(&stack));
}

static void *give(void *context)
{
	struct item *mine = context;

	for (unsigned i = 0; i < EACH; i++) {
		if (stack_push(&common, &mine[i].link))
			atomic_fetch_add(&wakings, 1);
	}
	return NULL;
}

static unsigned take(void)
{
	unsigned n = 0;

	for (const struct stack_link *link = stack_take_in_order(&common); link; link = link->next, n++) {
		const struct item *item = container_of(link, struct item, link);
		out_of_order += item->number != met[item->giver]++;
	}
	return n;
}

static void test_threads(void)
{
	pthread_t threads[GIVERS];
	unsigned all = 0, takes = 0;

	for (unsigned g = 0; g < GIVERS; g++) {
		for (unsigned i = 0; i < EACH; i++)
			items[g][i] = (struct item){.giver = g, .number = i};
	}
	for (unsigned g = 0; g < GIVERS; g++)
		CHECK(pthread_create(&threads[g], NULL, give, items[g]) == 0);
	while (all < GIVERS * EACH) {
		unsigned n = take();
		takes += n > 0;
		all += n;
		if (n == 0)
			(void)sched_yield();
	}
	for (unsigned g = 0; g < GIVERS; g++)
		CHECK(pthread_join(threads[g], NULL) == 0);
	CHECK_EQ(out_of_order, 0);
	/* Each that was taken had a first one, who was told so. */
	CHECK_EQ(atomic_load(&wakings), takes);
	CHECK(stack_empty(&common));
}

int main(void)
{
	RUN(test_order);
	RUN(test_threads);
	return check_end();
}
