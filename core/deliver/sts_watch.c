/*
 * core/deliver/sts_watch.c - see sts_watch.h.
 */
#include "core/deliver/sts_watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/mx.h"
#include "core/deliver/outbound.h"
#include "core/deliver/outbound_site.h"
#include "core/deliver/tell.h"
#include "core/shard/shard.h"

enum { LEAST_S = 10, TEXT_LEAST_S = 60, AGAIN_S = 60 };

/* What is needed only while something is under way: most of a watch's memory. */
struct sts_inquiry {
	struct sts_watch *watch;
	char name[DNS_NAME_MAX + 16];      /* of what is asked for */
	struct dns_records_question *text; /* owned; out in TEXT */
	struct dns_question place;         /* out in PLACE */
	struct sts_question asked;         /* out in POLICY */
	char *ca_file;                     /* owned: what is under way has it, and configurations go */
};

static void end_inquiry(struct sts_watch *watch)
{
	watch->step = STS_IDLE;
	if (!watch->inquiry)
		return;
	free(watch->inquiry->text);
	free(watch->inquiry->ca_file);
	free(watch->inquiry);
	watch->inquiry = NULL;
}

bool sts_watch_wanted(const struct outbound *o)
{
	return o->destination->mta_sts && (o->destination->mx_of || o->destination->mx) && o->dns &&
	       o->shard->deliverer->shared->sts;
}

bool sts_watch_out(const struct sts_watch *watch)
{
	return watch && watch->step != STS_IDLE;
}

void sts_watch_free(struct sts_watch *watch)
{
	if (!watch)
		return;
	end_inquiry(watch);
	sts_policy_release(watch->policy);
	free(watch);
}

static bool in_force(const struct sts_watch *watch)
{
	return watch->policy && watch->policy->end_s > clock_wall_ns() / CLOCK_NS_PER_S;
}

const struct mta_sts_policy *sts_watch_demands(const struct sts_watch *watch)
{
	if (!watch || !in_force(watch) || watch->policy->policy->mode != MTA_STS_ENFORCE)
		return NULL;
	return watch->policy->policy;
}

const struct sts_policy *sts_watch_policy(const struct sts_watch *watch)
{
	return watch && in_force(watch) ? watch->policy : NULL;
}

enum tls_sts sts_watch_found(const struct outbound *o, const struct host *host)
{
	const struct mta_sts_policy *policy = sts_watch_wanted(o) ? sts_watch_demands(o->sts) : NULL;

	/* A site's hosts are those that the policies of its domains name. */
	if (o->mx)
		return o->mx->enforced ? TLS_STS_ENFORCED : TLS_STS_ABSENT;
	if (!policy)
		return TLS_STS_ABSENT;
	return mta_sts_policy_names(policy, host->config->name) ? TLS_STS_ENFORCED : TLS_STS_FOREIGN;
}

/* ---- the end of asking ------------------------------------------------------------------------------------------ */

static void tell_known(struct sts_watch *watch)
{
	struct outbound *o = watch->outbound;

	if (watch->on_known)
		watch->on_known(watch);
	else
		outbound_wake(o->shard, o->index);
}

static void finish(struct sts_watch *watch, uint64_t valid_ns)
{
	struct outbound *o = watch->outbound;

	if (valid_ns < LEAST_S * CLOCK_NS_PER_S)
		valid_ns = LEAST_S * CLOCK_NS_PER_S;
	end_inquiry(watch);
	watch->known = true;
	watch->due_ns = o->shard->now_ns + valid_ns;
	tell_known(watch);
}

/* Too many questions at a time, or no memory, here: nobody has said that there is no policy. */
static bool not_tried(int result)
{
	return result == -EBUSY || result == -ENOMEM;
}

/* Not found out: what is known stays so. */
static void put_off(struct sts_watch *watch)
{
	end_inquiry(watch);
	watch->due_ns = watch->outbound->shard->now_ns + CLOCK_NS_PER_S;
	tell_known(watch);
}

static void take_policy(struct sts_watch *watch, struct sts_policy *policy)
{
	bool news = policy && (!watch->policy || policy->serial != watch->policy->serial);

	sts_policy_release(watch->policy);
	watch->policy = policy;
	if (news)
		tell_sts_policy(watch->outbound, watch->domain, policy);
}

