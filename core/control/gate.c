/*
 * core/control/gate.c - see gate.h.
 */
#include "core/control/gate.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/agents/password.h"
#include "core/base/clock.h"
#include "core/base/random.h"
#include "core/config/user_table.h"
#include "core/receive/guard.h"
#include "core/receive/known.h"

struct gate {
	const struct user_table *users;
	struct guard *guard;
	pthread_mutex_t known_lock; /* of `known`, for microseconds */
	struct known *known;
	pthread_mutex_t desk_lock; /* of `desk`, for a verification */
	struct password_desk *desk;
	_Atomic(unsigned) waiting;
	uint64_t salt;
};

struct gate *gate_new(const struct user_table *users)
{
	struct gate *gate = calloc(1, sizeof(*gate));
	uint8_t key[MAC_SIZE];

	if (!gate)
		return NULL;
	random_bytes(key, sizeof(key));
	random_bytes(&gate->salt, sizeof(gate->salt));
	gate->users = users;
	gate->guard = guard_new(gate->salt);
	gate->known = known_new(key);
	gate->desk = password_desk_new();
	explicit_bzero(key, sizeof(key));
	pthread_mutex_init(&gate->known_lock, NULL);
	pthread_mutex_init(&gate->desk_lock, NULL);
	if (gate->guard && gate->known && gate->desk)
		return gate;
	gate_free(gate);
	return NULL;
}

void gate_free(struct gate *gate)
{
	if (!gate)
		return;
	guard_free(gate->guard);
	known_free(gate->known);
	password_desk_free(gate->desk);
	pthread_mutex_destroy(&gate->known_lock);
	pthread_mutex_destroy(&gate->desk_lock);
	free(gate);
}

static bool is_known(struct gate *gate, const struct known_login *login)
{
	bool is;

	pthread_mutex_lock(&gate->known_lock);
	is = known_find(gate->known, login, clock_monotonic_ns());
	pthread_mutex_unlock(&gate->known_lock);
	return is;
}

static bool verify(struct gate *gate, const struct known_login *login)
{
	bool right;

	pthread_mutex_lock(&gate->desk_lock);
	right = password_matches(gate->desk, login->password, login->hash);
	pthread_mutex_unlock(&gate->desk_lock);
	return right;
}

/* One who is not there is verified against the hash of some user, so that he takes as long. */
static bool find(const struct gate *gate, const char *name, struct user *user)
{
	if (user_table_find(gate->users, name, strlen(name), user))
		return true;
	(void)user_table_some(gate->users, user_name_hash(name, strlen(name)) ^ gate->salt, user);
	return false;
}

enum gate_answer gate_ask(struct gate *gate, const struct ring_address *address, const char *name, const char *password,
			  unsigned *wait_ms)
{
	const struct guard_attempt attempt = {address, name, strlen(name), clock_monotonic_ns()};
	enum guard_answer may = guard_ask(gate->guard, &attempt);
	struct known_login login;
	struct user user = {.hash = "*"};
	bool there, right;

	*wait_ms = 0;
	if (may != GUARD_VERIFY && may != GUARD_VERIFY_KNOWN)
		return GATE_LOCKED;
	there = find(gate, name, &user);
	login = (struct known_login){there ? user.name : "", password, user.hash};
	if (there && is_known(gate, &login)) {
		(void)guard_done(gate->guard, &attempt, may, GUARD_RIGHT);
		return GATE_IN;
	}
	if (atomic_fetch_add(&gate->waiting, 1) >= GATE_WAITING) {
		atomic_fetch_sub(&gate->waiting, 1);
		(void)guard_done(gate->guard, &attempt, may, GUARD_NOTHING);
		return GATE_BUSY;
	}
	/* A longer one is nobody's: `postrider hash` takes none. */
	right = strlen(password) <= PASSWORD_MAX && verify(gate, &login) && there;
	atomic_fetch_sub(&gate->waiting, 1);
	*wait_ms = guard_done(gate->guard, &attempt, may, right ? GUARD_RIGHT : GUARD_WRONG);
	if (!right)
		return GATE_WRONG;
	pthread_mutex_lock(&gate->known_lock);
	known_add(gate->known, &login, clock_monotonic_ns());
	pthread_mutex_unlock(&gate->known_lock);
	return GATE_IN;
}
