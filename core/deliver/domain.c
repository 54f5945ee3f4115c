/*
 * core/deliver/domain.c - see domain.h.
 */
#include "core/deliver/domain.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/domain_table.h"
#include "core/deliver/hold.h"
#include "core/deliver/mx.h"
#include "core/deliver/outbound.h"
#include "core/deliver/outbound_site.h"
#include "core/deliver/sts_watch.h"
#include "core/deliver/tell.h"
#include "core/deliver/tls_tally_policy.h"
#include "core/deliver/verdict.h"
#include "core/shard/shard.h"
#include "core/store/mail.h"

enum {
	KEPT_S = 300,        /* what nobody asks about is forgotten after so long */
	AGAIN_FIRST_S = 5,   /* until a domain that nobody knows is asked for again; doubles */
	AGAIN_MOST_S = 1800, /* a hundred thousand dead ones are a question a minute for each hundred of them */
	AGAIN_DOUBLINGS = 9,
	UNHEARD_MOST_S = 60,   /* the same while nobody is answered: as for hosts of destinations (names.c) */
	SHORT_S = 1,           /* no memory, or no room: again */
	WITHOUT_DOUBLINGS = 5, /* of that, while all lanes are taken */
	ROWS_LOOKED_AT = 2,
	DOUBT_MOST = 8, /* domains of a lane that are asked for in a turn */
};

/* Questions at a time (struct domains): more than the agent asks for at a time, as it gives places of those that are
 * not answered to others only where there are others (dns_places.c); and few of those that may be silent for long. */
static const unsigned asking_most[2] = {256, 32};

/* One question under way: the MX of the domain, or, as it has none, its own addresses. */
struct asking {
	struct dns_exchangers_question q;
	struct domain *domain;
	struct dns *of;
	bool again; /* which kind (struct domains) */
	bool implicit;
};

static void ask(struct domain *domain);

/* ---- the table -------------------------------------------------------------------------------------------------- */

static void on_timer(struct wheel_timer *timer);

static struct domain *domain_new(struct domains *domains, const char *name, uint32_t hash)
{
	size_t size = strlen(name) + 1;
	struct domain *domain = calloc(1, sizeof(*domain) + size);

	if (!domain)
		return NULL;
	domain->of = domains;
	domain->hash = hash;
	domain->due_ns = domains->home->shard->now_ns;
	list_init(&domain->link);
	list_init(&domain->mail);
	list_init(&domain->free);
	wheel_timer_init(&domain->timer, on_timer);
	memcpy(domain->name, name, size);
	domain_table_put(domains, domain);
	return domain;
}

static void domain_free(struct domain *domain)
{
	struct domains *domains = domain->of;

	wheel_disarm(&domains->home->shard->wheel, &domain->timer);
	if (list_linked(&domain->link))
		list_remove(&domain->link);
	free(domain->asking);
	sts_watch_free(domain->sts);
	free(domain->problem);
	free(domain);
}

static void forget(struct domain *domain)
{
	assert(!domain->asking && !domain->watching && list_empty(&domain->mail) && list_empty(&domain->free));
	domain_table_take(domain->of, domain);
	domain_free(domain);
}

static uint64_t now_of(const struct domain *domain)
{
	return domain->of->home->shard->now_ns;
}

static void arm(struct domain *domain, uint64_t when_ns)
{
	wheel_arm(&domain->of->home->shard->wheel, &domain->timer, when_ns);
}

/* ---- its mail --------------------------------------------------------------------------------------------------- */

void domain_lend(struct domain *domain, struct delivery *d)
{
	struct outbound *lane = domain->lane;

	d->home = (uint16_t)(domain->of->home->index + 1);
	d->lane = (uint16_t)lane->index;
	lane->lent_to = true;
	outbound_wake(lane->shard, lane->index);
}

static void give(struct domain *domain, struct delivery *d)
{
	domain_lend(domain, d);
	lane_ready(&domain->lane->lane, d);
}

static void keep(struct domain *domain, struct delivery *d, bool free)
{
	d->place = DELIVERY_SORTED;
	list_append(free ? &domain->free : &domain->mail, &d->link);
	domain->of->waiting++;
}

static struct delivery *first_of(struct domain *domain)
{
	const struct list *line = list_empty(&domain->mail) ? &domain->free : &domain->mail;

	return list_empty(line) ? NULL : container_of(line->next, struct delivery, link);
}

