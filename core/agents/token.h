/*
 * core/agents/token.h - access tokens (OAuth 2.0) for signing in at next hops: an agent.
 *
 * An *identity* is who a token is for: the settings of `oauth` and, where the grant makes a token for one user, that
 * user. It has one token at a time, whoever asks: forty mailboxes of one application share one. What is known of an
 * identity lasts as long as anybody holds it, so also over a reload that leaves it as it is: who makes the next
 * snapshot acquires before the one before releases.
 *
 *     token_ask() -- there is one that is good -----------------------------------------> answered at once
 *          '-- none, or it was rejected --> one fetch for all who ask --> a token ------> all are answered
 *                                                '--> none: the one before, if it is still good, or the problem
 *
 * Tokens are renewed before they end, by themselves while they are in use, at a time that differs between identities;
 * while the endpoint is down the old one is good until its real end. Failures are tried again with growing pauses,
 * after as long as the endpoint asks for (Retry-After), or as soon as a file with credentials changes. In a pause a
 * question is answered at once with the problem of the last try. None of this ever is a reason to fail mail, but an
 * endpoint that is away for as long as mail lives is one to let it expire.
 *
 * Two implementations, chosen by the linker: token.c over libcurl, and the simulation's actor.
 */
#ifndef POSTRIDER_AGENTS_TOKEN_H
#define POSTRIDER_AGENTS_TOKEN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/agents/agent.h"
#include "core/config/oauth.h"

enum {
	TOKEN_PROBLEM_SIZE = 480,
	TOKEN_LENGTH_MAX = 8192,     /* in AUTH's line, base64 of it: RFC 4954 section 4 allows 12,288 octets */
	TOKEN_QUESTIONS_MAX = 16384, /* at a time; further ones are answered -EBUSY */
	TOKEN_TIMEOUT_MS = 30000,    /* a sane deadline for a question */
};

struct log;
struct tokens; /* the agent */
struct token_identity;

/* By whom: somebody who may be refused with any token, or somebody who was accepted with this one. */
enum token_rejection { TOKEN_DOUBTED = 1, TOKEN_REVOKED };

/* Immutable but for the counts, and shared: wiped and freed when the last user releases it. */
struct token {
	_Atomic(unsigned) users;
	_Atomic(unsigned) rejected; /* 0, or enum token_rejection: the most that was said */
	_Atomic(unsigned) revoked;  /* times in a row that who was accepted with it was refused */
	uint64_t serial;            /* of this process; another token has another one */
	uint64_t end_ns;            /* monotonic */
	uint64_t doubt_ns;          /* before, TOKEN_DOUBTED brings no other one: it has just been tried */
	size_t length;
	char text[]; /* visible ASCII; also with a NUL */
};

struct token_question {
	struct question question;        /* result below; given: fn and deadline */
	struct token_identity *identity; /* given; held by who asks until the question is back */

	/* The answer. `question.result`:
	 *   0           `token`, which is the asker's to release
	 *   -EAGAIN     there is none now, and nobody has to do anything: endpoint down, slow, too many requests
	 *   -EACCES     there is none until somebody acts: `problem` says who and what
	 *   -ETIMEDOUT, -EBUSY, -ECANCELED, -ENOMEM as any agent's; `problem` may be empty
	 * All but 0 are to be tried again, after `again_ns` at the earliest (from now on). */
	struct token *token;
	uint64_t again_ns;
	bool doubtful; /* it was rejected, and is given for want of another: `problem` says why there is none */
	char problem[TOKEN_PROBLEM_SIZE]; /* a sentence for the operator, without a secret in it */
};

/* `log` is the agent's alone from now on, and may be NULL. NULL with errno set. */
struct tokens *tokens_start(struct log *log);
/* Waits for no answer; nothing comes back any more. Identities may be released before or after. */
void tokens_stop(struct tokens *tokens);
/* What was given up comes back now. Any thread; NULL: nothing. */
void tokens_hasten(struct tokens *tokens);

/* The identity of these settings, which are copied; the same for the same settings. `user`: the mailbox, or NULL.
 * `name`: for events, "office365" or "office365/scan1@contoso.com". From any thread, but not for each message: takes a
 * lock. NULL without memory. */
struct token_identity *token_identity_acquire(struct tokens *tokens, const struct config_oauth *oauth, const char *user,
					      const char *name);
void token_identity_release(struct token_identity *identity);
/* Until when (monotonic) what was fetched last is good; 0: nothing was. Any thread that holds it may ask. */
uint64_t token_identity_until_ns(const struct token_identity *identity);

/* An embedded question, answered in a later turn. */
void token_ask(struct tokens *tokens, struct asker *asker, struct token_question *question);

/* A next hop refused it. The next question for its identity has a fresh one fetched: once. If that is refused as well
 * it is not the token: the same one is given again (`serial` tells) for a few minutes, so that other mailboxes of the
 * same application go on, and who was refused holds its own. Where the same mailbox was accepted with the same token
 * before it is the token, and a fresh one is fetched again within seconds. While none can be had it is given to others
 * on, as it may be right for all but one, but is nobody's any more once a second one was refused so, with none accepted
 * between. Each who was refused says so once. From any thread, without a lock. */
void token_rejected(struct token *token, enum token_rejection by);
void token_accepted(struct token *token);
void token_release(struct token *token);

#endif
