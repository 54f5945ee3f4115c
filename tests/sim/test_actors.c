/*
 * tests/sim/test_actors.c - the simulated clients and next hops, talking to each other without a relay between.
 *
 * What the client was told and what the next hop took must agree under every mode and misbehaviour: so that a
 * disagreement in the relay's simulations is the relay's.
 */
#include <string.h>

#include "core/base/clock.h"
#include "tests/sim/actor_client.h"
#include "tests/sim/actor_nexthop.h"
#include "tests/sim/world.h"
#include "tests/unit/check.h"

enum { PORT = 2526, MESSAGES = 60 };

static bool client_done(void *context)
{
	return actor_client_done(context);
}

struct outcome {
	struct ledger_summary summary;
	struct actor_nexthop_stats hop;
	enum world_end end;
	unsigned sent, accepted, errors;
	uint64_t hash;
	char problem[600];
};

static void talk(uint64_t seed, bool quiet, struct actor_client_config client_config,
		 struct actor_nexthop_config hop_config, struct outcome *out)
{
	struct world_config config;
	struct ledger_config ledger_config = {.seed = seed,
					      .content_min = 100,
					      .content_max = 5000,
					      .recipients_max = 3,
					      .domains = {"a.example", "b.example"}};
	struct ledger ledger;
	if (quiet)
		world_config_quiet(&config, seed);
	else
		world_config_random(&config, seed);
	world_open(&config);
	ledger_init(&ledger, &ledger_config);
	hop_config.address = client_config.address = world_address(PORT);
	hop_config.ledger = client_config.ledger = &ledger;
	hop_config.delay_max_ns = CLOCK_NS_PER_MS;
	client_config.messages = MESSAGES;
	client_config.retry_ns = CLOCK_NS_PER_S;
	struct actor_nexthop *hop = actor_nexthop_start(&hop_config);
	struct actor_client *client = actor_client_start(&client_config);
	out->end = world_run(client_done, client, 3600 * CLOCK_NS_PER_S);
	/* What is still under way arrives. */
	world_run(NULL, NULL, 60 * CLOCK_NS_PER_S);
	ledger_summarize(&ledger, &out->summary);
	actor_nexthop_stats(hop, &out->hop);
	out->sent = actor_client_sent(client);
	out->accepted = actor_client_accepted(client);
	out->errors = actor_client_protocol_errors(client);
	out->hash = world_trace_hash();
	snprintf(out->problem, sizeof(out->problem), "seed %llu: %s %s", (unsigned long long)seed, ledger.problem,
		 out->hop.problem);
	world_close();
	actor_client_free(client);
	actor_nexthop_free(hop);
	ledger_deinit(&ledger);
}

static void check_agreement(const struct outcome *o)
{
	if (o->hop.violations || o->summary.altered || o->summary.confused)
		fprintf(stderr, "%s\n", o->problem);
	CHECK_EQ(o->end, WORLD_DONE);
	CHECK_EQ(o->sent, MESSAGES);
	CHECK_EQ(o->errors, 0);
	CHECK_EQ(o->hop.violations, 0);
	CHECK_EQ(o->summary.missing, 0);
	CHECK_EQ(o->summary.failed, 0);
	CHECK_EQ(o->summary.phantoms, 0);
	CHECK_EQ(o->summary.duplicates, 0);
	CHECK_EQ(o->summary.altered, 0);
	CHECK_EQ(o->summary.confused, 0);
}

static void test_all_modes_deliver(void)
{
	for (int mode = ACTOR_CLIENT_LOCKSTEP; mode <= ACTOR_CLIENT_CHUNKED; mode++) {
		struct actor_client_config client = {.mode = (enum actor_client_mode)mode,
						     .window = 20,
						     .chunk_rate = 300000,
						     .messages_per_connection = 25};
		struct actor_nexthop_config hop = {.pipelining = true, .chunking = true, .size = true};
		struct outcome o;
		talk(1, true, client, hop, &o);
		check_agreement(&o);
		CHECK_EQ(o.accepted, MESSAGES);
		CHECK_EQ(o.hop.messages, MESSAGES);
		CHECK_EQ(o.hop.connections, 3);
		CHECK_EQ(o.summary.delivered, o.summary.accepted);
		CHECK_EQ(o.summary.refused, 0);
		CHECK_EQ(o.summary.unknown, 0);
		CHECK((o.hop.pipelined > 0) == (mode != ACTOR_CLIENT_LOCKSTEP));
	}
}

