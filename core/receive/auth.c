/*
 * core/receive/auth.c - AUTH (RFC 4954): who a client is, by a password.
 *
 *     COMMAND -- AUTH --> AUTH (the client's lines) -- all is given --> AUTH, not read from (WAIT_LOGIN)
 *        ^                  |  cancelled, no base64, no such mechanism     |  the verifier has answered, and what is
 *        +------------------+----------------------------------------------+  wrong has waited
 *
 * Whoever has signed in lately is known by a keyed hash (known.h) and accepted at once; all others are asked of the
 * verifier (core/agents/verifier.h), in a queue that is not the strangers' where they have signed in from there
 * before. Who has guessed too much is refused unseen (guard.h). A user who does not exist is verified against some
 * other's hash, so neither the words nor the time tell which names there are.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/random.h"
#include "core/config/config.h"
#include "core/config/user_table.h"
#include "core/receive/guard.h"
#include "core/receive/known.h"
#include "core/receive/login.h"
#include "core/receive/session_private.h"
#include "core/receive/tell.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"

enum { FAILURES_MAX = 3 }; /* of a session */

/* What a verification is made against where there is no user at all: the hash of nothing that anybody has. */
static const char nobodys_hash[] = "$y$j9T$nobody/nobody/nobody/n.$0000000000000000000000000000000000000000000";

static const struct config_listener *listener_of(const struct session *s)
{
	return &s->snapshot->config->listeners[s->listener];
}

bool receive_auth_offered(const struct session *s)
{
	const struct config_listener *listener = listener_of(s);

	return listener->auth != CONFIG_LISTENER_AUTH_OFF && s->snapshot->verifiers &&
	       (s->transport.secured || listener->auth_in_clear);
}

bool receive_sign_in_holds(const struct session *s)
{
	const struct config *then = s->snapshot->config, *now = s->shard->receiver->snapshot->config;
	struct user before, user;

	if (!s->user || then == now)
		return true;
	return user_table_find(then->users, s->user, strlen(s->user), &before) &&
	       user_table_find(now->users, s->user, strlen(s->user), &user) && strcmp(before.hash, user.hash) == 0;
}

/* The exchange is over, and its last reply said: commands are read again, some of which may be there already. */
static void end_exchange(struct session *s)
{
	struct login *login = s->login;

	/* What was said last may have ended the session. */
	if (!login)
		return;
	s->login = NULL;
	login_free(login);
	receive_move(s, SESSION_COMMAND);
	receive_arm_command(s);
	receive_go_on(s, WAIT_LOGIN);
}

/* ---- verdicts --------------------------------------------------------------------------------------------------- */

static struct guard_attempt attempt_of(const struct login *login)
{
	return (struct guard_attempt){.address = &login->address,
				      .user = login->sasl.user,
				      .user_length = login->sasl.user_length,
				      .now_ns = login->shard->now_ns};
}

static unsigned done(const struct login *login, enum guard_result result)
{
	struct guard_attempt attempt = attempt_of(login);

	return guard_done(login->shard->receiver->shared->guard, &attempt,
			  login->known ? GUARD_VERIFY_KNOWN : GUARD_VERIFY, result);
}

static void let_in(struct session *s, bool known)
{
	static const char success[] = "235 2.7.0 Authentication successful\r\n";

	const char *refusal;

	s->user = s->login->user;
	refusal = receive_identify(s);
	if (refusal) {
		receive_finish(s, refusal, "too many connections");
		return;
	}
	s->last_reply = "235";
	counter_add(&receive_counts(s)->signed_in, 1);
	tell_signed_in(s, known);
	receive_reply(s, success, sizeof(success) - 1);
	end_exchange(s);
}

/* `reply`: static; 454, or 535 for whatever is wrong with name or password (RFC 4954 6). */
static void refuse(struct session *s, const char *reply, const char *reason)
{
	struct shard *shard = s->shard;
	bool many = receive_count_error(s);
	uint32_t untold = 0;

	counter_add(&receive_counts(s)->sign_ins_refused, 1);
	s->refusals++;
	s->last_reply = reply;
	receive_seen_refused(s, reply);
	/* A flood of these must not fill the log either. */
	if (refusals_tell(&shard->receiver->refusals, &s->login->address, shard->now_ns, &untold))
		tell_sign_in_refused(s, reply, reason, untold);
	else
		s->untold++;
	receive_reply(s, reply, strlen(reply));
	if (s->login_failures >= FAILURES_MAX)
		receive_finish(s, NULL, "too many failed authentications");
	else if (many)
		receive_finish(s, NULL, "too many errors");
	end_exchange(s);
}

