/*
 * core/agents/token_job.c - see token_job.h.
 */
#include "core/agents/token_job.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/durable.h"
#include "core/base/list.h"

enum { LOOK_MS = 50 };

static int64_t wall_s(void)
{
	return (int64_t)(clock_wall_ns() / CLOCK_NS_PER_S);
}

/* Over, without an answer. */
static void fail(struct token_job *job, enum token_outcome outcome, const char *problem)
{
	memset(&job->reply, 0, sizeof(job->reply));
	job->reply.outcome = outcome;
	snprintf(job->reply.problem, sizeof(job->reply.problem), "%s", problem);
	job->over = true;
}

/* An endpoint that repeats what it was sent must not bring it into an event. */
static void hide(struct token_job *job)
{
	if (job->form.refresh.text && strstr(job->reply.problem, job->form.refresh.text))
		snprintf(job->reply.problem, sizeof(job->reply.problem),
			 "the token endpoint refused the refresh token, in words that repeat it");
}

static void on_fetched(struct fetch *fetch)
{
	struct token_job *job = container_of(fetch, struct token_job, fetch);
	char problem[TOKEN_PROBLEM_SIZE];

	if (fetch->status == 0) {
		snprintf(problem, sizeof(problem), "the token endpoint cannot be reached: %.300s", fetch->problem);
		fail(job, fetch->untrusted ? TOKEN_REFUSED : TOKEN_LATER, problem);
		return;
	}
	token_reply_parse(fetch->status, fetch->text ? fetch->text : "", fetch->length, &job->reply);
	hide(job);
	job->retry_after_s = fetch->retry_after_s > job->reply.pause_s ? fetch->retry_after_s : job->reply.pause_s;
	job->skew_s = fetch->date ? fetch->date - wall_s() : 0;
	job->over = true;
	fetch_wipe(fetch);
}

static void start_command(struct token_job *job)
{
	job->by_command = token_command_start(&job->command, job->oauth, job->user, job->started_ns);
	if (!job->by_command)
		fail(job, TOKEN_REFUSED, job->command.problem);
}

void token_job_start(struct token_job *job, struct fetcher *fetcher, const struct secret *refresh, int64_t skew_s)
{
	job->started_ns = clock_monotonic_ns();
	job->over = job->by_command = false;
	job->retry_after_s = 0;
	job->skew_s = 0;
	memset(&job->reply, 0, sizeof(job->reply));
	memset(&job->form, 0, sizeof(job->form));
	memset(&job->fetch, 0, sizeof(job->fetch));
	if (job->oauth->grant == CONFIG_GRANT_COMMAND) {
		start_command(job);
		return;
	}
	if (!token_form_make(&job->form, job->oauth, job->user, refresh, wall_s() + skew_s)) {
		fail(job, TOKEN_REFUSED, job->form.problem);
		return;
	}
	job->fetch = (struct fetch){.url = job->form.url,
				    .body = job->form.body.text,
				    .body_length = job->form.body.length,
				    .content_type = "application/x-www-form-urlencoded",
				    .ca_file = job->oauth->ca_file,
				    .proxy = job->oauth->proxy,
				    .most = TOKEN_REPLY_MAX,
				    .fn = on_fetched};
	fetch_start(fetcher, &job->fetch);
}

static void take_output(struct token_job *job)
{
	if (job->command.problem[0])
		fail(job, TOKEN_REFUSED, job->command.problem);
	else
		token_reply_parse_output(job->command.output, job->command.length, &job->reply);
	job->over = true;
}

bool token_job_look(struct token_job *job, uint64_t now_ns)
{
	if (!job->over && job->by_command && token_command_look(&job->command, now_ns))
		take_output(job);
	return job->over;
}

int token_job_fd(const struct token_job *job)
{
	return job->by_command ? token_command_fd(&job->command) : -1;
}

uint64_t token_job_deadline_ns(const struct token_job *job)
{
	return job->over ? 0 : job->by_command ? job->command.deadline_ns : UINT64_MAX;
}

void token_job_end(struct token_job *job, struct fetcher *fetcher)
{
	if (fetch_under_way(&job->fetch))
		fetch_cancel(fetcher, &job->fetch);
	fetch_wipe(&job->fetch);
	if (job->by_command)
		token_command_close(&job->command);
	job->by_command = false;
	token_form_wipe(&job->form);
	token_reply_wipe(&job->reply);
}

int token_job_save(const struct token_job *job)
{
	const struct secret *fresh = &job->reply.refresh_token, *used = &job->form.refresh;
	struct secret line = {0};
	int r;

	if (job->oauth->grant != CONFIG_GRANT_REFRESH || !fresh->text ||
	    (fresh->length == used->length && memcmp(fresh->text, used->text, used->length) == 0))
		return 0;
	if (!secret_set(&line, fresh->text, fresh->length + 1))
		return -ENOMEM;
	line.text[fresh->length] = '\n';
	r = durable_replace(job->oauth->refresh_token_file, line.text, line.length);
	secret_wipe(&line);
	return r;
}

/* ---- for commands --------------------------------------------------------------------------------------------- */

static void wait_for(struct token_job *job, struct fetcher *fetcher)
{
	while (!token_job_look(job, clock_monotonic_ns())) {
		struct pollfd fds[] = {{.fd = fetcher_fd(fetcher), .events = POLLIN},
				       {.fd = token_job_fd(job), .events = POLLIN}};
		(void)poll(fds, 2, LOOK_MS);
		fetcher_process(fetcher);
	}
}

void token_once(const struct config_oauth *oauth, const char *user, struct token_reply *reply)
{
	struct fetcher *fetcher = fetcher_new();
	struct token_job job = {.oauth = oauth, .user = user};
	int64_t skew_s = 0;

	*reply = (struct token_reply){.outcome = TOKEN_LATER, .problem = "out of memory"};
	for (unsigned i = 0; fetcher && i < 2; i++) {
		token_job_start(&job, fetcher, NULL, skew_s);
		wait_for(&job, fetcher);
		(void)token_job_save(&job);
		*reply = job.reply;
		memset(&job.reply, 0, sizeof(job.reply));
		skew_s = job.skew_s;
		token_job_end(&job, fetcher);
		if (reply->outcome != TOKEN_CLOCK || skew_s == 0)
			break;
	}
	fetcher_free(fetcher);
}
