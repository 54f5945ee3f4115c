/*
 * tests/unit/test_sts.c - core/agents/sts.c with time passing: policies are fetched again long before they end, stay in
 * force as long as they say while their host is gone, and no longer (RFC 8461 3.3, 5.1; RELIABILITY STS-01).
 *
 * The agent runs on its own thread, by a clock that stands still until the test moves it; it sleeps when it has nothing
 * to do, and then the test goes on: one of the two runs at a time. The policy's host is what the test says it is.
 */
#include "core/agents/sts.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/agents/agent_thread.h"
#include "core/agents/fetch.h"
#include "core/agents/sts_shelf.h"
#include "core/base/clock.h"
#include "tests/unit/check.h"

enum { MINUTE_S = 60, HOUR_S = 3600, DAY_S = 24 * HOUR_S, WEEK_S = 7 * DAY_S };

/* ---- time, sleep and the policy's host -------------------------------------------------------------------------- */

static uint64_t now_s = 1000000;
static sem_t slept, go;
static enum { GOOD, DOWN, SILENT } host;
static unsigned fetches, age_s;
static struct fetch *under_way[16];
static unsigned under_way_count;

uint64_t clock_monotonic_ns(void)
{
	return now_s * CLOCK_NS_PER_S;
}

uint64_t clock_wall_ns(void)
{
	return now_s * CLOCK_NS_PER_S;
}

uint64_t clock_thread_ns(void)
{
	return 0;
}

void agent_bell(struct agent *agent)
{
}

void agent_asker_bell(struct agent *agent, struct asker *asker)
{
}

static void *run(void *context)
{
	struct agent_thread *thread = context;

	thread->run(thread);
	return NULL;
}

static void wait_on(sem_t *sem)
{
	while (sem_wait(sem) < 0)
		;
}

int agent_thread_start(struct agent_thread *thread, const char *name, unsigned most,
		       void (*fn)(struct agent_thread *thread))
{
	agent_init(&thread->agent, most);
	atomic_init(&thread->stopping, false);
	thread->run = fn;
	sem_init(&slept, 0, 0);
	sem_init(&go, 0, 0);
	CHECK_EQ(pthread_create(&thread->thread, NULL, run, thread), 0);
	wait_on(&slept);
	return 0;
}

void agent_thread_stop(struct agent_thread *thread)
{
	atomic_store(&thread->stopping, true);
	sem_post(&go);
	CHECK_EQ(pthread_join(thread->thread, NULL), 0);
}

bool agent_thread_wait(struct agent_thread *thread, int fd, uint64_t wait_ns)
{
	sem_post(&slept);
	wait_on(&go);
	return true;
}

/* The agent goes through one turn: what was asked by now, and what is due. */
static void turn(void)
{
	sem_post(&go);
	wait_on(&slept);
}

int fetch_global_init(void)
{
	return 0;
}

struct fetcher *fetcher_new(void)
{
	return (struct fetcher *)&fetches;
}

void fetcher_free(struct fetcher *fetcher)
{
}

int fetcher_fd(const struct fetcher *fetcher)
{
	return -1;
}

uint64_t fetcher_wait_ns(const struct fetcher *fetcher, uint64_t from_ns)
{
	return UINT64_MAX;
}

static void come_to_an_end(struct fetch *fetch)
{
	fetch->handle = NULL;
	if (host == GOOD) {
		fetch->status = 200;
		snprintf(fetch->type, sizeof(fetch->type), "text/plain");
		fetch->text = malloc(200);
		fetch->length = (size_t)snprintf(
			fetch->text, 200, "version: STSv1\nmode: enforce\nmx: mx.a.example\nmax_age: %u\n", age_s);
	} else {
		snprintf(fetch->problem, sizeof(fetch->problem), "nobody answers");
	}
	fetch->fn(fetch);
}

void fetcher_process(struct fetcher *fetcher)
{
	while (under_way_count > 0 && host != SILENT)
		come_to_an_end(under_way[--under_way_count]);
}

void fetch_at(const char *name, uint16_t port, const struct ring_address *addresses, unsigned count,
	      char out[FETCH_AT_SIZE])
{
	snprintf(out, FETCH_AT_SIZE, "somewhere");
}