static void refuse_wrong(struct session *s, const char *reason)
{
	s->login_failures++;
	refuse(s, "535 5.7.8 Authentication credentials invalid\r\n", reason);
}

/* Not the client's fault, or not only: it may be told again. */
static void refuse_for_now(struct session *s, const char *reason)
{
	refuse(s, "454 4.7.0 Temporary authentication failure, try again later\r\n", reason);
}

static void on_waited(struct wheel_timer *timer)
{
	struct login *login = container_of(timer, struct login, timer);

	refuse_wrong(login->session, login->reason);
}

/* Said after a while, which is the same whether there is such a user or not. */
static void wrong(struct session *s, const char *reason, unsigned wait_ms)
{
	struct login *login = s->login;
	uint64_t gone_ms = shard_ms_since(s->shard, login->started_ns);

	login_wipe_secret(login);
	login->reason = reason;
	receive_wait(s, WAIT_LOGIN);
	wheel_arm(&s->shard->wheel, &login->timer,
		  s->shard->now_ns + (wait_ms > gone_ms ? wait_ms - gone_ms : 1) * CLOCK_NS_PER_MS);
}

/* ---- the verification ------------------------------------------------------------------------------------------- */

/* NULL: nobody has signed in yet, or no memory. */
static struct known *known_of(struct shard *shard)
{
	struct logins *logins = &shard->receiver->logins;
	uint8_t key[MAC_SIZE];

	if (!logins->known) {
		random_bytes(key, sizeof(key));
		logins->known = known_new(key);
		explicit_bzero(key, sizeof(key));
	}
	return logins->known;
}

/* A client that has gone meanwhile has had its guess all the same. */
static void on_verified(struct question *question)
{
	struct login *login =
		container_of(container_of(question, struct verifier_question, question), struct login, ask);
	bool right = question->result == 0 && login->user,
	     compared = question->result == 0 || question->result == -EACCES;
	unsigned wait_ms = done(login, right ? GUARD_RIGHT : compared ? GUARD_WRONG : GUARD_NOTHING);
	struct session *s = login->session;

	if (!s) {
		login_free(login);
		return;
	}
	if (right) {
		struct known_login known = {login->user, login->secret->text, login->hash};
		if (known_of(s->shard))
			known_add(s->shard->receiver->logins.known, &known, s->shard->now_ns);
		let_in(s, false);
	} else if (compared) {
		wrong(s, login->user ? "password" : "user", wait_ms);
	} else {
		refuse_for_now(s, question->result == -EBUSY ? "busy" : "timeout");
	}
}

/* Whom it is verified against. For a name that is nobody's some user's hash, always the same one. */
static void choose_hash(struct session *s)
{
	const struct user_table *users = s->snapshot->config->users;
	const struct sasl_server *sasl = &s->login->sasl;
	uint64_t salt = s->shard->receiver->shared->salt;
	struct user user = {.hash = nobodys_hash};

	if (user_table_find(users, sasl->user, sasl->user_length, &user))
		s->login->user = user.name;
	else
		(void)user_table_some(users, user_name_hash(sasl->user, sasl->user_length) ^ salt, &user);
	snprintf(s->login->hash, sizeof(s->login->hash), "%s", user.hash);
}

static bool is_known(struct session *s, const struct sasl_password *password)
{
	const struct known_login login = {s->login->user, password->text, s->login->hash};
	struct known *known = s->shard->receiver->logins.known;

	return s->login->user && known && known_find(known, &login, s->shard->now_ns);
}

/* The guard lets it be looked at; else it has been refused. */
static bool may_try(struct session *s)
{
	struct login *login = s->login;
	struct guard_attempt attempt;
	enum guard_answer answer;

	login->started_ns = s->shard->now_ns;
	if (!receive_address(s, &login->address)) {
		refuse_for_now(s, "address");
		return false;
	}
	attempt = attempt_of(login);
	answer = guard_ask(s->shard->receiver->shared->guard, &attempt);
	login->known = answer == GUARD_VERIFY_KNOWN;
	if (answer == GUARD_VERIFY || answer == GUARD_VERIFY_KNOWN)
		return true;
	s->login_failures++;
	refuse(s, "454 4.7.0 Too many failed attempts, try again later\r\n",
	       answer == GUARD_REFUSE_ADDRESS ? "locked_address" : "locked_user");
	return false;
}

/* What is nobody's, whatever the file says. */
static void refuse_nobody(struct session *s)
{
	if (may_try(s))
		wrong(s, "malformed", done(s->login, GUARD_WRONG));
}

