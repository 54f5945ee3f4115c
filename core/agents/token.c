/*
 * core/agents/token.c - see token.h: who asks, who waits, and one fetch for each identity.
 *
 * Everything below token_ask() runs on the agent's thread. It blocks in its poll only, and for a moment where files are
 * read, or a refresh token is stored.
 *
 *     an identity: known -- due, and there is room --> job -- over --> known
 *                    '-- nobody else holds it, no job, nobody waits --> forgotten
 */
#include "core/agents/token.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/agents/agent_thread.h"
#include "core/agents/fetch.h"
#include "core/agents/token_form.h"
#include "core/agents/token_identity.h"
#include "core/agents/token_job.h"
#include "core/base/clock.h"
#include "core/base/random.h"
#include "core/events/signing.h"

enum {
	JOBS_MAX = 16,   /* at a time */
	IDLE_MS = 60000, /* nothing to do; identities that nobody holds are found then */
	SPARE_S = 10,    /* a token ends so long before its end, for the way to the next hop */
	SPARE_PART = 10, /* or this part of its life */
	AGAIN_MIN_MS = 500,
};

struct tokens {
	struct agent_thread thread;
	struct token_identities identities;
	struct log *log;

	/* The thread's. */
	struct fetcher *fetcher;
	int epoll; /* the fetcher's and those of programs */
	struct random random;
	struct list active;
	unsigned jobs;
};

struct token_identity *token_identity_acquire(struct tokens *tokens, const struct config_oauth *oauth, const char *user,
					      const char *name)
{
	return token_identities_acquire(&tokens->identities, oauth, user, name);
}

static struct token_question *asked_by(struct question *question)
{
	return container_of(question, struct token_question, question);
}

/* ---- answers -------------------------------------------------------------------------------------------------- */

static void give(struct tokens *tokens, struct token_question *q, struct token *token)
{
	atomic_fetch_add_explicit(&token->users, 1, memory_order_relaxed);
	q->token = token;
	q->again_ns = 0;
	q->problem[0] = '\0';
	agent_answer(&tokens->thread.agent, &q->question, 0);
}

static void refuse(struct tokens *tokens, struct token_question *q, int result, const char *problem, uint64_t again_ns)
{
	q->token = NULL;
	q->again_ns = again_ns > AGAIN_MIN_MS * CLOCK_NS_PER_MS ? again_ns : AGAIN_MIN_MS * CLOCK_NS_PER_MS;
	snprintf(q->problem, sizeof(q->problem), "%s", problem);
	agent_answer(&tokens->thread.agent, &q->question, result);
}

/* By what there is: the token, even if it was rejected, or why there is none. */
static void answer(struct tokens *tokens, struct token_identity *identity, struct token_question *q, uint64_t now_ns)
{
	const struct token_cache *cache = &identity->cache;
	struct token *token = token_cache_good(cache, now_ns);

	if (token)
		give(tokens, q, token);
	else
		refuse(tokens, q, cache->refused ? -EACCES : -EAGAIN, cache->problem,
		       cache->retry_ns > now_ns ? cache->retry_ns - now_ns : 0);
}

static unsigned answer_waiting(struct tokens *tokens, struct token_identity *identity, uint64_t now_ns)
{
	struct question *question = identity->waiting, *next;
	unsigned count = 0;

	identity->waiting = NULL;
	identity->waiting_end = &identity->waiting;
	for (; question; question = next) {
		next = question->next;
		answer(tokens, identity, asked_by(question), now_ns);
		count++;
	}
	return count;
}

/* Those whose time is up, or who do not want to know any more. Returns the next deadline. */
static uint64_t look_at_waiting(struct tokens *tokens, struct token_identity *identity, uint64_t now_ns)
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
			refuse(tokens, asked_by(question), -ECANCELED, "", 0);
		else
			refuse(tokens, asked_by(question), -ETIMEDOUT, "the token endpoint has not answered yet", 0);
	}
	identity->waiting_end = at;
	return next_ns;
}

/* ---- a fetch -------------------------------------------------------------------------------------------------- */

