/*
 * core/control/gate.c - see gate.h.
 */
#include "core/control/gate.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/agents/password.h"
#include "core/base/clock.h"
#include "core/base/random.h"
#include "core/config/config.h"
#include "core/config/user_file.h"
#include "core/config/user_table.h"
#include "core/receive/guard.h"
#include "core/receive/known.h"

/* Who signs in, and may act; owned. */
struct admitted {
	struct user_table *users;
	char **operators;
	size_t operator_count;
};

struct gate {
	pthread_mutex_t admitted_lock; /* of `admitted`, for microseconds */
	struct admitted admitted;
	struct guard *guard;
	pthread_mutex_t known_lock; /* of `known`, for microseconds */
	struct known *known;
	pthread_mutex_t desk_lock; /* of `desk`, for a verification */
	struct password_desk *desk;
	_Atomic(unsigned) waiting;
	uint64_t salt;
};

static void free_admitted(struct admitted *admitted)
{
	user_table_free(admitted->users);
	for (size_t i = 0; i < admitted->operator_count; i++)
		free(admitted->operators[i]);
	free(admitted->operators);
}

void gate_follow(struct gate *gate, struct config *config)
{
	struct admitted next = {config->control.http.users, config->control.http.operators,
				config->control.http.operator_count},
			old;

	config->control.http.users = NULL;
	config->control.http.operators = NULL;
	config->control.http.operator_count = 0;
	pthread_mutex_lock(&gate->admitted_lock);
	old = gate->admitted;
	gate->admitted = next;
	pthread_mutex_unlock(&gate->admitted_lock);
	free_admitted(&old);
}

struct gate *gate_new(struct config *config)
{
	struct gate *gate = calloc(1, sizeof(*gate));
	uint8_t key[MAC_SIZE];

	if (!gate)
		return NULL;
	random_bytes(key, sizeof(key));
	random_bytes(&gate->salt, sizeof(gate->salt));
	gate->guard = guard_new(gate->salt);
	gate->known = known_new(key);
	gate->desk = password_desk_new();
	explicit_bzero(key, sizeof(key));
	pthread_mutex_init(&gate->admitted_lock, NULL);
	pthread_mutex_init(&gate->known_lock, NULL);
	pthread_mutex_init(&gate->desk_lock, NULL);
	if (gate->guard && gate->known && gate->desk) {
		gate_follow(gate, config);
		return gate;
	}
	gate_free(gate);
	return NULL;
}

void gate_free(struct gate *gate)
{
	if (!gate)
		return;
	free_admitted(&gate->admitted);
	guard_free(gate->guard);
	known_free(gate->known);
	password_desk_free(gate->desk);
	pthread_mutex_destroy(&gate->admitted_lock);
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

/* Copies, as a reload takes the table away while a password is compared. */
struct found {
	char name[USER_NAME_MAX + 1], hash[PASSWORD_HASH_MAX + 1];
};

/* One who is not there is verified against the hash of some user, so that he takes as long. */
static bool find(struct gate *gate, const char *name, struct found *found)
{
	struct user user = {.hash = "*"};
	bool there;

	pthread_mutex_lock(&gate->admitted_lock);
	there = user_table_find(gate->admitted.users, name, strlen(name), &user);
	if (!there)
		(void)user_table_some(gate->admitted.users, user_name_hash(name, strlen(name)) ^ gate->salt, &user);
	snprintf(found->name, sizeof(found->name), "%s", there ? user.name : "");
	snprintf(found->hash, sizeof(found->hash), "%s", user.hash);
	pthread_mutex_unlock(&gate->admitted_lock);
	return there;
}

bool gate_may_act(struct gate *gate, const char *user)
{
	bool may = false;

	pthread_mutex_lock(&gate->admitted_lock);
	for (size_t i = 0; i < gate->admitted.operator_count && !may; i++) {
		const char *name = gate->admitted.operators[i];
		may = user_names_same(name, strlen(name), user, strlen(user));
	}
	pthread_mutex_unlock(&gate->admitted_lock);
	return may;
}

enum gate_answer gate_ask(struct gate *gate, const struct ring_address *address, const char *name, const char *password,
			  unsigned *wait_ms)
{
	const struct guard_attempt attempt = {address, name, strlen(name), clock_monotonic_ns()};
	enum guard_answer may = guard_ask(gate->guard, &attempt);
	struct known_login login;
	struct found found;
	bool there, right;

	*wait_ms = 0;
	if (may != GUARD_VERIFY && may != GUARD_VERIFY_KNOWN)
		return GATE_LOCKED;
	there = find(gate, name, &found);
	login = (struct known_login){found.name, password, found.hash};
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
