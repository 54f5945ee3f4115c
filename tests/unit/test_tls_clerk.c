/*
 * test_tls_clerk.c - the hands that do what sending reports about TLS needs of a shard: who asks the agent when. The
 * agent and the name servers are this file's.
 */
#include "core/deliver/tls_clerk.h"

#include <errno.h>
#include <stdatomic.h>

#include "core/agents/dns_records.h"
#include "core/agents/tls_reports.h"
#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/deliverer.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"
#include "tests/unit/check.h"

enum { ASKED_MAX = 16 };

static struct config config = {.tls_reports = {.organization = (char *)"Office"}};
static struct deliverers shared;
static struct deliverer deliverer = {.shared = &shared};
static struct snapshot snapshot;
static struct shard shard = {.config = &config, .deliverer = &deliverer, .snapshot = &snapshot, .count = 1};

/* What is out, the oldest first. */
static struct question *of_agent[ASKED_MAX], *of_dns[ASKED_MAX];
static unsigned agent_count, dns_count;
static bool twice; /* one that was out was asked again */

static void put(struct question *question, struct question **into, unsigned *count)
{
	if (question_out(question) || *count == ASKED_MAX) {
		twice = true;
		return;
	}
	atomic_store(&question->state, QUESTION_ASKED);
	into[(*count)++] = question;
}

static void come_back(struct question **from, unsigned *count, int result)
{
	struct question *question = from[0];

	memmove(&from[0], &from[1], --*count * sizeof(from[0]));
	question->result = result;
	atomic_store(&question->state, QUESTION_IDLE);
	question->fn(question);
}

void tls_reports_ask(struct tls_reports *reports, struct asker *asker, struct tls_reports_question *question)
{
	put(&question->question, of_agent, &agent_count);
}

void tls_reports_give(struct tls_reports *reports, struct tls_count *count)
{
}

void dns_ask(struct dns *dns, struct asker *asker, struct dns_question *question)
{
	put(&question->question, of_dns, &dns_count);
}

void dns_ask_records(struct dns *dns, struct asker *asker, struct dns_records_question *question)
{
	put(&question->base.question, of_dns, &dns_count);
}

/* The oldest question gets this to do. */
static void task(enum tls_task what)
{
	struct tls_reports_question *q = (struct tls_reports_question *)(void *)of_agent[0];

	_Static_assert(offsetof(struct tls_reports_question, question) == 0, "the cast above");
	q->task = what;
	snprintf(q->name, sizeof(q->name), "example.com");
	come_back(of_agent, &agent_count, 0);
}

static void after(uint64_t s)
{
	shard.now_ns += s * CLOCK_NS_PER_S;
	wheel_advance(&shard.wheel, shard.now_ns);
}

static void begin(void)
{
	agent_count = dns_count = 0;
	twice = false;
	shard.now_ns = CLOCK_NS_PER_S;
	shared.tls_reports = (struct tls_reports *)&shared;
	snapshot.dns = (struct dns *)&snapshot;
	wheel_init(&shard.wheel, shard.now_ns);
	CHECK_EQ(tls_clerk_init(&shard), 0);
	tls_clerk_start(&shard);
}

static void end(void)
{
	CHECK(!twice);
	tls_clerk_deinit(&shard);
}

static void test_nothing_to_do(void)
{
	begin();
	CHECK_EQ(agent_count, 1);
	for (int i = 0; i < 3; i++) {
		task(TLS_TASK_NONE);
		CHECK_EQ(agent_count, 0);
		after(TLS_REPORTS_WAIT_S + 1);
		CHECK_EQ(agent_count, 1);
	}
	end();
}

/* One that waits is called by another that has found something, and then does not ask again when its time has come. */
static void test_called_while_it_waits(void)
{
	begin();
	task(TLS_TASK_RECORD); /* the first; the second is called */
	CHECK_EQ(agent_count, 1);
	task(TLS_TASK_RECORD); /* the second; the third is called */
	CHECK_EQ(agent_count, 1);
	CHECK_EQ(dns_count, 2);
	task(TLS_TASK_NONE);                    /* the third */
	come_back(of_dns, &dns_count, -ENOENT); /* the first's */
	task(TLS_TASK_NONE);
	CHECK_EQ(agent_count, 0);
	after(1);
	come_back(of_dns, &dns_count, -ENOENT); /* the second's */
	task(TLS_TASK_ADDRESS);
	CHECK_EQ(agent_count, 1); /* the first, which was called */
	after(TLS_REPORTS_WAIT_S + 1);
	CHECK_EQ(agent_count, 1);
	CHECK(!twice);
	task(TLS_TASK_NONE);
	after(TLS_REPORTS_WAIT_S + 1);
	CHECK_EQ(agent_count, 1);
	come_back(of_dns, &dns_count, -ENOENT);
	end();
}

int main(void)
{
	RUN(test_nothing_to_do);
	RUN(test_called_while_it_waits);
	return check_end();
}
