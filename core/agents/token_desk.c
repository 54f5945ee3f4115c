/*
 * core/agents/token_desk.c - see token_desk.h.
 */
#include "core/agents/token_desk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/events/signing.h"

enum {
	IDLE_MS = 60000, /* nothing to do; identities that nobody holds are found then */
	SPARE_S = 10,    /* a token ends so long before its end, for the way to the next hop */
	SPARE_PART = 10, /* or this part of its life */
	AGAIN_MIN_MS = 500,
};

static struct token_question *asked_by(struct question *question)
{
	return container_of(question, struct token_question, question);
}

/* ---- answers -------------------------------------------------------------------------------------------------- */

/* In how long it may be asked again. */
static uint64_t pause_ns(const struct token_cache *cache, uint64_t now_ns)
{
	uint64_t again_ns = token_cache_again_ns(cache), least_ns = AGAIN_MIN_MS * CLOCK_NS_PER_MS;

	return again_ns > now_ns + least_ns ? again_ns - now_ns : least_ns;
}

/* Where it was rejected, why there is no other. */
static void give(struct token_desk *desk, const struct token_identity *identity, struct token_question *q,
		 struct token *token, uint64_t now_ns)
{
	const struct token_cache *cache = &identity->cache;

	atomic_fetch_add_explicit(&token->users, 1, memory_order_relaxed);
	q->token = token;
	q->doubtful = token_cache_doubtful(cache, now_ns);
	q->again_ns = q->doubtful ? pause_ns(cache, now_ns) : 0;
	snprintf(q->problem, sizeof(q->problem), "%s", q->doubtful ? cache->problem : "");
	agent_answer(desk->agent, &q->question, 0);
}

static void refuse(struct token_desk *desk, struct token_question *q, int result, const char *problem,
		   uint64_t again_ns)
{
	q->token = NULL;
	q->doubtful = false;
	q->again_ns = again_ns > AGAIN_MIN_MS * CLOCK_NS_PER_MS ? again_ns : AGAIN_MIN_MS * CLOCK_NS_PER_MS;
	snprintf(q->problem, sizeof(q->problem), "%s", problem);
	agent_answer(desk->agent, &q->question, result);
}

/* By what there is: the token, even if it was rejected, or why there is none. */
static void answer(struct token_desk *desk, struct token_identity *identity, struct token_question *q, uint64_t now_ns)
{
	const struct token_cache *cache = &identity->cache;
	struct token *token = token_cache_given(cache, now_ns);

	if (token)
		give(desk, identity, q, token, now_ns);
	else
		refuse(desk, q, cache->refused ? -EACCES : -EAGAIN, cache->problem, pause_ns(cache, now_ns));
}

static void answer_waiting(struct token_desk *desk, struct token_identity *identity, uint64_t now_ns)
{
	struct question *question = identity->waiting, *next;

	identity->waiting = NULL;
	identity->waiting_end = &identity->waiting;
	for (; question; question = next) {
		next = question->next;
		answer(desk, identity, asked_by(question), now_ns);
	}
}

/* Those whose time is up, or who do not want to know any more. Returns the next deadline. */
static uint64_t look_at_waiting(struct token_desk *desk, struct token_identity *identity, uint64_t now_ns)
{
	struct question **at = &identity->waiting, *question;
	uint64_t next_ns = UINT64_MAX;

	while ((question = *at) != NULL) {
		bool given_up = question_given_up(question);
		if (!given_up && question->deadline_ns > now_ns) {
			next_ns = question->deadline_ns < next_ns ? question->deadline_ns : next_ns;
			at = &question->next;
			continue;
		}
		*at = question->next;
		if (given_up)
			refuse(desk, asked_by(question), -ECANCELED, "", 0);
		else
			refuse(desk, asked_by(question), -ETIMEDOUT, "the token endpoint has not answered yet", 0);
	}
	identity->waiting_end = at;
	return next_ns;
}

/* ---- a fetch -------------------------------------------------------------------------------------------------- */

