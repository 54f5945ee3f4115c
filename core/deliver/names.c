/*
 * core/deliver/names.c - see names.h.
 */
#include "core/deliver/names.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "core/base/address_text.h"
#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/mx.h"
#include "core/deliver/outbound.h"
#include "core/deliver/outbound_site.h"
#include "core/shard/shard.h"

enum {
	EXPECTED_MS = 5000,  /* a first answer is worth waiting for */
	BUSY_MS = 1000,      /* too many questions at once: try again */
	PAUSE_MAX_S = 60,    /* between two questions for a name that has no address */
	PAUSE_DOUBLINGS = 5, /* that is, not much more than a minute */
};

static_assert((int)ADDRESSES_MAX >= (int)DNS_ADDRESSES_MAX, "room for all that is known of a name");

/* Longer each time, as long as nothing comes of it. */
static uint64_t pause_ns(struct name *name)
{
	uint64_t pause = name->asked.valid_ns << (name->failures < PAUSE_DOUBLINGS ? name->failures : PAUSE_DOUBLINGS);

	if (name->asked.question.result == -EBUSY)
		return BUSY_MS * CLOCK_NS_PER_MS;
	name->failures++;
	return pause < PAUSE_MAX_S * CLOCK_NS_PER_S ? pause : PAUSE_MAX_S * CLOCK_NS_PER_S;
}

void names_follow(struct host *host)
{
	if (question_out(&host->name.asked.question))
		question_give_up(&host->name.asked.question);
	host->name.failures = 0;
	host->name.due_ns = 0;
}

/* At this address of the machine it is this relay that would answer. */
static bool listens_at(const struct config *config, const struct ring_address *address)
{
	for (size_t i = 0; i < config->listener_count; i++) {
		if (mx_listens_at(&config->listeners[i].address, address))
			return true;
	}
	return false;
}

const char *names_forbids(const struct config *config, const struct dns_question *q, unsigned i)
{
	const struct ring_address *address = &q->addresses[i];

	if ((q->own >> i & 1) && listens_at(config, address))
		return "this relay itself: mail would come back";
	return config->dns.allow_private ? NULL : mx_forbidden(address);
}

/* Not for hosts that the operator names himself: whose domain's they are may name any address there is (REL-04). */
static void leave_out_forbidden(struct name *name, const struct host *host)
{
	const struct config *config = name->outbound->shard->config;
	char text[ADDRESS_TEXT_SIZE];
	const char *why = NULL, *one;
	unsigned left = 0, i;

	for (i = 0; i < name->asked.count; i++) {
		one = names_forbids(config, &name->asked, i);
		if (!one)
			name->asked.addresses[left++] = name->asked.addresses[i];
		else if (!why)
			address_text_format(&name->asked.addresses[i], text);
		if (one && (name->asked.own >> i & 1) && listens_at(config, &name->asked.addresses[i]))
			outbound_site_is_ours(name->outbound->mx, host->config->text);
		why = why ? why : one;
	}
	name->asked.count = left;
	if (left > 0)
		return;
	name->asked.question.result = -EACCES;
	snprintf(name->asked.problem, sizeof(name->asked.problem),
		 "no mail of mx: true goes to %s, which is %s (dns.allow_private)", text, why);
}

static void on_answer(struct question *question)
{
	struct name *name = container_of(container_of(question, struct dns_question, question), struct name, asked);
	struct host *host = container_of(name, struct host, name);
	struct outbound *o = name->outbound;

	/* Given up, as others are asked now. */
	if (question->result != 0 && name->asked_of != o->dns) {
		outbound_wake(o->shard, o->index);
		return;
	}
	name->answered = true;
	if (question->result == 0 && o->mx)
		leave_out_forbidden(name, host);
	if (question->result == 0) {
		name->failures = 0;
		name->due_ns = o->shard->now_ns + name->asked.valid_ns;
		addresses_update(&host->addresses, name->asked.addresses, name->asked.count);
	} else {
		name->due_ns = o->shard->now_ns + pause_ns(name);
	}
	if (name->asked_of != o->dns)
		name->due_ns = 0;
	outbound_wake(o->shard, o->index);
}

bool names_wanted(const struct config *config)
{
	size_t d, h;

	for (d = 0; d < config->destination_count; d++) {
		if (config->destinations[d].mx_of || config->destinations[d].mx)
			return true;
		for (h = 0; h < config->destinations[d].host_count; h++) {
			if (!config->destinations[d].hosts[h].numeric)
				return true;
		}
	}
	return false;
}

void names_init(struct outbound *o, struct host *host)
{
	if (host->config->numeric) {
		addresses_update(&host->addresses, &host->config->address, 1);
		return;
	}
	host->name.outbound = o;
	host->name.asked.name = host->config->name;
	host->name.asked.port = host->config->port;
	host->name.asked.whole = host->config->whole;
	/* A name of the operator's: TLS is what proves it. */
	host->name.asked.lenient = !o->mx;
	host->name.asked.strange = o->mx != NULL;
	host->name.asked.question.fn = on_answer;
}

void names_refresh(struct host *host)
{
	struct name *name = &host->name;
	struct shard *shard = name->outbound ? name->outbound->shard : NULL;

	if (!shard || question_out(&name->asked.question) || name->due_ns > shard->now_ns)
		return;
	name->asked_ns = shard->now_ns;
	name->asked.question.deadline_ns = shard->now_ns + DNS_TIMEOUT_MS * CLOCK_NS_PER_MS;
	name->asked.doubtful = name->failures > 0;
	name->asked_of = name->outbound->dns;
	dns_ask(name->asked_of, shard->asker, &name->asked);
}

uint64_t names_expected_ns(const struct host *host)
{
	const struct name *name = &host->name;

	if (name->answered || !question_out(&name->asked.question))
		return 0;
	return name->asked_ns + EXPECTED_MS * CLOCK_NS_PER_MS;
}

const char *names_problem(const struct host *host)
{
	/* The agent writes into it while it has the question. */
	if (question_out(&host->name.asked.question))
		return "";
	return host->name.asked.question.result == -EBUSY ? "too many names are asked for at once"
							  : host->name.asked.problem;
}
