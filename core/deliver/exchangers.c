/*
 * core/deliver/exchangers.c - see exchangers.h.
 */
#include "core/deliver/exchangers.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/clock.h"
#include "core/deliver/counts.h"
#include "core/deliver/outbound.h"
#include "core/deliver/tell.h"
#include "core/shard/shard.h"

enum { PAUSE_MAX_S = 60, PAUSE_DOUBLINGS = 5 /* that is, not much more than a minute */ };

static bool may_answer(const struct config_words *ends, const char *name)
{
	size_t all = strlen(name), i;

	for (i = 0; i < ends->count; i++) {
		size_t end = strlen(ends->list[i]);
		if (end < all && strcasecmp(name + all - end, ends->list[i]) == 0)
			return true;
	}
	return ends->count == 0;
}

static void shuffle(uint8_t *order, unsigned count, struct random *random)
{
	for (unsigned i = count; i > 1; i--) {
		unsigned other = (unsigned)random_below(random, i);
		uint8_t one = order[i - 1];
		order[i - 1] = order[other];
		order[other] = one;
	}
}

unsigned exchangers_order(const struct dns_exchanger *list, unsigned count, const struct config_words *ends,
			  struct random *random, uint8_t order[DNS_EXCHANGERS_MAX], uint32_t *refused)
{
	unsigned n = 0, from = 0, i;

	static_assert(DNS_EXCHANGERS_MAX <= 32, "a bit for each");
	*refused = 0;
	for (i = 0; i < count; i++) {
		if (!may_answer(ends, list[i].name)) {
			*refused |= UINT32_C(1) << i;
			continue;
		}
		if (n > from && list[order[n - 1]].preference != list[i].preference) {
			shuffle(order + from, n - from, random);
			from = n;
		}
		order[n++] = (uint8_t)i;
	}
	shuffle(order + from, n - from, random);
	return n;
}

/* ---- an answer -------------------------------------------------------------------------------------------------- */

static void free_hosts(struct config_host *hosts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(hosts[i].text);
		free(hosts[i].name);
	}
	free(hosts);
}

static bool make_host(struct config_host *host, const char *name, uint16_t port)
{
	host->port = port;
	host->whole = true;
	host->name = strdup(name);
	if (asprintf(&host->text, "%s:%u", name, port) < 0)
		host->text = NULL;
	return host->name && host->text;
}

static bool same_hosts(const struct exchangers *x, const struct config_host *hosts, size_t count)
{
	size_t i, k;

	for (i = 0; i < count; i++) {
		for (k = 0; k < x->count && strcasecmp(x->hosts[k].text, hosts[i].text) != 0; k++)
			;
		if (k == x->count)
			return false;
	}
	return x->count == count;
}

/* Names that are one, written in another case, are one. */
static bool put_hosts(struct exchangers *x, const uint8_t *order, unsigned count)
{
	struct config_host *before = x->hosts, *hosts = calloc(count + 1, sizeof(*hosts));
	size_t count_before = x->count;
	bool ok = hosts != NULL, news;

	for (unsigned i = 0; ok && i < count; i++)
		ok = make_host(&hosts[i], x->asked.list[order[i]].name, x->port);
	news = ok && !same_hosts(x, hosts, count);
	x->hosts = hosts;
	x->count = count;
	if (!ok || !x->on_hosts(x->outbound)) {
		if (hosts)
			free_hosts(hosts, count);
		x->hosts = before;
		x->count = count_before;
		return false;
	}
	free_hosts(before, count_before);
	if (news)
		tell_exchangers(x->outbound, x->domain, x->hosts, x->count);
	return true;
}

/* Longer each time, as long as nothing comes of it. */
static uint64_t pause_ns(struct exchangers *x)
{
	uint64_t pause = x->asked.base.valid_ns << (x->failures < PAUSE_DOUBLINGS ? x->failures : PAUSE_DOUBLINGS);

	if (pause == 0)
		pause = CLOCK_NS_PER_S;
	x->failures++;
	return pause < PAUSE_MAX_S * CLOCK_NS_PER_S ? pause : PAUSE_MAX_S * CLOCK_NS_PER_S;
}

static void failed(struct exchangers *x, const char *problem)
{
	struct outbound *o = x->outbound;
	uint64_t pause = pause_ns(x);

	snprintf(x->problem, sizeof(x->problem), "%s", problem);
	x->due_ns = o->shard->now_ns + pause;
	if (x->count == 0 && x->failed_ns == 0)
		x->failed_ns = o->shard->now_ns;
	if (x->count == 0) {
		snprintf(o->failure, sizeof(o->failure), "no host takes mail: MX of %.80s: %.90s", x->domain, problem);
		o->failure_stage = STAGE_CONNECT;
		o->failures_seen++;
		counter_add(&o->counts->connect_failures, 1);
	}
	if (x->count == 0 || x->failures == 1)
		tell_exchangers_failed(o, x->domain, problem, x->count > 0, pause);
}

