/*
 * core/receive/login.c - see login.h.
 */
#include "core/receive/login.h"

#include <assert.h>
#include <string.h>

#include "core/base/hidden.h"
#include "core/receive/known.h"
#include "core/receive/receiver.h"
#include "core/shard/shard.h"

void logins_init(struct logins *logins, size_t most)
{
	memset(logins, 0, sizeof(*logins));
	pool_init(&logins->pool, sizeof(struct login), 8, most);
	while (logins->free_count < LOGIN_SECRETS) {
		logins->free_secrets[logins->free_count] = (uint8_t)logins->free_count;
		logins->free_count++;
	}
}

void logins_deinit(struct logins *logins)
{
	pool_deinit(&logins->pool);
	known_free(logins->known);
	hidden_free(logins->secrets, LOGIN_SECRETS * sizeof(*logins->secrets));
}

struct login *login_new(struct session *session, struct shard *shard, wheel_fn *on_timer)
{
	struct login *login = pool_acquire(&shard->receiver->logins.pool);

	if (!login)
		return NULL;
	memset(login, 0, sizeof(*login));
	login->session = session;
	login->shard = shard;
	wheel_timer_init(&login->timer, on_timer);
	return login;
}

void login_free(struct login *login)
{
	struct shard *shard = login->shard;

	assert(!question_out(&login->ask.question));
	wheel_disarm(&shard->wheel, &login->timer);
	login_wipe_secret(login);
	explicit_bzero(login, sizeof(*login));
	pool_release(&shard->receiver->logins.pool, login);
}

void login_leave(struct login *login)
{
	login->session = NULL;
	if (!question_out(&login->ask.question)) {
		login_free(login);
		return;
	}
	if (!question_given_up(&login->ask.question))
		question_give_up(&login->ask.question);
}

bool login_take_secret(struct login *login, const struct sasl_password *password)
{
	struct logins *logins = &login->shard->receiver->logins;

	if (!logins->secrets)
		logins->secrets = hidden_new(LOGIN_SECRETS * sizeof(*logins->secrets));
	if (!logins->secrets || logins->free_count == 0)
		return false;
	login->secret = &logins->secrets[logins->free_secrets[--logins->free_count]];
	*login->secret = *password;
	return true;
}

void login_wipe_secret(struct login *login)
{
	struct logins *logins = &login->shard->receiver->logins;

	if (!login->secret)
		return;
	explicit_bzero(login->secret, sizeof(*login->secret));
	logins->free_secrets[logins->free_count++] = (uint8_t)(login->secret - logins->secrets);
	login->secret = NULL;
}
