/*
 * tests/unit/test_fair.c - clients take turns, whatever the others have waiting.
 */
#include "queue/fair.h"

#include <stdlib.h>

#include "queue/lane.h"
#include "tests/unit/check.h"

enum { MANY = 50000, BULK = 7, SCAN = 9, OTHER = 11 };

static struct delivery pool[MANY + 1000];
static size_t used;

static struct delivery *add(struct fair *fair, uint16_t client)
{
	struct delivery *d = &pool[used++];

	memset(d, 0, sizeof(*d));
	list_init(&d->link);
	d->client = client;
	fair_append(fair, d);
	return d;
}

static struct delivery *take(struct fair *fair)
{
	struct delivery *d = fair_next(fair);

	if (d)
		fair_remove(fair, d);
	return d;
}

static void fill(struct fair *fair, uint16_t client, size_t count)
{
	while (count-- > 0)
		add(fair, client);
}

static void start(struct fair *fair)
{
	used = 0;
	fair_init(fair);
}

/* How many are taken until this one is. */
static unsigned turns_until(struct fair *fair, const struct delivery *d)
{
	unsigned turns = 1;

	while (take(fair) != d)
		turns++;
	return turns;
}

static void test_one_client(void)
{
	struct fair fair;

	start(&fair);
	CHECK(!fair_next(&fair));
	fill(&fair, BULK, 100);
	for (size_t i = 0; i < 100; i++)
		CHECK(take(&fair) == &pool[i]);
	CHECK(!take(&fair) && fair.count == 0);
	fair_deinit(&fair);
}

/* What somebody sends now and then waits for one message of each of the others. */
static void test_backlog(void)
{
	struct fair fair;

	start(&fair);
	fill(&fair, BULK, MANY);
	for (unsigned i = 0; i < 10; i++) {
		CHECK(turns_until(&fair, add(&fair, SCAN)) <= 2);
		(void)take(&fair);
	}
	fill(&fair, OTHER, 100);
	CHECK(turns_until(&fair, add(&fair, SCAN)) <= 3);
	fair_deinit(&fair);
}

static void test_weight(void)
{
	static const struct fair_terms terms[] = {{BULK, 1, FAIR_NORMAL}, {OTHER, 4, FAIR_NORMAL}};
	unsigned of[16] = {0};
	struct fair fair;

	start(&fair);
	fair_set_terms(&fair, terms, 2);
	fill(&fair, BULK, 500);
	fill(&fair, OTHER, 500);
	for (unsigned i = 0; i < 500; i++)
		of[take(&fair)->client]++;
	CHECK_EQ(of[OTHER], 400);
	CHECK_EQ(of[BULK], 100);
	/* By another configuration, while they wait. */
	fair_set_terms(&fair, NULL, 0);
	of[BULK] = of[OTHER] = 0;
	for (unsigned i = 0; i < 100; i++)
		of[take(&fair)->client]++;
	CHECK(of[BULK] >= 47 && of[BULK] <= 53);
	fair_deinit(&fair);
}

static void test_priority(void)
{
	static const struct fair_terms terms[] = {{BULK, 1, FAIR_LOW}, {SCAN, 1, FAIR_HIGH}};
	unsigned of[16] = {0};
	struct fair fair;

	start(&fair);
	fair_set_terms(&fair, terms, 2);
	fill(&fair, BULK, 400);
	fill(&fair, OTHER, 400);
	CHECK(turns_until(&fair, add(&fair, SCAN)) <= 2);
	fill(&fair, SCAN, 400);
	for (unsigned i = 0; i < 320; i++)
		of[take(&fair)->client]++;
	CHECK_EQ(of[SCAN], 240);
	CHECK_EQ(of[OTHER], 60);
	CHECK_EQ(of[BULK], 20);
	fair_deinit(&fair);
}

static void test_large(void)
{
	unsigned of[16] = {0};
	struct fair fair;

	start(&fair);
	fill(&fair, BULK, 500);
	fill(&fair, OTHER, 500);
	for (unsigned i = 0; i < 200; i++) {
		struct delivery *d = take(&fair);
		of[d->client]++;
		if (d->client == BULK)
			fair_charge(&fair, BULK, 9);
	}
	CHECK(of[BULK] >= 17 && of[BULK] <= 20);
	/* Whoever is alone is not kept waiting for what it owes. */
	while (of[OTHER] < 500)
		of[take(&fair)->client]++;
	fair_charge(&fair, BULK, 1000000);
	CHECK(take(&fair) && take(&fair));
	fair_charge(&fair, SCAN, 5);
	fair_deinit(&fair);
}

/* What could not be sent is the next one, its client's turn not used. */
static void test_back(void)
{
	struct delivery *a, *b, *c;
	struct fair fair;
	unsigned turns;

	start(&fair);
	fill(&fair, BULK, 10);
	fill(&fair, OTHER, 10);
	a = take(&fair);
	b = take(&fair);
	c = take(&fair);
	fair_prepend(&fair, c);
	fair_prepend(&fair, b);
	fair_prepend(&fair, a);
	CHECK(take(&fair) == a);
	CHECK(a->client == c->client && a->client != b->client);
	/* Both of its two, and whose turn it was then. */
	turns = turns_until(&fair, b);
	CHECK(turns <= 3);
	CHECK_EQ(fair.count, 20 - 1 - turns);
	fair_deinit(&fair);
}

/* Very many clients, each with one message; all come out once, and each is the head of its line before. */
static void test_many_clients(void)
{
	struct fair fair;
	size_t heads = 0;

	start(&fair);
	for (unsigned i = 0; i < 20000; i++)
		add(&fair, (uint16_t)(1 + i % 10000));
	for (size_t i = 0; i < fair_heads(&fair); i++)
		heads += fair_head(&fair, i) != NULL;
	CHECK_EQ(heads, 10000);
	for (unsigned i = 0; i < 10000; i++)
		CHECK(take(&fair) == &pool[i]);
	for (size_t i = 0; i < fair_heads(&fair); i++) {
		struct delivery *d = fair_head(&fair, i);
		if (d)
			fair_remove(&fair, d);
	}
	CHECK(fair.count == 0 && !fair_next(&fair));
	fair_deinit(&fair);
}

static void test_names(void)
{
	CHECK(fair_client("", 0) != FAIR_COMMON && fair_client("printers", 8) != fair_client("apps", 4));
	for (unsigned i = 0; i < 200000; i++)
		CHECK(fair_client(&i, sizeof(i)) != FAIR_COMMON);
}

int main(void)
{
	RUN(test_one_client);
	RUN(test_backlog);
	RUN(test_weight);
	RUN(test_priority);
	RUN(test_large);
	RUN(test_back);
	RUN(test_many_clients);
	RUN(test_names);
	return check_end();
}