void domains_withdraw(struct domains *domains, struct delivery *d)
{
	list_remove(&d->link);
	d->place = DELIVERY_NONE;
	domains->waiting--;
}

static struct delivery *take_first(struct domain *domain)
{
	struct delivery *d = first_of(domain);

	domains_withdraw(domain->of, d);
	return d;
}

/* To its lane, where it is looked at again. */
static void send_home(struct domain *domain)
{
	struct outbound *home = domain->of->home;

	while (first_of(domain))
		lane_ready(&home->lane, take_first(domain));
	outbound_wake(home->shard, home->index);
}

bool domain_suspended(const struct domain *domain)
{
	const struct outbound *home = domain->of->home;

	return suspend_holds_domain(&home->shard->deliverer->shared->suspensions, home->destination->name, domain->name,
				    home->shard->now_ns);
}

void domain_keep(struct domain *domain, struct delivery *d)
{
	keep(domain, d, false);
	arm(domain, now_of(domain) + SHORT_S * CLOCK_NS_PER_S);
}

static void send_on(struct domain *domain)
{
	if (!list_empty(&domain->mail) && domain_suspended(domain)) {
		arm(domain, now_of(domain) + SHORT_S * CLOCK_NS_PER_S);
		return;
	}
	while (!list_empty(&domain->mail))
		give(domain, take_first(domain));
}

/* Its own lane is another one, which nothing is remembered of: reports are few. */
static void send_free(struct domain *domain, const struct dns_exchanger *list, unsigned count)
{
	struct outbound *lane, *own = domain->lane;
	struct list *link;

	if (list_empty(&domain->free))
		return;
	lane = domain->of->open(domain->of->home, list, count, (struct mx_terms){.free = true});
	domain->lane = lane;
	while (lane && (link = list_take_first(&domain->free)) != NULL) {
		struct delivery *d = container_of(link, struct delivery, link);
		d->place = DELIVERY_NONE;
		domain->of->waiting--;
		give(domain, d);
	}
	domain->lane = own;
}

bool domain_outlived(const struct domain *domain, const struct delivery *d)
{
	const struct outbound *home = domain->of->home;
	const struct verdict_age age = {
		.age_ns = shard_age_ns(home->shard, mail_of(d)->accepted_wall_ns),
		.uptime_ns = hold_uptime_ns(home),
		.expire_ns = home->shard->config->retry.expire_ns,
		.tried = domain->failures,
	};

	return domain->state == DOMAIN_FAILED && verdict_expired(&age);
}

/* ---- an answer -------------------------------------------------------------------------------------------------- */

/* What waits at the lane that it leaves, where every host fails, is looked at again: it may be this domain's. */
static void set_lane(struct domain *domain, struct outbound *lane)
{
	struct outbound *before = domain->lane;

	if (before && before == lane)
		return;
	if (list_linked(&domain->link))
		list_remove(&domain->link);
	domain->lane = lane;
	if (lane)
		list_append(&lane->mx->domains, &domain->link);
	if (!before)
		return;
	before->mx->moved = before->mx->moved || before->mx->failing;
	outbound_wake(before->shard, before->index);
}

static void refuse(struct domain *domain, enum domain_refusal refusal, uint64_t valid_ns)
{
	set_lane(domain, NULL);
	domain->state = DOMAIN_REFUSED;
	domain->refusal = (uint8_t)refusal;
	domain->due_ns = now_of(domain) + valid_ns;
	domain->failures = domain->alone = 0;
	domain->doubtful = false;
	send_home(domain);
	arm(domain, domain->due_ns);
}

/* The domain is to blame if another one was answered since it failed the last time. Else it may be the name servers,
 * which are back one day for all: nobody is to wait for half an hour more then. */
static uint64_t pause_of(struct domain *domain)
{
	bool heard = domain->heard != domain->of->heard;
	unsigned before = heard ? domain->alone : domain->failures, most = heard ? AGAIN_MOST_S : UNHEARD_MOST_S;
	uint64_t pause = (uint64_t)AGAIN_FIRST_S << (before < AGAIN_DOUBLINGS ? before : AGAIN_DOUBLINGS);

	domain->heard = domain->of->heard;
	if (heard && domain->alone < UINT8_MAX)
		domain->alone++;
	if (pause > most)
		pause = most;
	pause *= CLOCK_NS_PER_S;
	/* Those that failed together are not asked for together. */
	return pause - random_below(&domain->of->home->shard->random, pause / 4);
}