static void tell_failure(struct sts_watch *watch, const char *problem)
{
	bool told = watch->failed_told;

	watch->failed_told = problem[0] != '\0';
	if (problem[0] && !told)
		tell_sts_failed(watch->outbound, watch->domain, problem, in_force(watch));
}

/* The domain is another one meanwhile, or others are asked: from the beginning. */
static bool outlived(struct sts_watch *watch, int result)
{
	struct outbound *o = watch->outbound;

	if (result != -ECANCELED && sts_watch_wanted(o) &&
	    (watch->on_known || strcasecmp(watch->domain, o->destination->mx_of) == 0))
		return false;
	end_inquiry(watch);
	watch->known = false;
	watch->due_ns = 0;
	tell_known(watch);
	return true;
}

static void on_policy(struct question *question)
{
	struct sts_question *q = container_of(question, struct sts_question, question);
	struct sts_watch *watch = container_of(q, struct sts_inquiry, asked)->watch;
	struct sts_policy *policy = question->result == 0 ? q->policy : NULL;
	int result = question->result;

	if (outlived(watch, result)) {
		sts_policy_release(policy);
		return;
	}
	if (not_tried(result)) {
		put_off(watch);
		return;
	}
	if (result != 0 && result != -ENOENT) {
		/* What is in force stays so; the rest is found out in a moment. */
		finish(watch, AGAIN_S * CLOCK_NS_PER_S);
		return;
	}
	take_policy(watch, policy);
	watch->trouble = (uint8_t)q->trouble;
	tell_failure(watch, q->problem);
	finish(watch, q->valid_ns < watch->text_valid_ns ? q->valid_ns : watch->text_valid_ns);
}

static void ask_policy(struct sts_watch *watch)
{
	struct shard *shard = watch->outbound->shard;
	struct sts_question *q = &watch->inquiry->asked;

	watch->step = STS_POLICY;
	q->question.fn = on_policy;
	q->question.deadline_ns = shard->now_ns + STS_TIMEOUT_MS * CLOCK_NS_PER_MS;
	q->domain = watch->domain;
	q->ca_file = watch->inquiry->ca_file;
	sts_ask(shard->deliverer->shared->sts, shard->asker, q);
}

/* ---- where its host is ------------------------------------------------------------------------------------------ */

static bool may_be_asked(const struct outbound *o, const struct ring_address *address)
{
	return !o->destination->mx || o->shard->config->dns.allow_private || !mx_forbidden(address);
}

static void on_place(struct question *question)
{
	struct dns_question *q = container_of(question, struct dns_question, question);
	struct sts_watch *watch = container_of(q, struct sts_inquiry, place)->watch;
	struct sts_question *next = &watch->inquiry->asked;

	if (outlived(watch, question->result))
		return;
	if (not_tried(question->result)) {
		put_off(watch);
		return;
	}
	for (unsigned i = 0; question->result == 0 && i < q->count; i++) {
		/* Whoever names a domain must not make us look into this network (REL-04). */
		if (may_be_asked(watch->outbound, &q->addresses[i]))
			next->addresses[next->address_count++] = q->addresses[i];
	}
	ask_policy(watch);
}

static void ask_place(struct sts_watch *watch)
{
	struct outbound *o = watch->outbound;
	struct sts_inquiry *in = watch->inquiry;

	watch->step = STS_PLACE;
	snprintf(in->name, sizeof(in->name), "mta-sts.%s", watch->domain);
	in->place =
		(struct dns_question){.name = in->name, .port = 443, .lenient = true, .strange = o->destination->mx};
	in->place.question.fn = on_place;
	in->place.question.deadline_ns = o->shard->now_ns + DNS_TIMEOUT_MS * CLOCK_NS_PER_MS;
	dns_ask(o->dns, o->shard->asker, &in->place);
}

/* ---- the record ------------------------------------------------------------------------------------------------- */

