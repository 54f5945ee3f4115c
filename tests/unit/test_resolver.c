/*
 * tests/unit/test_resolver.c - names and addresses, with a system's resolver that does what a test wants.
 *
 * getaddrinfo() is the one below: what a name is called says how it is answered. The program is built with shorter
 * intervals than the relay (tests/meson.build).
 */
#include "core/agents/resolver.h"

#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "tests/unit/check.h"

enum { HOSTS = 64 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool silent = true;    /* "silent" names are not answered */
static unsigned round_number; /* but those waiting when it changes */
static _Atomic(int) inside;   /* questions not answered yet */
static _Atomic(bool) missing; /* "fickle" names do not exist */
static _Atomic(unsigned) asked;

static struct addrinfo *answer(uint8_t last, struct addrinfo *next, uint16_t port)
{
	struct addrinfo *one = calloc(1, sizeof(*one));
	struct sockaddr_in *address = calloc(1, sizeof(*address));

	*address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
	address->sin_addr.s_addr = htonl(0x0a000000u | last);
	*one = (struct addrinfo){.ai_family = AF_INET, .ai_next = next};
	one->ai_addrlen = sizeof(*address);
	one->ai_addr = (struct sockaddr *)address;
	return one;
}

int getaddrinfo(const char *name, const char *port, const struct addrinfo *hints, struct addrinfo **out)
{
	int r = 0;

	atomic_fetch_add(&inside, 1);
	atomic_fetch_add(&asked, 1);
	if (strncmp(name, "silent", 6) == 0) {
		pthread_mutex_lock(&lock);
		unsigned round = round_number;
		while (silent && round == round_number)
			pthread_cond_wait(&changed, &lock);
		pthread_mutex_unlock(&lock);
		r = EAI_AGAIN;
	} else if (strcmp(name, "missing") == 0 || (strcmp(name, "fickle") == 0 && atomic_load(&missing))) {
		r = EAI_NONAME;
	} else {
		uint16_t number = (uint16_t)atoi(port);
		*out = answer(1, strcmp(name, "two") == 0 ? answer(2, NULL, number) : NULL, number);
	}
	atomic_fetch_sub(&inside, 1);
	return r;
}

void freeaddrinfo(struct addrinfo *list)
{
	while (list) {
		struct addrinfo *next = list->ai_next;
		free(list->ai_addr);
		free(list);
		list = next;
	}
}

static void answer_all(bool yes)
{
	pthread_mutex_lock(&lock);
	silent = !yes;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

/* ---- a configuration of one destination ---------------------------------------------------------------------- */

static struct config_host hosts[HOSTS];
static struct config_destination destination = {.hosts = hosts};
static const struct config config = {.destinations = &destination, .destination_count = 1};

static const struct config_host *add(char *name)
{
	hosts[destination.host_count] = (struct config_host){.name = name, .text = name, .port = 25};
	return &hosts[destination.host_count++];
}

static bool until(bool (*done)(void))
{
	uint64_t end_ns = clock_monotonic_ns() + 5 * CLOCK_NS_PER_S;

	while (!done() && clock_monotonic_ns() < end_ns)
		usleep(1000);
	return done();
}

static uint64_t ms_since(uint64_t begun_ns)
{
	return (clock_monotonic_ns() - begun_ns) / CLOCK_NS_PER_MS;
}

static void begin(void)
{
	destination.host_count = 0;
	atomic_store(&missing, false);
	answer_all(false);
}

static bool nobody_inside(void)
{
	return atomic_load(&inside) == 0;
}

static bool all_inside(void)
{
	return atomic_load(&inside) == RESOLVER_THREADS;
}

/* Those that were left to themselves get their answer; what they use must still be there. */
static void let_go(void)
{
	answer_all(true);
	CHECK(until(nobody_inside));
	usleep(20000);
}

/* The first of its addresses. */
static bool lookup(struct resolver *r, const struct config_host *host, struct ring_address *out)
{
	struct ring_address found[RESOLVER_ADDRESSES_MAX];

	if (resolver_addresses(r, host, found) == 0)
		return false;
	*out = found[0];
	return true;
}

/* ---- tests -------------------------------------------------------------------------------------------------- */

static void test_lookup(void)
{
	struct ring_address found[RESOLVER_ADDRESSES_MAX], first, second, other = {0};
	struct resolver *r;
	const struct config_host *two, *none;
	struct config_host numeric = {.numeric = true, .address.length = 7}, unknown = {.name = "unknown"};

	begin();
	two = add("two");
	none = add("missing");
	r = resolver_start(&config, 2000);
	CHECK_EQ(resolver_addresses(r, two, found), 2);
	first = found[0];
	second = found[1];
	CHECK_EQ(ntohs(first.v4.sin_port), 25);
	CHECK_EQ(first.length, sizeof(first.v4));
	CHECK(first.v4.sin_addr.s_addr != second.v4.sin_addr.s_addr);
	CHECK_STR(resolver_problem(r, two), "");
	CHECK(!lookup(r, none, &other));
	CHECK_STR(resolver_problem(r, none), gai_strerror(EAI_NONAME));
	CHECK(!lookup(r, &unknown, &other));
	CHECK(lookup(r, &numeric, &other));
	CHECK_EQ(other.length, 7);
	CHECK(lookup(NULL, &numeric, &other));
	CHECK(!lookup(NULL, &unknown, &other));
	CHECK_STR(resolver_problem(r, &numeric), "");
	resolver_stop(r);
}

static void test_nothing_to_ask(void)
{
	struct resolver *r;

	begin();
	r = resolver_start(&config, 2000);
	CHECK(r);
	resolver_stop(r);
	resolver_stop(NULL);
}

/* The end waits for no answer, and a later answer finds what it needs. */
static void test_stop(void)
{
	static char names[10][16];
	uint64_t begun_ns = clock_monotonic_ns();
	struct resolver *r;

	begin();
	for (int i = 0; i < 10; i++) {
		snprintf(names[i], sizeof(names[i]), "silent%d", i);
		add(names[i]);
	}
	r = resolver_start(&config, 20);
	CHECK(r);
	begun_ns = clock_monotonic_ns();
	resolver_stop(r);
	CHECK(ms_since(begun_ns) < 2000);
	memset(hosts, 0, sizeof(hosts)); /* the configuration goes at once */
	memset(names, 'x', sizeof(names));
	CHECK(!nobody_inside());
	let_go();
}

/* Names that are not answered keep no other waiting: not the first question, nor later ones. */
static void test_silent_ones_delay_no_other(void)
{
	static char names[40][16];
	struct ring_address address;
	struct resolver *r;
	const struct config_host *one;
	unsigned before;
	bool found = false;

	begin();
	for (int i = 0; i < 30; i++) {
		snprintf(names[i], sizeof(names[i]), "silent%d", i);
		add(names[i]);
	}
	one = add("one");
	r = resolver_start(&config, 20);
	for (int i = 0; i < 1000 && !(found = lookup(r, one, &address)); i++)
		usleep(1000);
	CHECK(found);
	CHECK_STR(resolver_problem(r, hosts), "");
	before = atomic_load(&asked);
	for (int i = 0; i < 2000 && atomic_load(&asked) < before + 3; i++)
		usleep(1000);
	CHECK(atomic_load(&asked) >= before + 3);
	resolver_stop(r);
	let_go();
}

/* More of them than threads: the first time all threads wait, afterwards some are left for those that answer. */
static void test_slow_ones_leave_threads(void)
{
	static char names[RESOLVER_THREADS + 8][16];
	struct ring_address address;
	struct resolver *r;
	const struct config_host *one;
	unsigned before;
	bool found = false;

	begin();
	for (int i = 0; i < RESOLVER_THREADS + 8; i++) {
		snprintf(names[i], sizeof(names[i]), "silent%d", i);
		add(names[i]);
	}
	one = add("one");
	r = resolver_start(&config, 20);
	/* Twice, because what had to wait for a thread was not known to be slow the first time. */
	for (int i = 0; i < 2; i++) {
		CHECK(until(all_inside));
		usleep(2 * RESOLVER_SLOW_MS * 1000);
		pthread_mutex_lock(&lock);
		round_number++;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&lock);
	}
	for (int i = 0; i < 1000 && !(found = lookup(r, one, &address)); i++)
		usleep(1000);
	CHECK(found);
	/* If the silent ones had all threads, this would end before each name was asked for once more. */
	before = atomic_load(&asked) + (unsigned)destination.host_count + 4;
	for (int i = 0; i < 3000 && atomic_load(&asked) < before; i++)
		usleep(1000);
	CHECK(atomic_load(&asked) >= before);
	resolver_stop(r);
	let_go();
}

/* An answer that cannot be renewed stays, and one that comes late is taken. */
static void test_renewal(void)
{
	struct ring_address address;
	struct resolver *r;
	const struct config_host *fickle;
	unsigned before;
	bool found = false;

	begin();
	fickle = add("fickle");
	r = resolver_start(&config, 2000);
	CHECK(lookup(r, fickle, &address));
	atomic_store(&missing, true);
	before = atomic_load(&asked);
	for (int i = 0; i < 2000 && atomic_load(&asked) < before + 3; i++)
		usleep(1000);
	CHECK(lookup(r, fickle, &address));
	CHECK_STR(resolver_problem(r, fickle), gai_strerror(EAI_NONAME));
	resolver_stop(r);

	r = resolver_start(&config, 2000);
	CHECK(!lookup(r, fickle, &address));
	atomic_store(&missing, false);
	for (int i = 0; i < 2000 && !(found = lookup(r, fickle, &address)); i++)
		usleep(1000);
	CHECK(found);
	resolver_stop(r);
}

int main(void)
{
	RUN(test_lookup);
	RUN(test_nothing_to_ask);
	RUN(test_stop);
	RUN(test_silent_ones_delay_no_other);
	RUN(test_slow_ones_leave_threads);
	RUN(test_renewal);
	return check_end();
}