static void fail(struct domain *domain, const char *problem)
{
	uint64_t pause = pause_of(domain);

	if (domain->failures < UINT16_MAX)
		domain->failures++;
	free(domain->problem);
	domain->problem = strdup(problem);
	domain->due_ns = now_of(domain) + pause;
	arm(domain, domain->due_ns);
	tell_domain_failed(domain->of->home, domain->name, problem, domain->lane != NULL, pause);
	if (domain->lane)
		return; /* what was known stays in force */
	domain->state = DOMAIN_FAILED;
	/* The first are the oldest, as far as it matters. */
	while (first_of(domain) && domain_outlived(domain, first_of(domain))) {
		lane_ready(&domain->of->home->lane, take_first(domain));
		outbound_wake(domain->of->home->shard, domain->of->home->index);
	}
}

/* No memory, or too many questions: nothing is known, and it is asked for again soon. */
static void put_off(struct domain *domain)
{
	if (domain->lane) {
		domain->due_ns = now_of(domain) + SHORT_S * CLOCK_NS_PER_S;
		return;
	}
	domain->state = DOMAIN_NEW;
	arm(domain, now_of(domain) + SHORT_S * CLOCK_NS_PER_S);
}

/* All lanes are taken. One is free when some site has had no mail for a moment; a hundred thousand domains that wait
 * for it are not all asked for each second. */
static uint64_t wait_for_lane(struct domain *domain)
{
	uint64_t pause = (SHORT_S * CLOCK_NS_PER_S) << domain->without;

	if (domain->without < WITHOUT_DOUBLINGS)
		domain->without++;
	return now_of(domain) + pause - random_below(&domain->of->home->shard->random, pause / 4);
}

static void no_lane(struct domain *domain)
{
	uint64_t when_ns = wait_for_lane(domain);

	if (domain->lane)
		domain->due_ns = when_ns;
	else
		domain->state = DOMAIN_NEW;
	if (!domain->lane || !list_empty(&domain->free))
		arm(domain, when_ns);
}

/* Only those that the policy names stay in the list (RFC 8461 5); false: none. */
static bool name_hosts(const struct mta_sts_policy *policy, struct dns_exchanger *list, unsigned *count)
{
	unsigned left = 0;

	for (unsigned i = 0; i < *count; i++) {
		if (mta_sts_policy_names(policy, list[i].name))
			list[left++] = list[i];
	}
	*count = left;
	return left > 0;
}

/* Mail must not go on as before: its hosts have to prove more (RELIABILITY I6). */
static bool stricter(const struct lane_site *now, const struct lane_site *before)
{
	return (now->enforced && !before->enforced) || (now->secure && !before->secure);
}

static void know(struct domain *domain, struct dns_exchanger *list, unsigned count, bool secure, uint64_t valid_ns)
{
	const struct mta_sts_policy *policy = sts_watch_demands(domain->sts);
	struct outbound *lane;

	send_free(domain, list, count);
	if (policy && !name_hosts(policy, list, &count)) {
		tls_tally_foreign(domain->of->home, domain->name, domain->sts, list[0].name);
		/* Nor does its mail stay where it went before. */
		if (domain->lane)
			domain->lane->mx->moved = true;
		set_lane(domain, NULL);
		fail(domain, "none of its hosts is one that its MTA-STS policy names");
		return;
	}
	lane = domain->of->open(domain->of->home, list, count,
				(struct mx_terms){.secure = secure, .enforced = policy != NULL});
	if (!lane) {
		no_lane(domain);
		return;
	}
	if (domain->lane && stricter(lane->mx, domain->lane->mx))
		domain->lane->mx->moved = true;
	set_lane(domain, lane);
	domain->state = DOMAIN_KNOWN;
	domain->failures = domain->alone = 0;
	domain->doubtful = false;
	domain->due_ns = now_of(domain) + valid_ns;
	send_on(domain);
	if (list_empty(&domain->free))
		domain->without = 0;
	else
		arm(domain, wait_for_lane(domain));
}

/* The MX that were answered; none: a null MX, or such as no mail can go to. */
static void take_exchangers(struct domain *domain, struct dns_exchangers_question *q)
{
	const struct shard *shard = domain->of->home->shard;

	if (q->count == 0 && q->null)
		refuse(domain, DOMAIN_NULL_MX, q->base.valid_ns);
	else if (q->count == 0)
		fail(domain, "none of its MX records names a host");
	else if (!mx_choose(q->list, &q->count, shard->config->hostname))
		fail(domain, "its best MX is this relay itself: mail for it would come back");
	else
		know(domain, q->list, q->count, q->base.secure, q->base.valid_ns);
}