void fetch_start(struct fetcher *fetcher, struct fetch *fetch)
{
	fetches++;
	fetch->handle = fetch;
	under_way[under_way_count++] = fetch;
}

void fetch_cancel(struct fetcher *fetcher, struct fetch *fetch)
{
	unsigned i = 0;

	while (under_way[i] != fetch)
		i++;
	under_way[i] = under_way[--under_way_count];
	fetch->handle = NULL;
}

void fetch_wipe(struct fetch *fetch)
{
	free(fetch->text);
	fetch->text = NULL;
}

/* ---- who asks --------------------------------------------------------------------------------------------------- */

static char directory[] = "/tmp/postrider-sts-XXXXXX", shelf[64];
static struct sts *sts;
static struct asker asker;
static struct sts_question question;
static bool back;

static void on_back(struct question *q)
{
	back = true;
}

static void begin(void)
{
	sts = sts_start(shelf);
	CHECK(sts != NULL);
	asker_init(&asker, NULL);
}

static void end(void)
{
	sts_stop(sts);
	sts = NULL;
}

/* The result. `id`: NULL, there is no record. */
static int ask_for(const char *domain, const char *id)
{
	question = (struct sts_question){.domain = domain, .recorded = id != NULL, .address_count = 1};
	question.question.fn = on_back;
	question.question.deadline_ns = clock_monotonic_ns() + STS_TIMEOUT_MS * CLOCK_NS_PER_MS;
	snprintf(question.id, sizeof(question.id), "%s", id ? id : "");
	back = false;
	sts_ask(sts, &asker, &question);
	for (unsigned turns = 0; !back && turns < 4; turns++) {
		turn();
		asker_take(&asker);
	}
	CHECK(back);
	if (question.question.result == 0)
		sts_policy_release(question.policy); /* the agent has it, too */
	return question.question.result;
}

static int ask(const char *id)
{
	return ask_for("a.example", id);
}

/* So long passes, and the agent looks each minute; what it fetches comes back at its next turn. */
static void pass(unsigned seconds)
{
	for (unsigned s = 0; s < seconds; s += MINUTE_S) {
		now_s += MINUTE_S;
		turn();
		turn();
	}
}

static bool on_disk(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", shelf, name);
	return access(path, F_OK) == 0;
}

static void fresh(unsigned age)
{
	sts_shelf_drop(shelf, "a.example");
	host = GOOD;
	age_s = age;
	fetches = 0;
	begin();
	CHECK_EQ(ask("1"), 0);
	CHECK_EQ(fetches, 1);
}

/* ---- cases ------------------------------------------------------------------------------------------------------ */

/* After half its age or a day, whichever is sooner; nobody waits for it, and its age begins anew. */
static void test_refresh_ahead(void)
{
	static const struct {
		unsigned age, after;
	} table[] = {{WEEK_S, DAY_S}, {HOUR_S, HOUR_S / 2}, {DAY_S, DAY_S / 2}, {31557600, DAY_S}};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		fresh(table[i].age);
		pass(table[i].after - 5 * MINUTE_S);
		CHECK_EQ(fetches, 1);
		pass(6 * MINUTE_S);
		CHECK_EQ(fetches, 2);
		CHECK_EQ(ask("1"), 0);
		CHECK(question.policy->end_s > now_s + table[i].age - 2 * MINUTE_S);
		CHECK_EQ(fetches, 2);
		end();
	}
}

