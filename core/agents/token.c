/*
 * core/agents/token.c - see token.h: the agent's thread, and fetches as token_desk.c wants them.
 *
 * It blocks in its poll only, and for a moment where files are read, or a refresh token is stored.
 */
#include "core/agents/token.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/agents/agent_thread.h"
#include "core/agents/fetch.h"
#include "core/agents/token_desk.h"
#include "core/agents/token_form.h"
#include "core/agents/token_job.h"
#include "core/base/clock.h"
#include "core/events/signing.h"

struct tokens {
	struct agent_thread thread;
	struct token_identities identities;
	struct token_desk desk;

	/* The thread's. */
	struct fetcher *fetcher;
	int epoll; /* the fetcher's and those of programs */
};

struct token_identity *token_identity_acquire(struct tokens *tokens, const struct config_oauth *oauth, const char *user,
					      const char *name)
{
	return token_identities_acquire(&tokens->identities, oauth, user, name);
}

static struct tokens *tokens_of(struct token_desk *desk)
{
	return container_of(desk, struct tokens, desk);
}

/* ---- a fetch -------------------------------------------------------------------------------------------------- */

static void start_job(struct tokens *tokens, struct token_identity *identity)
{
	struct token_job *job = identity->job;
	const struct secret *refresh = NULL;
	uint64_t refresh_stamp = token_form_refresh_stamp(&identity->oauth);
	struct epoll_event event = {.events = EPOLLIN};

	/* A file that somebody has written meanwhile is newer than what could not be stored. */
	if (identity->refresh.text && identity->refresh_stamp == refresh_stamp)
		refresh = &identity->refresh;
	identity->refresh_stamp = refresh_stamp;
	identity->stamp = token_form_stamp(&identity->oauth);
	job->oauth = &identity->oauth;
	job->user = identity->user;
	token_job_start(job, tokens->fetcher, refresh, identity->skew_s);
	if (token_job_fd(job) >= 0)
		(void)epoll_ctl(tokens->epoll, EPOLL_CTL_ADD, token_job_fd(job), &event);
}

static bool on_begin(struct token_desk *desk, struct token_identity *identity)
{
	identity->job = calloc(1, sizeof(*identity->job));
	if (!identity->job)
		return false;
	start_job(tokens_of(desk), identity);
	return true;
}

/* Stored before anybody uses what came with it. */
static void keep_refresh_token(struct tokens *tokens, struct token_identity *identity, struct token_job *job)
{
	char problem[200];
	int r = 0;

	if (!job->reply.refresh_token.text)
		return;
	if (identity->refresh_stamp == token_form_refresh_stamp(&identity->oauth))
		r = token_job_save(job);
	identity->refresh_stamp = token_form_refresh_stamp(&identity->oauth);
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
	if (tokens->desk.log)
		event_token_unsaved(tokens->desk.log, identity->name, identity->oauth.refresh_token_file, problem);
}

/* The endpoint's clock differs: once more with that, if it is known. */
static bool again_by_its_clock(struct tokens *tokens, struct token_identity *identity)
{
	struct token_job *job = identity->job;

	if (job->reply.outcome != TOKEN_CLOCK || job->skew_s == 0 || identity->skew_s != 0)
		return false;
	identity->skew_s = job->skew_s;
	token_job_end(job, tokens->fetcher);
	start_job(tokens, identity);
	return true;
}

/* Where it matters it is followed; where it does not help it is found out anew. */
static void note_clock(struct token_identity *identity, const struct token_job *job)
{
	if (job->reply.outcome == TOKEN_CLOCK)
		identity->skew_s = 0;
	else if (job->reply.outcome == TOKEN_GIVEN && identity->skew_s != 0 && job->skew_s != 0)
		identity->skew_s = job->skew_s;
}

static void finish(struct tokens *tokens, struct token_identity *identity, uint64_t now_ns)
{
	struct token_job *job = identity->job;
	const struct token_reply *reply = &job->reply;

	identity->job = NULL;
	note_clock(identity, job);
	if (reply->outcome == TOKEN_GIVEN) {
		keep_refresh_token(tokens, identity, job);
		token_desk_given(&tokens->desk, identity, reply->access_token.text, reply->access_token.length,
				 reply->lifetime_s, job->started_ns, now_ns);
	} else {
		const struct token_failure failure = {.refused = reply->outcome != TOKEN_LATER,
						      .retry_after_s = job->retry_after_s,
						      .problem = reply->problem};
		token_desk_failed(&tokens->desk, identity, &failure, now_ns);
	}
	token_job_end(job, tokens->fetcher);
	free(job);
}

static uint64_t on_look(struct token_desk *desk, struct token_identity *identity, uint64_t now_ns)
{
	struct tokens *tokens = tokens_of(desk);

	if (token_job_look(identity->job, now_ns) && !again_by_its_clock(tokens, identity)) {
		finish(tokens, identity, now_ns);
		return now_ns;
	}
	return token_job_deadline_ns(identity->job);
}

static bool on_changed(const struct token_identity *identity)
{
	return identity->stamp != token_form_stamp(&identity->oauth);
}

static void on_end(struct token_desk *desk, struct token_identity *identity)
{
	token_job_end(identity->job, tokens_of(desk)->fetcher);
	free(identity->job);
}

static const struct token_desk_handler handler = {.begin = on_begin, .look = on_look, .changed = on_changed};

/* ---- the thread ----------------------------------------------------------------------------------------------- */

static void turn(struct tokens *tokens)
{
	uint64_t next_ns = token_desk_turn(&tokens->desk, clock_monotonic_ns()), now_ns = clock_monotonic_ns();
	uint64_t wait_ns = next_ns > now_ns ? next_ns - now_ns : 0;
	uint64_t fetcher_ns = fetcher_wait_ns(tokens->fetcher, now_ns);

	(void)agent_thread_wait(&tokens->thread, tokens->epoll, wait_ns < fetcher_ns ? wait_ns : fetcher_ns);
	fetcher_process(tokens->fetcher);
}

static void run(struct agent_thread *thread)
{
	struct tokens *tokens = container_of(thread, struct tokens, thread);

	while (!agent_thread_stopping(thread))
		turn(tokens);
	token_desk_close(&tokens->desk, on_end);
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
	token_identities_init(&tokens->identities, over);
	token_desk_init(&tokens->desk, &tokens->thread.agent, log, &handler);
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

void tokens_hasten(struct tokens *tokens)
{
	if (tokens)
		agent_bell(&tokens->thread.agent);
}

void token_ask(struct tokens *tokens, struct asker *asker, struct token_question *question)
{
	agent_ask(&tokens->thread.agent, asker, &question->question);
}
