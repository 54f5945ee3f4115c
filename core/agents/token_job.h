/*
 * core/agents/token_job.h - one fetch of a token, from the files to the reply: by HTTPS or by a program.
 *
 * Used by token.c for all identities, and by commands that want one token and can wait (token_once()).
 */
#ifndef POSTRIDER_AGENTS_TOKEN_JOB_H
#define POSTRIDER_AGENTS_TOKEN_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "core/agents/fetch.h"
#include "core/agents/token_command.h"
#include "core/agents/token_form.h"
#include "core/agents/token_reply.h"

struct token_job {
	const struct config_oauth *oauth; /* not owned, as is `user` */
	const char *user;
	struct token_form form;
	struct fetch fetch;
	struct token_command command;
	uint64_t started_ns;
	bool by_command, over;
	void *context; /* the caller's */

	/* When it is over. */
	struct token_reply reply;
	uint64_t retry_after_s;
	int64_t skew_s; /* by which the endpoint's clock is ahead of ours; 0: it did not say */
};

/* `refresh`: instead of the file's, or NULL. `skew_s`: as a job before has told. It may be over at once. */
void token_job_start(struct token_job *job, struct fetcher *fetcher, const struct secret *refresh, int64_t skew_s);
/* After fetcher_process(), or when token_job_fd() is readable or time has passed. True: it is over. */
bool token_job_look(struct token_job *job, uint64_t now_ns);
/* Of a program; -1: there is none. */
int token_job_fd(const struct token_job *job);
uint64_t token_job_deadline_ns(const struct token_job *job);
/* Ends it, if it is under way; wipes everything. */
void token_job_end(struct token_job *job, struct fetcher *fetcher);

/* Keeps a refresh token that came with the reply, if one did, in the file that it is read from. 0 or a negative errno;
 * then it is in the reply only. */
int token_job_save(const struct token_job *job);

/* For commands that can wait: the whole of it, with a second try where the clocks differ. `reply` is the caller's to
 * wipe. */
void token_once(const struct config_oauth *oauth, const char *user, struct token_reply *reply);

#endif