/* A host that is gone is asked each five minutes and not more often; its policy holds to its last second, no longer. */
static void test_ends_while_the_host_is_gone(void)
{
	uint64_t end_s;

	fresh(2 * DAY_S);
	end_s = now_s + 2 * DAY_S;
	host = DOWN;
	pass(DAY_S + HOUR_S);
	CHECK(fetches >= 1 + 10 && fetches <= 1 + 13);
	CHECK_EQ(ask("1"), 0);
	CHECK_EQ(question.policy->end_s, end_s);
	CHECK_STR(question.problem, "nobody answers");
	/* Nor does a record that says another one, or none any more, end it. */
	CHECK_EQ(ask("2"), 0);
	CHECK_EQ(ask(NULL), 0);
	pass((unsigned)(end_s - now_s) - MINUTE_S);
	now_s = end_s - 1;
	CHECK_EQ(ask("1"), 0);
	CHECK(question.valid_ns <= CLOCK_NS_PER_S);
	CHECK(on_disk("a.example"));
	now_s = end_s;
	CHECK_EQ(ask("1"), -ENOENT);
	CHECK(!on_disk("a.example"));
	CHECK_STR(question.problem, "nobody answers");
	/* It comes back: it is asked again, and its policy is in force. */
	host = GOOD;
	pass(6 * MINUTE_S);
	CHECK_EQ(ask("1"), 0);
	CHECK(on_disk("a.example"));
	end();
}

/* The same where it takes connections and says nothing: who asks is answered at his deadline with what there is. */
static void test_ends_while_the_host_is_silent(void)
{
	uint64_t end_s;

	fresh(HOUR_S);
	end_s = now_s + HOUR_S;
	host = SILENT;
	pass(HOUR_S / 2 + 2 * MINUTE_S);
	CHECK_EQ(fetches, 2);
	CHECK_EQ(ask("1"), 0);
	now_s = end_s;
	question = (struct sts_question){.domain = "a.example", .recorded = true, .id = "1", .address_count = 1};
	question.question.fn = on_back;
	question.question.deadline_ns = clock_monotonic_ns() + CLOCK_NS_PER_S;
	back = false;
	sts_ask(sts, &asker, &question);
	turn();
	asker_take(&asker);
	CHECK(!back);
	now_s++;
	turn();
	asker_take(&asker);
	CHECK(back);
	CHECK_EQ(question.question.result, -ETIMEDOUT);
	end();
}

/* A restart makes a policy no younger: it ends when it would have. */
static void test_ends_over_a_restart(void)
{
	uint64_t end_s;

	fresh(WEEK_S);
	end_s = now_s + WEEK_S;
	end();
	host = DOWN;
	now_s = end_s - 10;
	begin();
	CHECK_EQ(ask(NULL), 0);
	CHECK_EQ(question.policy->end_s, end_s);
	now_s = end_s;
	CHECK_EQ(ask(NULL), -ENOENT);
	end();
}

/* What nobody asks about is neither fetched again nor kept for ever, in memory or on disk. */
static void test_nobody_asks(void)
{
	unsigned before;

	fresh(31557600);
	pass(WEEK_S + HOUR_S);
	before = fetches;
	CHECK(before >= 7 && before <= 9);
	pass(2 * DAY_S);
	CHECK_EQ(fetches, before);
	CHECK(on_disk("a.example"));
	now_s += 31557600;
	pass(DAY_S + HOUR_S);
	CHECK(!on_disk("a.example"));
	CHECK_EQ(fetches, before);
	end();
}

enum { LEFT = 150 };

/* As sts_shelf_put() does, without waiting for the disk each time. */
static void leave(const char *name, uint64_t fetched_s)
{
	char path[128], head[STS_SHELF_HEAD_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", shelf, name);
	sts_shelf_head("1", fetched_s, head);
	file = fopen(path, "w");
	CHECK(file && fprintf(file, "%sversion: STSv1\nmode: none\nmax_age: 60\n", head) > 0 && fclose(file) == 0);
}

static unsigned left(void)
{
	char name[32];
	unsigned n = 0;

	for (unsigned i = 0; i < LEFT; i++) {
		snprintf(name, sizeof(name), "n%u.example", i);
		n += on_disk(name);
	}
	return n;
}

/* Left by a process before this one, by more domains than are looked at at once. */
static void test_swept(void)
{
	char name[32];

	for (unsigned i = 0; i < LEFT; i++) {
		snprintf(name, sizeof(name), "n%u.example", i);
		leave(name, now_s - 61);
	}
	begin();
	CHECK_EQ(left(), LEFT);
	pass(MINUTE_S);
	CHECK(left() >= LEFT - 64 && left() < LEFT);
	pass(3 * MINUTE_S);
	CHECK_EQ(left(), 0);
	/* The next round is a day later. */
	leave("n0.example", now_s - 61);
	pass(DAY_S - HOUR_S);
	CHECK_EQ(left(), 1);
	pass(2 * HOUR_S);
	CHECK_EQ(left(), 0);
	end();
}

static unsigned files(const char *kind)
{
	char name[32];
	unsigned n = 0;

	for (unsigned i = 0; i < LEFT; i++) {
		snprintf(name, sizeof(name), "%s%u.example", kind, i);
		n += on_disk(name);
	}
	return n;
}

static void ask_for_all(const char *kind, unsigned count)
{
	char name[32];

	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%s%u.example", kind, i);
		CHECK_EQ(ask_for(name, "1"), 0);
	}
}