static void start_job(struct tokens *tokens, struct token_identity *identity)
{
	struct token_job *job = identity->job;
	const struct secret *refresh = NULL;
	uint64_t stamp = token_form_stamp(&identity->oauth);
	struct epoll_event event = {.events = EPOLLIN};

	/* A file that somebody has written meanwhile is newer than what could not be stored. */
	if (identity->refresh.text && identity->stamp == stamp)
		refresh = &identity->refresh;
	identity->stamp = stamp;
	job->oauth = &identity->oauth;
	job->user = identity->user;
	token_job_start(job, tokens->fetcher, refresh, identity->skew_s);
	if (token_job_fd(job) >= 0)
		(void)epoll_ctl(tokens->epoll, EPOLL_CTL_ADD, token_job_fd(job), &event);
}

static void begin(struct tokens *tokens, struct token_identity *identity, uint64_t now_ns)
{
	identity->job = calloc(1, sizeof(*identity->job));
	if (!identity->job) {
		token_cache_failed(&identity->cache, false, 0, "out of memory", now_ns, 0);
		(void)answer_waiting(tokens, identity, now_ns);
		return;
	}
	tokens->jobs++;
	token_cache_begin(&identity->cache, now_ns);
	start_job(tokens, identity);
}

/* Stored before anybody uses what came with it. */
static void keep_refresh_token(struct tokens *tokens, struct token_identity *identity)
{
	struct token_job *job = identity->job;
	char problem[200];
	int r = 0;

	if (!job->reply.refresh_token.text)
		return;
	if (identity->stamp == token_form_stamp(&identity->oauth))
		r = token_job_save(job);
	identity->stamp = token_form_stamp(&identity->oauth);
	secret_wipe(&identity->refresh);
	if (r == 0)
		return;
	identity->refresh = job->reply.refresh_token;
	memset(&job->reply.refresh_token, 0, sizeof(job->reply.refresh_token));
	snprintf(problem, sizeof(problem),
		 "the new refresh token cannot be stored (%s), and will be lost with this process: let its user write "
		 "the "
		 "file and its directory",
		 strerror(-r));
	if (tokens->log)
		event_token_unsaved(tokens->log, identity->name, identity->oauth.refresh_token_file, problem);
}

static void fetched(struct tokens *tokens, struct token_identity *identity, uint64_t now_ns)
{
	struct token_job *job = identity->job;
	uint64_t life_s = job->reply.lifetime_s;
	uint64_t spare_s = life_s / SPARE_PART < SPARE_S ? life_s / SPARE_PART : SPARE_S;
	struct token *token = token_new(job->reply.access_token.text, job->reply.access_token.length,
					job->started_ns + (life_s - spare_s) * CLOCK_NS_PER_S);

	keep_refresh_token(tokens, identity);
	if (!token) {
		token_cache_failed(&identity->cache, false, 0, "out of memory", now_ns, 0);
		return;
	}
	if (identity->skew_s != 0 && job->skew_s != 0)
		identity->skew_s = job->skew_s;
	if (tokens->log)
		event_token(tokens->log, identity->name, life_s, identity->cache.failures,
			    (now_ns - job->started_ns) / CLOCK_NS_PER_MS);
	identity->fetched_ns = now_ns;
	token_cache_fetched(&identity->cache, token, now_ns, random_u64(&tokens->random));
}

/* Too many requests: whoever asks at the same place waits as well. */
static void pause_all(struct tokens *tokens, const struct token_identity *of, uint64_t until_ns)
{
	struct list *link;

	for (link = tokens->active.next; link != &tokens->active; link = link->next) {
		struct token_identity *identity = container_of(link, struct token_identity, active);
		const char *a = identity->oauth.token_url, *b = of->oauth.token_url;
		if (identity != of && a && b && strcmp(a, b) == 0 && identity->cache.retry_ns < until_ns) {
			identity->cache.retry_ns = until_ns;
			if (!identity->cache.problem[0])
				snprintf(identity->cache.problem, sizeof(identity->cache.problem), "%s",
					 of->cache.problem);
		}
	}
}