static void tell_refused(struct exchangers *x, uint32_t refused)
{
	bool told = x->refused_told;

	x->refused_told = refused != 0;
	for (unsigned i = 0; !told && refused; i++, refused >>= 1) {
		if (refused & 1)
			tell_exchanger_refused(x->outbound, x->domain, x->asked.list[i].name);
	}
}

static void take_answer(struct exchangers *x)
{
	struct outbound *o = x->outbound;
	uint8_t order[DNS_EXCHANGERS_MAX];
	uint32_t refused;
	unsigned count;

	/* No MX: the domain's own host (RFC 5321 5.1). */
	if (x->asked.base.question.result == -ENODATA) {
		x->asked.count = 1;
		x->asked.list[0].preference = 0;
		snprintf(x->asked.list[0].name, sizeof(x->asked.list[0].name), "%s", x->domain);
	}
	count = exchangers_order(x->asked.list, x->asked.count, &o->destination->mx_ends, &o->shard->random, order,
				 &refused);
	tell_refused(x, refused);
	if (count == 0) {
		failed(x, x->asked.count > 0 ? "none of its hosts is one that the destination's preset knows as the "
					       "provider's (hosts_end_with)"
			  : x->asked.null    ? "the domain takes no mail (null MX)"
					     : "none of its MX records names a host");
		return;
	}
	if (!put_hosts(x, order, count)) {
		failed(x, "out of memory, or more different hosts at a time than there is room for");
		return;
	}
	x->secure = x->asked.base.secure;
	x->failures = 0;
	x->failed_ns = 0;
	x->due_ns = o->shard->now_ns + x->asked.base.valid_ns;
}

static void on_answer(struct question *question)
{
	struct dns_question *base = container_of(question, struct dns_question, question);
	struct exchangers *x =
		container_of(container_of(base, struct dns_exchangers_question, base), struct exchangers, asked);
	struct outbound *o = x->outbound;

	outbound_wake(o->shard, o->index);
	if (x->next) {
		free(x->domain);
		x->domain = x->next;
		x->next = NULL;
		x->due_ns = 0;
		return;
	}
	/* Given up, as others are asked now, or nobody. */
	if (x->asked_of != o->dns || !o->destination->mx_of || question->result == -ECANCELED) {
		x->due_ns = 0;
		return;
	}
	if (question->result == 0 || question->result == -ENODATA)
		take_answer(x);
	else
		failed(x, base->problem[0] ? base->problem : "too many names are asked for at once");
}

/* ---- asking ----------------------------------------------------------------------------------------------------- */

void exchangers_free(struct exchangers *x)
{
	if (!x)
		return;
	free_hosts(x->hosts, x->count);
	free(x->domain);
	free(x->next);
	free(x);
}

static bool same_ends(const struct config_words *a, const struct config_words *b)
{
	for (size_t i = 0; i < a->count && i < b->count; i++) {
		if (strcasecmp(a->list[i], b->list[i]) != 0)
			return false;
	}
	return a->count == b->count;
}

bool exchangers_take(struct exchangers **at, struct outbound *o, const struct config_destination *destination,
		     bool (*on_hosts)(struct outbound *o))
{
	struct exchangers *x = *at;
	char *domain;

	/* A question may be under way; and it may be there again. */
	if (!destination->mx_of)
		return true;
	if (!x)
		x = calloc(1, sizeof(*x));
	domain = strdup(destination->mx_of);
	if (!x || !domain) {
		free(domain);
		if (!*at)
			free(x);
		return false;
	}
	*at = x;
	x->outbound = o;
	x->on_hosts = on_hosts;
	x->asked.base.question.fn = on_answer;
	/* Hosts that other names were allowed for must not stay for want of a better answer. */
	if (!x->domain || strcasecmp(x->domain, domain) != 0 || x->port != destination->mx_port ||
	    !same_ends(&o->destination->mx_ends, &destination->mx_ends)) {
		free_hosts(x->hosts, x->count);
		x->hosts = NULL;
		x->count = 0;
		x->secure = false;
		x->failures = 0;
	}
	x->port = destination->mx_port;
	x->due_ns = 0;
	/* The agent reads the name of what is under way. */
	if (question_out(&x->asked.base.question)) {
		question_give_up(&x->asked.base.question);
		free(x->next);
		x->next = domain;
		return true;
	}
	free(x->domain);
	x->domain = domain;
	return true;
}

void exchangers_follow(struct exchangers *x)
{
	if (question_out(&x->asked.base.question))
		question_give_up(&x->asked.base.question);
	x->failures = 0;
	x->due_ns = 0;
}

void exchangers_refresh(struct exchangers *x)
{
	struct outbound *o = x->outbound;

	if (!o->destination->mx_of || question_out(&x->asked.base.question) || x->due_ns > o->shard->now_ns)
		return;
	x->asked.base.name = x->domain;
	x->asked.base.question.deadline_ns = o->shard->now_ns + DNS_TIMEOUT_MS * CLOCK_NS_PER_MS;
	x->asked_of = o->dns;
	dns_ask_exchangers(x->asked_of, o->shard->asker, &x->asked);
}