/* One that is meant to be one, and can be read; more are none (RFC 8461 3.1). */
static bool find_record(const struct dns_records_question *q, char id[MTA_STS_ID_MAX + 1])
{
	char one[MTA_STS_ID_MAX + 1];
	const uint8_t *data;
	size_t at = 0, length;
	unsigned meant = 0, good = 0;

	while (dns_records_next(q, &at, &data, &length)) {
		enum mta_sts_record record = mta_sts_record_parse((const char *)data, length, one);
		meant += record != MTA_STS_OTHER;
		if (record != MTA_STS_GOOD)
			continue;
		good++;
		memcpy(id, one, sizeof(one));
	}
	return meant == 1 && good == 1;
}

static void on_text(struct question *question)
{
	struct dns_records_question *q =
		container_of(container_of(question, struct dns_question, question), struct dns_records_question, base);
	struct sts_watch *watch = q->of;
	int result = question->result;
	struct sts_question *next = &watch->inquiry->asked;
	bool recorded = result == 0 && find_record(q, next->id);

	watch->inquiry->text = NULL;
	watch->text_valid_ns = q->base.valid_ns;
	if (watch->text_valid_ns < TEXT_LEAST_S * CLOCK_NS_PER_S)
		watch->text_valid_ns = TEXT_LEAST_S * CLOCK_NS_PER_S;
	free(q);
	if (outlived(watch, result))
		return;
	if (not_tried(result)) {
		put_off(watch);
		return;
	}
	next->recorded = recorded;
	next->address_count = 0;
	/* Without one nothing is fetched, but a policy that was fetched is in force. */
	if (recorded)
		ask_place(watch);
	else
		ask_policy(watch);
}

/* False: no memory. */
static bool begin_inquiry(struct sts_watch *watch, const char *ca_file)
{
	struct sts_inquiry *in = watch->inquiry = calloc(1, sizeof(*in));

	if (!in)
		return false;
	in->watch = watch;
	in->text = calloc(1, sizeof(*in->text));
	in->ca_file = ca_file ? strdup(ca_file) : NULL;
	if (in->text && (in->ca_file || !ca_file))
		return true;
	end_inquiry(watch);
	return false;
}

static bool ask_text(struct sts_watch *watch)
{
	struct outbound *o = watch->outbound;
	struct dns_records_question *q;

	if (!begin_inquiry(watch, o->destination->ca_file))
		return false;
	watch->step = STS_TEXT;
	snprintf(watch->inquiry->name, sizeof(watch->inquiry->name), "_mta-sts.%s", watch->domain);
	q = watch->inquiry->text;
	q->of = watch;
	q->kind = DNS_RECORDS_TEXT;
	q->base.name = watch->inquiry->name;
	q->base.lenient = true;
	q->base.strange = o->destination->mx;
	q->base.question.fn = on_text;
	q->base.question.deadline_ns = o->shard->now_ns + DNS_TIMEOUT_MS * CLOCK_NS_PER_MS;
	dns_ask_records(o->dns, o->shard->asker, q);
	return true;
}

/* For another domain nothing is known. */
static void begin_anew(struct sts_watch *watch, const char *domain)
{
	take_policy(watch, NULL);
	watch->known = watch->failed_told = false;
	watch->trouble = STS_TROUBLE_NONE;
	watch->due_ns = 0;
	snprintf(watch->domain, sizeof(watch->domain), "%s", domain);
}

bool sts_watch_look(struct sts_watch **at, struct outbound *o, const char *domain,
		    void (*on_known)(struct sts_watch *watch), void *of)
{
	struct sts_watch *watch = *at;

	if (!sts_watch_wanted(o) || strlen(domain) > DNS_NAME_MAX)
		return true;
	if (!watch) {
		watch = *at = calloc(1, sizeof(*watch));
		if (!watch)
			return false;
		watch->outbound = o;
		watch->on_known = on_known;
		watch->of = of;
	}
	if (watch->step == STS_IDLE && strcasecmp(watch->domain, domain) != 0)
		begin_anew(watch, domain);
	if (watch->step == STS_IDLE && watch->due_ns <= o->shard->now_ns)
		(void)ask_text(watch);
	return watch->known;
}

bool sts_watch_refresh(struct outbound *o)
{
	return !o->destination->mx_of || sts_watch_look(&o->sts, o, o->destination->mx_of, NULL, NULL);
}
