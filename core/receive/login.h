/*
 * core/receive/login.h - one exchange of AUTH: from the command to its last reply. A session has one only meanwhile.
 *
 *     login_new() -- the client's lines --> the password is with the verifier -- its answer --> a wrong one waits
 *         --> login_free() '------------------ the session ends: login_leave()
 *         ------------------'---------------------'
 *
 * A session that ends while the verifier has the question leaves the exchange behind: it is freed when the question
 * is back. The password lies in memory that no core file has, from when it is decoded to when the verifier has
 * answered; so many passwords of a shard may be there at a time.
 */
#ifndef POSTRIDER_RECEIVE_LOGIN_H
#define POSTRIDER_RECEIVE_LOGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/agents/verifier.h"
#include "core/base/pool.h"
#include "core/base/ring.h"
#include "core/base/wheel.h"
#include "core/config/password_form.h"
#include "core/smtp/sasl_server.h"

enum { LOGIN_SECRETS = 128 };

struct known;
struct session;
struct shard;

/* Of a shard. */
struct logins {
	struct pool pool;
	struct sasl_password *secrets; /* LOGIN_SECRETS; NULL until there was one */
	uint8_t free_secrets[LOGIN_SECRETS];
	unsigned free_count;
	struct known *known; /* who has signed in lately; NULL until somebody has */
};

struct login {
	struct verifier_question ask;
	struct shard *shard;
	struct session *session;     /* NULL: it has gone */
	struct ring_address address; /* the client's, for the guard */
	struct wheel_timer timer;    /* what is wrong is not said at once */
	struct sasl_server sasl;
	struct sasl_password *secret; /* of the shard's, or NULL */
	const char *user;             /* as the session's snapshot has him; NULL: there is no such user */
	const char *reason;           /* static: why it is refused, in the event */
	uint64_t started_ns;          /* the verification */
	bool known;                   /* the guard's answer: he has signed in from there lately */
	uint32_t discarded;           /* octets of a line that is too long to be anybody's */
	char hash[PASSWORD_HASH_MAX + 1];
};

void logins_init(struct logins *logins, size_t most);
void logins_deinit(struct logins *logins);

/* NULL without memory. */
struct login *login_new(struct session *session, struct shard *shard, wheel_fn *on_timer);
/* The question is not out. Wipes it. */
void login_free(struct login *login);
/* The session has gone. */
void login_leave(struct login *login);

/* Room for a password; false: so many are there already, or no memory. */
bool login_take_secret(struct login *login, const struct sasl_password *password);
void login_wipe_secret(struct login *login);

#endif
