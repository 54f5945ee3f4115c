/*
 * tests/unit/test_domain.c - core/deliver/domain.c: when a domain that nobody knows is asked for again, and one
 * whose site finds no lane. The name servers are this file's.
 */
#include "core/deliver/domain.h"

#include <errno.h>
#include <stdlib.h>

#include "core/agents/dns_records.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/config/config.h"
#include "core/deliver/deliverer.h"
#include "core/deliver/outbound.h"
#include "core/deliver/outbound_site.h"
#include "core/shard/shard.h"
#include "core/store/mail.h"
#include "tests/unit/check.h"

static struct config_destination destination = {.name = (char *)"internet", .mx = true, .mx_port = 25};
static struct config config = {.hostname = (char *)"relay.example",
			       .retry = {.expire_ns = 100 * 86400 * CLOCK_NS_PER_S}};
static struct deliverers shared;
static _Atomic(uint64_t) until_ns[1];
static struct hold_destination holds;
static struct outbound home;
static struct deliverer deliverer = {.shared = &shared, .outbound = &home, .lane_count = 1};
static struct shard shard = {.config = &config, .deliverer = &deliverer, .count = 1};
static struct domains *domains;
static struct mail mail;
static struct question *out; /* one at most */

static void put(struct question *question)
{
	CHECK(!out);
	atomic_store(&question->state, QUESTION_ASKED);
	out = question;
}

void dns_ask(struct dns *dns, struct asker *asker, struct dns_question *question)
{
	put(&question->question);
}

void dns_ask_exchangers(struct dns *dns, struct asker *asker, struct dns_exchangers_question *question)
{
	question->base.exchangers = true;
	put(&question->base.question);
}

void dns_ask_records(struct dns *dns, struct asker *asker, struct dns_records_question *question)
{
	put(&question->base.question);
}

static void answer(int result)
{
	struct question *question = out;

	CHECK(out != NULL);
	if (!question)
		return;
	out = NULL;
	((struct dns_question *)(void *)question)->valid_ns = CLOCK_NS_PER_S;
	question->result = result;
	atomic_store(&question->state, QUESTION_IDLE);
	question->fn(question);
}

/* Seconds until something is asked; at most so many. */
static unsigned asked_after(unsigned most)
{
	unsigned s = 0;

	while (!out && s < most) {
		s++;
		shard.now_ns += CLOCK_NS_PER_S;
		wheel_advance(&shard.wheel, shard.now_ns);
	}
	return s;
}

/* Another domain, which there is not: somebody says so. */
static void hear(void)
{
	(void)domain_find(domains, "other.example");
	answer(-ENOENT);
	shard.now_ns += 2 * CLOCK_NS_PER_S;
	wheel_advance(&shard.wheel, shard.now_ns);
}

static void begin(void)
{
	shared.suspensions.until_ns = until_ns;
	shard.now_ns = CLOCK_NS_PER_S;
	shard.log = log_new(-1, 1 << 16);
	random_init(&shard.random);
	wheel_init(&shard.wheel, shard.now_ns);
	list_init(&deliverer.outbound_wake);
	list_init(&home.wake);
	home.shard = &shard;
	home.destination = &destination;
	home.holds = &holds;
	home.dns = (struct dns *)&home;
	domains = domains_new(&home);
	CHECK(domains != NULL);
	mail_init(&mail, 1, 0);
	mail.first.place = DELIVERY_ACTIVE;
	domain_take(domain_find(domains, "dead.example"), &mail.first, false);
}

static void end(void)
{
	domains_withdraw(domains, &mail.first);
	domains_free(domains);
	mail_deinit(&mail);
	log_free(shard.log);
	out = NULL;
}

static void test_nobody_answers(void)
{
	unsigned s;

	begin();
	for (int i = 0; i < 20; i++) {
		answer(i % 2 ? -ETIMEDOUT : -EREMOTEIO);
		s = asked_after(100);
		CHECK(s <= 61);
		/* Nor all the time. */
		CHECK(i < 5 || s >= 45);
	}
	end();
}

static void test_others_are_answered(void)
{
	unsigned s = 0;

	begin();
	for (int i = 0; i < 12; i++) {
		answer(-EREMOTEIO);
		hear();
		s = asked_after(2000);
	}
	CHECK(s > 1300 && s <= 1801);
	/* From then on nobody answers: it may be the name servers. */
	answer(-ETIMEDOUT);
	(void)asked_after(2000);
	answer(-ETIMEDOUT);
	CHECK(asked_after(100) <= 61);
	end();
}

/* Others are to be asked: they may know. */
static void test_reload(void)
{
	begin();
	for (int i = 0; i < 12; i++) {
		answer(-EREMOTEIO);
		hear();
		(void)asked_after(2000);
	}
	answer(-EREMOTEIO);
	domains_follow(domains, false);
	CHECK(asked_after(2000) <= 2);
	end();
}