static void failed(struct tokens *tokens, struct token_identity *identity, uint64_t now_ns)
{
	struct token_job *job = identity->job;
	bool refused = job->reply.outcome != TOKEN_LATER;
	struct token_cache *cache = &identity->cache;
	struct token *token = token_cache_good(cache, now_ns);
	unsigned waiting = 0;

	token_cache_failed(cache, refused, job->retry_after_s, job->reply.problem, now_ns, random_u64(&tokens->random));
	if (job->retry_after_s > 0)
		pause_all(tokens, identity, cache->retry_ns);
	for (const struct question *question = identity->waiting; question; question = question->next)
		waiting++;
	const struct event_token_failed event = {.identity = identity->name,
						 .problem = cache->problem,
						 .refused = refused,
						 .failures = cache->failures,
						 .again_s = (cache->retry_ns - now_ns) / CLOCK_NS_PER_S,
						 .good_s = token ? (token->end_ns - now_ns) / CLOCK_NS_PER_S : 0,
						 .waiting = waiting};
	if (tokens->log)
		event_token_failed(tokens->log, &event);
}

static void finish(struct tokens *tokens, struct token_identity *identity, uint64_t now_ns)
{
	struct token_job *job = identity->job;

	/* Once with the endpoint's clock, if it tells and differs. */
	if (job->reply.outcome == TOKEN_CLOCK && job->skew_s != 0 && identity->skew_s == 0) {
		identity->skew_s = job->skew_s;
		token_job_end(job, tokens->fetcher);
		start_job(tokens, identity);
		if (!job->over)
			return;
	}
	if (job->reply.outcome == TOKEN_GIVEN)
		fetched(tokens, identity, now_ns);
	else
		failed(tokens, identity, now_ns);
	if (job->reply.outcome == TOKEN_CLOCK)
		identity->skew_s = 0; /* it may have changed: the next try finds out */
	token_job_end(job, tokens->fetcher);
	free(job);
	identity->job = NULL;
	tokens->jobs--;
	(void)answer_waiting(tokens, identity, now_ns);
}

/* ---- identities ----------------------------------------------------------------------------------------------- */

/* What was refused may be right now: somebody has written the files. */
static void look_at_files(struct token_identity *identity)
{
	if (identity->cache.refused && identity->cache.retry_ns &&
	    identity->stamp != token_form_stamp(&identity->oauth))
		token_cache_hurry(&identity->cache);
}