void token_desk_given(struct token_desk *desk, struct token_identity *identity, const char *text, size_t length,
		      uint64_t life_s, uint64_t started_ns, uint64_t now_ns)
{
	uint64_t spare_s = life_s / SPARE_PART < SPARE_S ? life_s / SPARE_PART : SPARE_S;
	struct token *token = token_new(text, length, started_ns + (life_s - spare_s) * CLOCK_NS_PER_S);

	if (!token) {
		token_desk_failed(desk, identity, &(struct token_failure){.problem = "out of memory"}, now_ns);
		return;
	}
	if (desk->log)
		event_token(desk->log, identity->name, life_s, identity->cache.failures,
			    (now_ns - started_ns) / CLOCK_NS_PER_MS);
	desk->jobs--;
	identity->fetched_ns = now_ns;
	token_cache_fetched(&identity->cache, token, now_ns, random_u64(&desk->random));
	atomic_store_explicit(&identity->until_ns, started_ns + (life_s - spare_s) * CLOCK_NS_PER_S,
			      memory_order_relaxed);
	answer_waiting(desk, identity, now_ns);
}

static bool same_endpoint(const struct token_identity *a, const struct token_identity *b)
{
	return a->oauth.token_url && b->oauth.token_url && strcmp(a->oauth.token_url, b->oauth.token_url) == 0;
}

/* Too many requests: whoever asks at the same place waits as well. */
static void take_pause(struct token_cache *cache, const struct token_cache *from)
{
	token_cache_pause(cache, from->pause_ns);
	if (!cache->problem[0])
		snprintf(cache->problem, sizeof(cache->problem), "%s", from->problem);
}

static void pause_all(struct token_desk *desk, const struct token_identity *of)
{
	struct list *link;

	for (link = desk->active.next; link != &desk->active; link = link->next) {
		struct token_identity *identity = container_of(link, struct token_identity, active);
		if (identity != of && same_endpoint(identity, of))
			take_pause(&identity->cache, &of->cache);
	}
}

static void tell_failed(const struct token_desk *desk, const struct token_identity *identity, uint64_t now_ns)
{
	const struct token_cache *cache = &identity->cache;
	const struct token *token = token_cache_given(cache, now_ns);
	uint64_t waiting = 0;

	for (const struct question *question = identity->waiting; question; question = question->next)
		waiting++;
	event_token_failed(desk->log, &(struct event_token_failed){
					      .identity = identity->name,
					      .problem = cache->problem,
					      .refused = cache->refused,
					      .failures = cache->failures,
					      .again_s = (token_cache_again_ns(cache) - now_ns) / CLOCK_NS_PER_S,
					      .good_s = token ? (token->end_ns - now_ns) / CLOCK_NS_PER_S : 0,
					      .waiting = waiting});
}

void token_desk_failed(struct token_desk *desk, struct token_identity *identity, const struct token_failure *failure,
		       uint64_t now_ns)
{
	struct token_cache *cache = &identity->cache;

	desk->jobs--;
	token_cache_failed(cache, failure->refused, failure->retry_after_s, failure->problem, now_ns,
			   random_u64(&desk->random));
	if (failure->retry_after_s > 0)
		pause_all(desk, identity);
	if (desk->log)
		tell_failed(desk, identity, now_ns);
	answer_waiting(desk, identity, now_ns);
}

/* What a file has is exchanged, and may be no second time (RFC 9700 4.14.2): who shares it waits for what comes
 * of it. */
static bool file_in_use(const struct token_desk *desk, const struct token_identity *identity)
{
	const char *file = identity->oauth.grant == CONFIG_GRANT_REFRESH ? identity->oauth.refresh_token_file : NULL;
	const struct list *link;

	for (link = desk->active.next; file && link != &desk->active; link = link->next) {
		const struct token_identity *other = container_of(link, struct token_identity, active);
		if (other != identity && other->job && other->oauth.grant == CONFIG_GRANT_REFRESH &&
		    strcmp(other->oauth.refresh_token_file, file) == 0)
			return true;
	}
	return false;
}

static void begin(struct token_desk *desk, struct token_identity *identity, uint64_t now_ns)
{
	desk->jobs++;
	token_cache_begin(&identity->cache, now_ns);
	if (!desk->handler->begin(desk, identity))
		token_desk_failed(desk, identity, &(struct token_failure){.problem = "out of memory"}, now_ns);
}

/* ---- identities ----------------------------------------------------------------------------------------------- */

/* What was refused may be right now: somebody has written the files. */
static void look_at_files(const struct token_desk *desk, struct token_identity *identity)
{
	if (identity->cache.refused && identity->cache.retry_ns && desk->handler->changed(identity))
		token_cache_hurry(&identity->cache);
}