/* More domains than are kept: each one's policy is in force for who asks, but there are no more files, and no more of
 * them are fetched again by themselves; and those that were there first stay. */
static void test_many(void)
{
	enum { ENTRIES = 4, FILES = 6 };
	const struct sts_bounds bounds = {ENTRIES, FILES};
	char name[32];

	host = GOOD;
	age_s = 31557600;
	fetches = 0;
	sts = sts_start_within(shelf, bounds);
	CHECK(sts != NULL);
	asker_init(&asker, NULL);
	ask_for_all("m", 100);
	CHECK_EQ(fetches, 100);
	CHECK_EQ(files("m"), FILES);
	CHECK(on_disk("m0.example"));
	fetches = 0;
	pass(DAY_S + HOUR_S);
	CHECK_EQ(fetches, ENTRIES);
	/* One of those that have a file only is old as well; it is fetched again when somebody asks. */
	fetches = 0;
	CHECK_EQ(ask_for("m5.example", "1"), 0);
	pass(MINUTE_S);
	CHECK_EQ(fetches, 1);
	/* Its host is gone, and so is its record: it is in force, like that of any other that is kept. */
	host = DOWN;
	for (unsigned i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "m%u.example", i);
		CHECK_EQ(ask_for(name, NULL), 0);
	}
	CHECK_EQ(ask_for("m50.example", NULL), -ENOENT);
	/* Over a restart the files are counted. */
	sts_stop(sts);
	host = GOOD;
	sts = sts_start_within(shelf, bounds);
	ask_for_all("k", 3);
	CHECK_EQ(files("k"), 0);
	CHECK_EQ(files("m"), FILES);
	end();
}

/* Nobody has asked for a week for what has all the room: it makes place. */
static void test_room_again(void)
{
	const struct sts_bounds bounds = {4, 6};

	sts = sts_start_within(shelf, bounds);
	asker_init(&asker, NULL);
	CHECK_EQ(files("m"), 6);
	CHECK_EQ(ask_for("m0.example", "1"), 0);
	pass(WEEK_S - DAY_S);
	CHECK_EQ(ask_for("m0.example", "1"), 0);
	pass(3 * DAY_S);
	CHECK(files("m") < 6);
	/* As far as somebody needs it. */
	ask_for_all("k", 10);
	pass(2 * DAY_S);
	CHECK_EQ(ask_for("m0.example", "1"), 0);
	ask_for_all("k", 10);
	CHECK_EQ(files("k"), 5);
	CHECK_EQ(files("m"), 1);
	CHECK(on_disk("m0.example"));
	end();
	for (unsigned i = 0; i < 10; i++) {
		char name[32];
		snprintf(name, sizeof(name), "k%u.example", i);
		sts_shelf_drop(shelf, name);
	}
	sts_shelf_drop(shelf, "m0.example");
}

int main(void)
{
	if (!mkdtemp(directory))
		return 1;
	snprintf(shelf, sizeof(shelf), "%s/mta-sts", directory);
	RUN(test_refresh_ahead);
	RUN(test_ends_while_the_host_is_gone);
	RUN(test_ends_while_the_host_is_silent);
	RUN(test_ends_over_a_restart);
	RUN(test_nobody_asks);
	RUN(test_swept);
	RUN(test_many);
	RUN(test_room_again);
	sts_shelf_drop(shelf, "a.example");
	(void)rmdir(shelf);
	CHECK_EQ(rmdir(directory), 0);
	return check_end();
}