static void take(struct tokens *tokens, struct question *question, uint64_t now_ns)
{
	struct token_question *q = asked_by(question);
	struct token_identity *identity = q->identity;

	q->token = NULL;
	if (!list_linked(&identity->active)) {
		token_identity_keep(identity);
		list_append(&tokens->active, &identity->active);
	}
	identity->cache.asked = true;
	look_at_files(identity);
	if (question_given_up(question)) {
		refuse(tokens, q, -ECANCELED, "", 0);
	} else if (token_cache_waits(&identity->cache, now_ns) &&
		   (identity->job || token_cache_due(&identity->cache, now_ns))) {
		question->next = NULL;
		*identity->waiting_end = question;
		identity->waiting_end = &question->next;
	} else {
		answer(tokens, identity, q, now_ns);
	}
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Returns when to look again. */
static uint64_t look_at(struct tokens *tokens, struct token_identity *identity, uint64_t now_ns)
{
	struct token_cache *cache = &identity->cache;
	uint64_t next_ns;

	/* Its refresh token ends where it is not used; mail may be rare. */
	if (identity->oauth.grant == CONFIG_GRANT_REFRESH && identity->fetched_ns &&
	    now_ns - identity->fetched_ns > TOKEN_KEEP_ALIVE_S * CLOCK_NS_PER_S)
		cache->asked = true;
	if (identity->job && token_job_look(identity->job, now_ns))
		finish(tokens, identity, now_ns);
	next_ns = look_at_waiting(tokens, identity, now_ns);
	if (!identity->job && tokens->jobs < JOBS_MAX && token_cache_due(cache, now_ns))
		begin(tokens, identity, now_ns);
	if (identity->job)
		return sooner(next_ns, token_job_deadline_ns(identity->job));
	/* With all places taken it waits for one to be free, which is an event by itself. */
	return sooner(next_ns, tokens->jobs < JOBS_MAX ? token_cache_wake_ns(cache) : UINT64_MAX);
}

static uint64_t look_at_all(struct tokens *tokens, uint64_t now_ns)
{
	uint64_t next_ns = now_ns + IDLE_MS * CLOCK_NS_PER_MS;
	struct list *link, *next;

	for (link = tokens->active.next; link != &tokens->active; link = next) {
		struct token_identity *identity = container_of(link, struct token_identity, active);
		next = link->next;
		if (!identity->job && !identity->waiting && token_identity_forget(identity))
			continue;
		next_ns = sooner(next_ns, look_at(tokens, identity, now_ns));
	}
	return next_ns;
}

/* ---- the thread ----------------------------------------------------------------------------------------------- */

static void turn(struct tokens *tokens)
{
	struct question *question, *following;
	uint64_t now_ns = clock_monotonic_ns(), next_ns, wait_ns, fetcher_ns;

	for (question = agent_take(&tokens->thread.agent); question; question = following) {
		following = question->next;
		take(tokens, question, now_ns);
	}
	next_ns = look_at_all(tokens, now_ns);
	now_ns = clock_monotonic_ns();
	wait_ns = next_ns > now_ns ? next_ns - now_ns : 0;
	fetcher_ns = fetcher_wait_ns(tokens->fetcher, now_ns);
	(void)agent_thread_wait(&tokens->thread, tokens->epoll, sooner(wait_ns, fetcher_ns));
	fetcher_process(tokens->fetcher);
}

static void forget_all(struct tokens *tokens)
{
	struct list *link;

	while ((link = tokens->active.next) != &tokens->active) {
		struct token_identity *identity = container_of(link, struct token_identity, active);
		if (identity->job)
			token_job_end(identity->job, tokens->fetcher);
		free(identity->job);
		identity->job = NULL;
		identity->waiting = NULL;
		if (token_identity_forget(identity))
			continue;
		/* Somebody holds it still, and releases it later. */
		list_remove(&identity->active);
		token_cache_clear(&identity->cache);
		secret_wipe(&identity->refresh);
		token_identity_release(identity);
	}
}

static void run(struct agent_thread *thread)
{
	struct tokens *tokens = container_of(thread, struct tokens, thread);

	while (!agent_thread_stopping(thread))
		turn(tokens);
	forget_all(tokens);
}

static void over(struct token_identities *identities)
{
	free(container_of(identities, struct tokens, identities));
}

static int open_all(struct tokens *tokens)
{
	struct epoll_event event = {.events = EPOLLIN};

	tokens->fetcher = fetcher_new();
	tokens->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!tokens->fetcher || tokens->epoll < 0 ||
	    epoll_ctl(tokens->epoll, EPOLL_CTL_ADD, fetcher_fd(tokens->fetcher), &event) < 0)
		return -ENOMEM;
	return agent_thread_start(&tokens->thread, "token", TOKEN_QUESTIONS_MAX, run);
}

static void close_all(struct tokens *tokens)
{
	fetcher_free(tokens->fetcher);
	if (tokens->epoll >= 0)
		close(tokens->epoll);
	token_identities_close(&tokens->identities);
}

struct tokens *tokens_start(struct log *log)
{
	struct tokens *tokens = calloc(1, sizeof(*tokens));
	int r;

	if (!tokens || fetch_global_init() < 0) {
		free(tokens);
		errno = ENOMEM;
		return NULL;
	}
	token_reply_init();
	tokens->log = log;
	token_identities_init(&tokens->identities, over);
	random_init(&tokens->random);
	list_init(&tokens->active);
	r = open_all(tokens);
	if (r == 0)
		return tokens;
	close_all(tokens);
	errno = -r;
	return NULL;
}

void tokens_stop(struct tokens *tokens)
{
	if (!tokens)
		return;
	agent_thread_stop(&tokens->thread);
	close_all(tokens);
}

void token_ask(struct tokens *tokens, struct asker *asker, struct token_question *question)
{
	agent_ask(&tokens->thread.agent, asker, &question->question);
}