/* ---- no lane is free ------------------------------------------------------------------------------------------- */

static struct lane_site one_site;
static struct outbound one_lane;
static unsigned refusals;

static struct outbound *open_lane(struct outbound *of, const struct dns_exchanger *list, unsigned count,
				  struct mx_terms terms)
{
	if (refusals > 0) {
		refusals--;
		return NULL;
	}
	return &one_lane;
}

static void begin_lanes(void)
{
	begin();
	list_init(&one_site.domains);
	list_init(&one_lane.wake);
	lane_init(&one_lane.lane);
	one_lane.mx = &one_site;
	one_lane.shard = &shard;
	domains->open = open_lane;
}

static void end_lanes(void)
{
	domains_leave(&one_lane);
	if (mail.first.place == DELIVERY_READY)
		lane_remove(&one_lane.lane, &mail.first);
	else
		domains_withdraw(domains, &mail.first);
	domains_free(domains);
	lane_deinit(&one_lane.lane);
	mail_deinit(&mail);
	log_free(shard.log);
	out = NULL;
}

/* One host, for as long as it may be. */
static void answer_host(void)
{
	struct dns_exchangers_question *q = (struct dns_exchangers_question *)(void *)out;
	const struct dns_exchanger host = {10, "mx.example"};

	q->count = 0;
	dns_exchangers_add(q, &host);
	answer(0);
}

/* All lanes are taken for ten minutes: a hundred thousand domains that wait are not all asked for each second; and none
 * waits for long when there is one. */
static void test_no_lane(void)
{
	unsigned asked = 0, s = 0;

	begin_lanes();
	refusals = 10000;
	while (s < 600) {
		answer_host();
		asked++;
		s += asked_after(600 - s);
		if (!out)
			break;
	}
	CHECK(asked >= 10 && asked <= 40);
	refusals = 0;
	if (!out)
		CHECK(asked_after(60) <= 40);
	answer_host();
	CHECK(mail.first.place == DELIVERY_READY);
	CHECK_EQ(mail.first.lane, one_lane.index);
	end_lanes();
}

/* Mail that no policy for TLS holds up goes to a lane of its own. Where there is room for the other one only it does
 * not wait until somebody has mail for the domain again. */
static void test_no_lane_for_free_mail(void)
{
	begin_lanes();
	domains_withdraw(domains, &mail.first);
	mail.first.place = DELIVERY_ACTIVE;
	domain_take(domain_find(domains, "dead.example"), &mail.first, true);
	refusals = 1;
	answer_host();
	CHECK(mail.first.place == DELIVERY_SORTED);
	CHECK(asked_after(60) <= 2);
	answer_host();
	CHECK(mail.first.place == DELIVERY_READY);
	end_lanes();
}

/* A reload lets nothing be known any more of a domain that had found no other lane: its mail asks at once. */
static void test_reload_without_lane(void)
{
	begin_lanes();
	answer_host();
	lane_remove(&one_lane.lane, &mail.first);
	shard.now_ns += 2 * CLOCK_NS_PER_S;
	wheel_advance(&shard.wheel, shard.now_ns);
	refusals = 1;
	(void)domain_find(domains, "dead.example");
	answer_host();
	domains_follow(domains, true);
	domain_take(domain_find(domains, "dead.example"), &mail.first, false);
	CHECK_EQ(asked_after(600), 0);
	answer_host();
	CHECK(mail.first.place == DELIVERY_READY);
	end_lanes();
}

/* All domains are one provider's, whose lane is always there: what nobody writes to any more goes as others come. */
static void test_unused(void)
{
	enum { EACH = 1000 };
	char name[32];

	begin_lanes();
	answer_host();
	CHECK(mail.first.place == DELIVERY_READY);
	for (unsigned i = 0; i < 6 * EACH; i++) {
		if (i % EACH == 0) {
			shard.now_ns += 1000 * CLOCK_NS_PER_S;
			wheel_advance(&shard.wheel, shard.now_ns);
			/* One is written to all the time. */
			(void)domain_find(domains, "m0.example");
			answer_host();
		}
		snprintf(name, sizeof(name), "m%u.example", i);
		if (i == 0)
			continue;
		CHECK(domain_find(domains, name) != NULL);
		answer_host();
	}
	CHECK(domains->count < 3 * EACH);
	CHECK(domain_known(domains, "m0.example") != NULL);
	CHECK(domain_known(domains, "m1.example") == NULL);
	CHECK(domain_known(domains, "m5999.example") != NULL);
	end_lanes();
}

int main(void)
{
	RUN(test_nobody_answers);
	RUN(test_others_are_answered);
	RUN(test_reload);
	RUN(test_unused);
	RUN(test_no_lane);
	RUN(test_no_lane_for_free_mail);
	RUN(test_reload_without_lane);
	return check_end();
}