/* Without MX it is its own host, if it has an address (RFC 5321 5.1). */
static void take_addresses(struct domain *domain, struct dns_question *q)
{
	struct dns_exchanger own = {.preference = 0};

	if (q->question.result == -ENOENT) {
		refuse(domain, DOMAIN_NO_HOST, q->valid_ns);
		return;
	}
	snprintf(own.name, sizeof(own.name), "%s", domain->name);
	know(domain, &own, 1, q->secure, q->valid_ns);
}

/* Nobody says anything in a moment: apart from others it has longer. */
static void ask_again(struct domain *domain)
{
	domain->doubtful = true;
	ask(domain);
}

static void take_answer(struct domain *domain, struct asking *a)
{
	struct dns_question *base = &a->q.base;
	int result = base->question.result;

	domain->of->heard += result == 0 || result == -ENOENT;
	if (a->implicit ? result == 0 || result == -ENOENT : result == 0)
		a->implicit ? take_addresses(domain, base) : take_exchangers(domain, &a->q);
	else if (!a->implicit && result == -ENOENT)
		refuse(domain, DOMAIN_UNKNOWN, base->valid_ns);
	else if (result == -EBUSY)
		put_off(domain);
	else if (result == -EAGAIN)
		ask_again(domain);
	else
		fail(domain, base->problem[0] ? base->problem : "it cannot be asked for");
}

/* ---- asking ----------------------------------------------------------------------------------------------------- */

static bool is_again(const struct domain *domain)
{
	return domain->doubtful || domain->failures > 0;
}

/* The oldest and the newest take turns: who comes behind thousands that are silent need not wait for them all. */
static void ask_next(struct domains *domains, bool again)
{
	struct list *queue = &domains->queues[again];

	while (domains->asking[again] < asking_most[again] && !list_empty(queue)) {
		struct list *link = domains->newest_next[again] ? queue->prev : queue->next;
		domains->newest_next[again] = !domains->newest_next[again];
		list_remove(link);
		ask(container_of(link, struct domain, link));
	}
}

static void post(struct asking *a)
{
	struct outbound *home = a->domain->of->home;

	a->of = home->dns;
	a->q.base.name = a->domain->name;
	a->q.base.port = home->destination->mx_port;
	a->q.base.whole = true;
	a->q.base.strange = true;
	a->q.base.doubtful = a->again;
	a->q.base.brief = !a->again;
	a->q.base.wanted_ns = a->domain->due_ns;
	a->q.base.question.deadline_ns = home->shard->now_ns + DNS_TIMEOUT_MS * CLOCK_NS_PER_MS;
	if (a->implicit)
		dns_ask(a->of, home->shard->asker, &a->q.base);
	else
		dns_ask_exchangers(a->of, home->shard->asker, &a->q);
}

static bool in_force(const struct domains *domains)
{
	return domains->home->destination->mx && !domains->home->destination->gone;
}

static void on_answer(struct question *question)
{
	struct dns_question *base = container_of(question, struct dns_question, question);
	struct asking *a = container_of(container_of(base, struct dns_exchangers_question, base), struct asking, q);
	struct domain *domain = a->domain;
	struct domains *domains = domain->of;
	bool other = a->of != domains->home->dns || question->result == -ECANCELED;

	/* It has no MX: the same question goes on for its addresses. */
	if (!other && in_force(domains) && question->result == -ENODATA && !a->implicit) {
		a->implicit = true;
		a->q.base.exchangers = false;
		post(a);
		return;
	}
	domain->asking = NULL;
	domains->asking[a->again]--;
	if (!in_force(domains)) {
		if (!domain->lane)
			domain->state = DOMAIN_NEW;
		arm(domain, domains->home->shard->now_ns + CLOCK_NS_PER_S);
	} else if (other) {
		ask(domain);
	} else {
		take_answer(domain, a);
	}
	free(a);
	ask_next(domains, false);
	ask_next(domains, true);
}

/* What it demands of TLS is known, or is found out by now; else it is asked for its hosts when it is known. */
static void on_policy(struct sts_watch *watch)
{
	struct domain *domain = watch->of;

	if (domain->watching)
		domain->of->watching--;
	domain->watching = false;
	if (!watch->known)
		put_off(domain);
	else if (in_force(domain->of))
		ask(domain);
	else
		arm(domain, now_of(domain) + CLOCK_NS_PER_S);
}