static void test_lockstep_needs_no_extensions(void)
{
	struct actor_client_config client = {.mode = ACTOR_CLIENT_LOCKSTEP};
	struct actor_nexthop_config hop = {0};
	struct outcome o;
	talk(3, false, client, hop, &o);
	check_agreement(&o);
	CHECK_EQ(o.accepted, MESSAGES);
}

static void test_pipelining_unasked_is_noticed(void)
{
	struct actor_client_config client = {.mode = ACTOR_CLIENT_CHUNKED};
	struct actor_nexthop_config hop = {0};
	struct outcome o;
	talk(3, true, client, hop, &o);
	CHECK(o.hop.violations > 0);
}

static void test_both_sides_agree_on_bad_days(void)
{
	struct ledger_summary total = {0};
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct actor_client_config client = {.mode = (enum actor_client_mode)(seed % 3),
						     .window = 1 + seed % 30,
						     .chunk_rate = 200000,
						     .abort_rate = seed % 5 ? 0 : 10000};
		struct actor_nexthop_config hop = {.pipelining = true,
						   .chunking = true,
						   .messages_max = seed % 4 ? 0 : 7,
						   .connections_max = 1,
						   .greeting_refused = 100000,
						   .mail_deferred = 20000,
						   .mail_refused = 20000,
						   .rcpt_deferred = 50000,
						   .rcpt_refused = 50000,
						   .data_deferred = 20000,
						   .end_deferred = 20000,
						   .end_refused = 20000,
						   .close_rate = 5000,
						   .close_after_end = 10000,
						   .close_in_content = 5000};
		struct outcome o, again;
		talk(seed, false, client, hop, &o);
		check_agreement(&o);
		total.accepted += o.summary.accepted;
		total.refused += o.summary.refused;
		total.unknown += o.summary.unknown;
		if (seed % 20)
			continue;
		talk(seed, false, client, hop, &again);
		CHECK(o.hash == again.hash);
	}
	CHECK(total.accepted > 1000);
	CHECK(total.refused > 100);
	CHECK(total.unknown > 10);
}

static void test_ledger_notices(void)
{
	struct ledger_config config = {.seed = 1, .content_min = 200, .content_max = 300, .recipients_max = 1};
	struct world_config quiet;
	struct ledger ledger;
	struct ledger_summary s;
	size_t length;
	uint32_t sequence;
	unsigned recipient;
	char address[128];
	world_config_quiet(&quiet, 1);
	world_open(&quiet);
	ledger_init(&ledger, &config);
	for (int i = 0; i < 4; i++)
		ledger_next(&ledger);
	uint8_t *content = ledger_content(&ledger, 2, &length);
	CHECK(length >= 200 && length < 450);
	CHECK(ledger_content_check(&ledger, 2, content, length));
	CHECK(!ledger_content_check(&ledger, 3, content, length));
	content[length - 3] ^= 1;
	CHECK(!ledger_content_check(&ledger, 2, content, length));
	world_release(content);
	ledger_address(&ledger, 3, 1, address);
	CHECK_STR(address, "r1.s3@example.org");
	CHECK(ledger_address_parse(address, strlen(address), &sequence, &recipient));
	CHECK_EQ(sequence, 3);
	CHECK_EQ(recipient, 1);
	CHECK(!ledger_address_parse("r12.s3@x", 8, &sequence, &recipient));
	ledger.messages[0].recipients[0] =
		(struct ledger_recipient){.fate = LEDGER_ACCEPTED, .delivered = 3, .failed = 0};
	ledger.messages[1].recipients[0] =
		(struct ledger_recipient){.fate = LEDGER_REFUSED, .delivered = 1, .failed = 0};
	ledger.messages[2].recipients[0] =
		(struct ledger_recipient){.fate = LEDGER_ACCEPTED, .delivered = 0, .failed = 0};
	ledger.messages[3].recipients[0] =
		(struct ledger_recipient){.fate = LEDGER_ACCEPTED, .delivered = 0, .failed = 1};
	ledger_summarize(&ledger, &s);
	CHECK_EQ(s.duplicates, 2);
	CHECK_EQ(s.phantoms, 1);
	CHECK_EQ(s.missing, 1);
	CHECK_EQ(s.failed, 1);
	CHECK_EQ(s.altered, 2);
	ledger_deinit(&ledger);
	world_close();
}

int main(void)
{
	RUN(test_all_modes_deliver);
	RUN(test_lockstep_needs_no_extensions);
	RUN(test_pipelining_unasked_is_noticed);
	RUN(test_both_sides_agree_on_bad_days);
	RUN(test_ledger_notices);
	return check_end();
}