static void verify(struct session *s, const struct sasl_password *password)
{
	struct login *login = s->login;

	if (!may_try(s))
		return;
	choose_hash(s);
	if (login->known && is_known(s, password)) {
		(void)done(login, GUARD_RIGHT);
		let_in(s, true);
		return;
	}
	if (!login_take_secret(login, password)) {
		(void)done(login, GUARD_NOTHING);
		refuse_for_now(s, "busy");
		return;
	}
	receive_wait(s, WAIT_LOGIN);
	login->ask = (struct verifier_question){
		.question = {.fn = on_verified,
			     .deadline_ns = s->shard->now_ns + VERIFIER_TIMEOUT_MS * CLOCK_NS_PER_MS},
		.password = login->secret->text,
		.hash = login->hash,
	};
	verifier_ask(s->snapshot->verifiers, s->shard->asker, &login->ask, login->known);
}

/* ---- the exchange ----------------------------------------------------------------------------------------------- */

static void ask(struct session *s)
{
	char reply[40];
	int n = snprintf(reply, sizeof(reply), "334 %s\r\n", sasl_server_prompt(&s->login->sasl));

	s->last_reply = "334";
	receive_reply(s, reply, (size_t)n);
}

/* Errors in how it is said count toward limits.errors_per_session, as those of other commands do. */
static void error(struct session *s, const char *reply)
{
	receive_error(s, reply);
	end_exchange(s);
}

static void go_on(struct session *s, enum sasl_server_go go, struct sasl_password *password)
{
	switch (go) {
	case SASL_SERVER_ASK:
		ask(s);
		break;
	case SASL_SERVER_GIVEN:
		verify(s, password);
		break;
	case SASL_SERVER_NOBODY:
		refuse_nobody(s);
		break;
	case SASL_SERVER_CANCELLED:
		error(s, "501 5.7.0 Authentication cancelled\r\n");
		break;
	case SASL_SERVER_NOT_BASE64:
		error(s, "501 5.5.2 Cannot decode the response, base64 is needed\r\n");
		break;
	case SASL_SERVER_MALFORMED:
		error(s, "501 5.5.2 The response is not one of this mechanism\r\n");
		break;
	case SASL_SERVER_UNKNOWN:
		error(s, "504 5.5.4 Authentication mechanism not supported, try PLAIN or LOGIN\r\n");
		break;
	}
	explicit_bzero(password, sizeof(*password));
}

/* Why AUTH is not taken now, or NULL. */
static const char *objection(const struct session *s)
{
	if (listener_of(s)->auth == CONFIG_LISTENER_AUTH_OFF || !s->snapshot->verifiers)
		return "502 5.5.1 AUTH not offered here\r\n";
	if (!receive_auth_offered(s))
		return "538 5.7.11 Encryption required, say STARTTLS first\r\n";
	if (!s->helo_given)
		return "503 5.5.1 Send EHLO or HELO first\r\n";
	if (s->user)
		return "503 5.5.1 Already authenticated\r\n";
	/* What was sent before is the one's who sent it, until it has its answer. */
	if (s->message || s->pending_count > 0)
		return "503 5.5.1 Not inside a mail transaction\r\n";
	return NULL;
}

void receive_auth(struct session *s, const struct smtp_command *command)
{
	const char *why_not = objection(s);
	struct sasl_password password = {.length = 0};

	if (why_not) {
		receive_error(s, why_not);
		return;
	}
	s->login = login_new(s, s->shard, on_waited);
	if (!s->login) {
		receive_error(s, "454 4.7.0 Temporary authentication failure, try again later\r\n");
		return;
	}
	receive_move(s, SESSION_AUTH);
	go_on(s, sasl_server_begin(&s->login->sasl, command->argument, &password), &password);
}

void receive_auth_line(struct session *s, const char *line, size_t length)
{
	struct sasl_password password = {.length = 0};

	go_on(s, sasl_server_line(&s->login->sasl, (struct span){line, (uint32_t)length}, &password), &password);
}

void receive_auth_bare_line(struct session *s)
{
	error(s, "501 5.5.2 Lines must end in CRLF\r\n");
}

void receive_auth_discard(struct session *s, size_t length, bool complete)
{
	struct login *login = s->login;

	login->discarded = length < UINT32_MAX - login->discarded ? login->discarded + (uint32_t)length : UINT32_MAX;
	if (!complete)
		return;
	if (login->discarded > SASL_SERVER_LINE_MAX) {
		error(s, "500 5.5.6 Authentication exchange line is too long\r\n");
		return;
	}
	/* It may have been said, but is nobody's. */
	refuse_nobody(s);
}