static bool knows_policy(struct domain *domain)
{
	bool known = sts_watch_look(&domain->sts, domain->of->home, domain->name, on_policy, domain);

	if (sts_watch_out(domain->sts) && !domain->watching) {
		domain->watching = true;
		domain->of->watching++;
	}
	if (!known && !domain->watching)
		put_off(domain);
	return known;
}

static void ask(struct domain *domain)
{
	struct domains *domains = domain->of;
	bool again = is_again(domain);
	struct asking *a;

	if (domain->asking)
		return;
	if (!in_force(domains)) {
		/* Nor may there be anybody to ask. It goes, and its mail with it. */
		arm(domain, now_of(domain) + SHORT_S * CLOCK_NS_PER_S);
		return;
	}
	if (!knows_policy(domain))
		return;
	if (domains->asking[again] >= asking_most[again]) {
		/* What is known stays in force, and is asked for another time. */
		if (!domain->lane && !list_linked(&domain->link))
			list_append(&domains->queues[again], &domain->link);
		return;
	}
	if (!domain->lane && list_linked(&domain->link))
		list_remove(&domain->link);
	a = calloc(1, sizeof(*a));
	if (!a) {
		put_off(domain);
		return;
	}
	a->domain = domain;
	a->again = again;
	a->q.base.question.fn = on_answer;
	domain->asking = a;
	domains->asking[again]++;
	post(a);
}

/* Where its hosts are known nothing would be asked, or not now: then it is looked at again. */
static void ask_for_free(struct domain *domain)
{
	ask(domain);
	if (domain->lane && !domain->asking && !domain->watching && !list_empty(&domain->free))
		arm(domain, now_of(domain) + SHORT_S * CLOCK_NS_PER_S);
}

static void on_timer(struct wheel_timer *timer)
{
	struct domain *domain = container_of(timer, struct domain, timer);
	uint64_t unused_ns = domain->used_ns + KEPT_S * CLOCK_NS_PER_S;

	/* It was suspended, and may be so still. */
	if (domain->lane && !list_empty(&domain->mail)) {
		send_on(domain);
		tell_suspensions_over(domain->of->home->shard);
		if (list_empty(&domain->free))
			return;
	}
	if (domain->asking || domain->watching || (list_linked(&domain->link) && list_empty(&domain->free))) {
		/* Its answer, or its lane's end, is next. */
		return;
	}
	if (first_of(domain)) {
		if (in_force(domain->of) && domain_suspended(domain))
			arm(domain, now_of(domain) + SHORT_S * CLOCK_NS_PER_S);
		else if (in_force(domain->of))
			ask_for_free(domain);
		else
			send_home(domain);
		return;
	}
	if (domain->state == DOMAIN_FAILED && unused_ns > now_of(domain))
		arm(domain, unused_ns);
	else
		forget(domain);
}

/* ---- for the lane ----------------------------------------------------------------------------------------------- */

struct domains *domains_new(struct outbound *home)
{
	struct domains *domains = calloc(1, sizeof(*domains));

	if (!domains)
		return NULL;
	domains->home = home;
	list_init(&domains->queues[false]);
	list_init(&domains->queues[true]);
	if (domain_table_init(domains))
		return domains;
	free(domains);
	return NULL;
}

void domains_free(struct domains *domains)
{
	if (!domains)
		return;
	for (size_t i = 0; i < domains->row_count; i++) {
		while (domains->rows[i]) {
			struct domain *domain = domains->rows[i];
			domains->rows[i] = domain->next;
			domain_free(domain);
		}
	}
	free(domains->rows);
	free(domains);
}

/* Where its mail may go is found out anew, and none goes before. */
static void know_nothing(struct domain *domain)
{
	domain->lane->mx->moved = true;
	set_lane(domain, NULL);
	domain->state = DOMAIN_NEW;
	domain->without = 0; /* who has mail for it next asks */
	arm(domain, domain->used_ns + KEPT_S * CLOCK_NS_PER_S);
}

/* Others are asked now, and may know. */
static void ask_soon(struct domain *domain)
{
	domain->alone = 0;
	arm(domain, now_of(domain) + CLOCK_NS_PER_MS);
}

void domains_follow(struct domains *domains, bool demands)
{
	for (size_t i = 0; i < domains->row_count; i++) {
		for (struct domain *domain = domains->rows[i]; domain; domain = domain->next) {
			if (domain->asking)
				question_give_up(&domain->asking->q.base.question);
			domain->due_ns = 0;
			if (demands && domain->lane)
				know_nothing(domain);
			if (!in_force(domains))
				send_home(domain);
			else if (domain->state == DOMAIN_FAILED && first_of(domain))
				ask_soon(domain);
		}
	}
}