/* The first question for it. A pause that others were asked for is its own as well. */
static void come(struct token_desk *desk, struct token_identity *identity, uint64_t now_ns)
{
	struct list *link;

	for (link = desk->active.next; link != &desk->active; link = link->next) {
		const struct token_identity *other = container_of(link, struct token_identity, active);
		if (other->cache.pause_ns > now_ns && same_endpoint(identity, other))
			take_pause(&identity->cache, &other->cache);
	}
	token_identity_keep(identity);
	list_append(&desk->active, &identity->active);
}

static void take(struct token_desk *desk, struct question *question, uint64_t now_ns)
{
	struct token_question *q = asked_by(question);
	struct token_identity *identity = q->identity;

	q->token = NULL;
	if (!list_linked(&identity->active))
		come(desk, identity, now_ns);
	identity->cache.asked = true;
	look_at_files(desk, identity);
	if (question_given_up(question)) {
		refuse(desk, q, -ECANCELED, "", 0);
	} else if (token_cache_waits(&identity->cache, now_ns) &&
		   (identity->job || token_cache_due(&identity->cache, now_ns) || token_cache_soon(&identity->cache))) {
		question->next = NULL;
		*identity->waiting_end = question;
		identity->waiting_end = &question->next;
	} else {
		answer(desk, identity, q, now_ns);
	}
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Returns when to look again. */
static uint64_t look_at(struct token_desk *desk, struct token_identity *identity, uint64_t now_ns)
{
	struct token_cache *cache = &identity->cache;
	uint64_t next_ns, job_ns = now_ns;
	bool waits;

	/* Its refresh token ends where it is not used; mail may be rare. */
	if (identity->oauth.grant == CONFIG_GRANT_REFRESH && identity->fetched_ns &&
	    now_ns - identity->fetched_ns > TOKEN_KEEP_ALIVE_S * CLOCK_NS_PER_S)
		cache->asked = true;
	if (identity->job)
		job_ns = desk->handler->look(desk, identity, now_ns);
	next_ns = look_at_waiting(desk, identity, now_ns);
	/* With all places taken, or its file, it waits for one to be free, which is an event by itself. */
	waits = desk->jobs >= TOKEN_JOBS_MAX || file_in_use(desk, identity);
	if (!identity->job && !waits && token_cache_due(cache, now_ns))
		begin(desk, identity, now_ns);
	if (identity->job)
		return sooner(next_ns, job_ns);
	return sooner(next_ns, waits ? UINT64_MAX : token_cache_wake_ns(cache));
}

static uint64_t look_at_all(struct token_desk *desk, uint64_t now_ns)
{
	uint64_t next_ns = now_ns + IDLE_MS * CLOCK_NS_PER_MS;
	struct list *link, *next;

	for (link = desk->active.next; link != &desk->active; link = next) {
		struct token_identity *identity = container_of(link, struct token_identity, active);
		next = link->next;
		if (!identity->job && !identity->waiting && token_identity_forget(identity))
			continue;
		next_ns = sooner(next_ns, look_at(desk, identity, now_ns));
	}
	return next_ns;
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

void token_desk_init(struct token_desk *desk, struct agent *agent, struct log *log,
		     const struct token_desk_handler *handler)
{
	desk->agent = agent;
	desk->log = log;
	desk->handler = handler;
	desk->jobs = 0;
	random_init(&desk->random);
	list_init(&desk->active);
}

uint64_t token_desk_turn(struct token_desk *desk, uint64_t now_ns)
{
	struct question *question, *following;

	for (question = agent_take(desk->agent); question; question = following) {
		following = question->next;
		take(desk, question, now_ns);
	}
	return look_at_all(desk, now_ns);
}

void token_desk_close(struct token_desk *desk, void (*end)(struct token_desk *desk, struct token_identity *identity))
{
	struct list *link;

	while ((link = desk->active.next) != &desk->active) {
		struct token_identity *identity = container_of(link, struct token_identity, active);
		if (identity->job)
			end(desk, identity);
		identity->job = NULL;
		identity->waiting = NULL;
		identity->waiting_end = &identity->waiting;
		if (token_identity_forget(identity))
			continue;
		/* Somebody holds it still, and releases it later. */
		list_remove(&identity->active);
		token_cache_clear(&identity->cache);
		secret_wipe(&identity->refresh);
		token_identity_release(identity);
	}
}
