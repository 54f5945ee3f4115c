/*
 * tests/sim/sim_dns.c - see sim_dns.h.
 *
 * Questions and answers go over the real agent.c; the thread is a chain of the world's events (sim_agent.h).
 */
#include "tests/sim/sim_dns.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/agents/dns.h"
#include "core/agents/dns_exchangers.h"
#include "core/agents/dns_records.h"
#include "core/base/clock.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_agent.h"
#include "tests/sim/world.h"

struct dns {
	struct sim_agent agent;
};

static struct dns dns;
static uint64_t asked;
static struct sim_dns_manner manner;

static struct {
	uint16_t port;
	uint16_t ports[DNS_ADDRESSES_MAX];
	unsigned count;
} known[4];

static unsigned known_count;

static struct dns_exchanger exchangers[DNS_EXCHANGERS_MAX];
static bool apart;
static unsigned exchanger_count;

/* One question on its way. */
struct errand {
	uint64_t life;
	struct dns_question *question;
	int result;
};

void sim_dns_close(void)
{
	sim_agent_close(&dns.agent);
}

void sim_dns_set_manner(const struct sim_dns_manner *wanted)
{
	manner = *wanted;
}

void sim_dns_clear(void)
{
	apart = false;
	known_count = 0;
	exchanger_count = 0;
	memset(&manner, 0, sizeof(manner));
}

void sim_dns_set(uint16_t port, const uint16_t *ports, unsigned count)
{
	unsigned i = 0;

	while (i < known_count && known[i].port != port)
		i++;
	known_count += i == known_count;
	known[i].port = port;
	known[i].count = count;
	memcpy(known[i].ports, ports, count * sizeof(*ports));
}

void sim_dns_set_exchangers(const struct dns_exchanger *list, unsigned count)
{
	memcpy(exchangers, list, count * sizeof(*list));
	exchanger_count = count;
}

uint64_t sim_dns_asked(void)
{
	return asked;
}

void sim_dns_set_apart(void)
{
	apart = true;
}

static void fill_exchangers(struct dns_exchangers_question *q)
{
	struct dns_exchanger own = {10, ""};

	q->count = 0;
	if (apart) {
		snprintf(own.name, sizeof(own.name), "mx.%s", q->base.name);
		dns_exchangers_add(q, &own);
		return;
	}
	for (unsigned i = 0; i < exchanger_count; i++)
		dns_exchangers_add(q, &exchangers[i]);
}

static void fill(struct dns_question *q)
{
	q->count = 0;
	q->problem[0] = '\0';
	q->valid_ns = manner.valid_ns ? manner.valid_ns : 60 * CLOCK_NS_PER_S;
	if (q->exchangers) {
		fill_exchangers(container_of(q, struct dns_exchangers_question, base));
		return;
	}
	for (unsigned i = 0; i < known_count; i++) {
		if (known[i].port != q->port)
			continue;
		for (unsigned n = 0; n < known[i].count; n++)
			q->addresses[q->count++] = world_address(known[i].ports[n]);
	}
	if (q->count == 0)
		q->addresses[q->count++] = world_address(q->port);
}

static void arrive(void *context)
{
	struct errand *errand = context;
	struct dns_question *q = errand->question;

	if (sim_agent_lives(&dns.agent, errand->life)) {
		if (errand->result == 0) {
			fill(q);
		} else {
			q->count = 0;
			q->valid_ns = DNS_FAILED_S * CLOCK_NS_PER_S;
			snprintf(q->problem, sizeof(q->problem), "simulated: %s", strerror(-errand->result));
		}
		world_note("dns", q->port, (uint64_t)-errand->result);
		agent_answer(&dns.agent.agent, &q->question, errand->result);
	}
	world_release(errand);
}

static void answer_later(struct dns_question *q)
{
	struct errand *errand = world_alloc(sizeof(*errand));
	uint64_t spread = manner.delay_max_ns - manner.delay_min_ns, now_ns = world_now_ns();
	uint64_t delay_ns = manner.delay_min_ns + (spread ? world_below(spread) : 0);
	uint64_t left_ns = q->question.deadline_ns > now_ns ? q->question.deadline_ns - now_ns : 0;

	errand->life = dns.agent.life;
	errand->question = q;
	if (world_chance(manner.silent) || delay_ns >= left_ns) {
		errand->result = -ETIMEDOUT;
		delay_ns = left_ns;
	} else if (world_chance(manner.failed)) {
		errand->result = -EREMOTEIO;
	} else if (world_chance(manner.missing) || q->records) {
		errand->result = -ENOENT;
	}
	asked++;
	world_errand(delay_ns, arrive, errand);
}

static void look(struct sim_agent *agent)
{
	struct question *question, *next;

	for (question = agent_take(&agent->agent); question; question = next) {
		next = question->next;
		answer_later(container_of(question, struct dns_question, question));
	}
}

struct dns *sim_dns_open(void)
{
	asked = 0;
	sim_agent_open(&dns.agent, manner.most ? manner.most : DNS_QUESTIONS_MAX, look);
	return &dns;
}

void dns_ask(struct dns *where, struct asker *asker, struct dns_question *question)
{
	agent_ask(&where->agent.agent, asker, &question->question);
}

void dns_ask_records(struct dns *where, struct asker *asker, struct dns_records_question *question)
{
	question->base.records = true;
	dns_ask(where, asker, &question->base);
}

void dns_ask_exchangers(struct dns *where, struct asker *asker, struct dns_exchangers_question *question)
{
	question->base.exchangers = true;
	dns_ask(where, asker, &question->base);
}