void domains_look(struct domains *domains, const char *name)
{
	struct domain *domain = domain_table_find(domains, name, domain_table_hash(name));

	if (!domain)
		return;
	/* What waits in the lane of its site comes back, and is sorted anew. */
	if (domain->lane) {
		domain->lane->mx->moved = true;
		outbound_wake(domain->lane->shard, domain->lane->index);
	}
	if (first_of(domain))
		arm(domain, now_of(domain) + CLOCK_NS_PER_MS);
}

bool domains_busy(const struct domains *domains)
{
	return domains->asking[false] + domains->asking[true] > 0 || domains->watching > 0 || domains->waiting > 0;
}

static bool is_unused(const struct domain *domain)
{
	return domain->lane && !domain->asking && !domain->watching && list_empty(&domain->mail) &&
	       list_empty(&domain->free) && domain->due_ns <= now_of(domain) &&
	       domain->used_ns + KEPT_S * CLOCK_NS_PER_S <= now_of(domain);
}

/* Lanes of large providers never go, and a million domains have their mail there: with each that comes one row or two
 * are looked at. */
static void make_room(struct domains *domains)
{
	for (unsigned n = 0; n < ROWS_LOOKED_AT; n++) {
		struct domain *domain = domains->rows[domains->hand++ & (domains->row_count - 1)], *next;
		for (; domain; domain = next) {
			next = domain->next;
			if (is_unused(domain))
				forget(domain);
		}
	}
}

struct domain *domain_find(struct domains *domains, const char *name)
{
	uint32_t hash = domain_table_hash(name);
	struct domain *domain = domain_table_find(domains, name, hash);

	if (!domain) {
		make_room(domains);
		domain = domain_new(domains, name, hash);
	}
	if (!domain)
		return NULL;
	domain->used_ns = now_of(domain);
	if (domain->state == DOMAIN_REFUSED && domain->due_ns <= domain->used_ns)
		domain->state = DOMAIN_NEW;
	/* One that failed has its time, and so has one that waits for a lane. */
	if ((domain->state == DOMAIN_NEW && domain->without == 0) ||
	    (domain->lane && domain->due_ns <= domain->used_ns))
		ask(domain);
	return domain;
}

const struct domain *domain_known(const struct domains *domains, const char *name)
{
	return domain_table_find(domains, name, domain_table_hash(name));
}

void domain_take(struct domain *domain, struct delivery *d, bool free)
{
	assert(domain->state != DOMAIN_REFUSED);
	if (domain->lane && !free)
		give(domain, d);
	else
		keep(domain, d, free);
	if (domain->lane && free)
		ask_for_free(domain);
}

const char *domain_refuses(const struct domain *domain, unsigned *code)
{
	static const struct {
		unsigned code;
		const char *text;
	} refusals[] = {
		[DOMAIN_NULL_MX] = {556, "5.1.10 the recipient's domain takes no mail (null MX, RFC 7505)"},
		[DOMAIN_UNKNOWN] = {550, "5.1.2 there is no such domain as the recipient's (NXDOMAIN)"},
		[DOMAIN_NO_HOST] = {550,
				    "5.1.2 the recipient's domain has no MX and no address: no host takes its mail"},
	};

	if (domain->state != DOMAIN_REFUSED)
		return NULL;
	*code = refusals[domain->refusal].code;
	return refusals[domain->refusal].text;
}

void domains_leave(struct outbound *lane)
{
	struct list *link;

	while ((link = list_take_first(&lane->mx->domains)) != NULL) {
		struct domain *domain = container_of(link, struct domain, link);
		domain->lane = NULL;
		domain->state = DOMAIN_NEW;
		if (!domain->asking && !domain->watching && !first_of(domain))
			forget(domain);
	}
}

void domains_doubt(struct outbound *lane)
{
	struct list *all = &lane->mx->domains, *link;
	unsigned n;

	for (n = 0; n < DOUBT_MOST && !list_empty(all); n++) {
		struct domain *domain = container_of(all->next, struct domain, link);
		if (domain->due_ns > now_of(domain) || domain->asking)
			break;
		/* To the end of the line. */
		link = list_take_first(all);
		list_append(all, link);
		ask(domain);
	}
}
