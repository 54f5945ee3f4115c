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
#include "core/control/client_certificate.h"
#include "core/control/forwarded.h"
#include "core/receive/guard.h"
#include "core/receive/known.h"

struct gate {
	pthread_mutex_t admitted_lock; /* of `admitted`, for microseconds */
	struct sign_in admitted;
	struct guard *guard;
	pthread_mutex_t trust_lock; /* of `trust`, for milliseconds */
	struct client_trust *trust;
	pthread_mutex_t known_lock; /* of `known`, for microseconds */
	struct known *known;
	pthread_mutex_t desk_lock; /* of `desk`, for a verification */
	struct password_desk *desk;
	_Atomic(unsigned) waiting;
	uint64_t salt;
};

void gate_follow(struct gate *gate, struct config *config)
{
	struct sign_in old;

	pthread_mutex_lock(&gate->admitted_lock);
	old = gate->admitted;
	gate->admitted = config->control.http.sign_in;
	pthread_mutex_unlock(&gate->admitted_lock);
	config->control.http.sign_in = (struct sign_in){.users = NULL};
	sign_in_free(&old);
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
	pthread_mutex_init(&gate->trust_lock, NULL);
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
	sign_in_free(&gate->admitted);
	client_trust_free(gate->trust);
	guard_free(gate->guard);
	known_free(gate->known);
	password_desk_free(gate->desk);
	pthread_mutex_destroy(&gate->admitted_lock);
	pthread_mutex_destroy(&gate->trust_lock);
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

static bool same_user(const char *a, const char *b, bool exact)
{
	return exact ? strcmp(a, b) == 0 : user_names_same(a, strlen(a), b, strlen(b));
}

static bool is_in(char *const *names, size_t count, const char *user, bool exact)
{
	for (size_t i = 0; i < count; i++) {
		if (same_user(names[i], user, exact))
			return true;
	}
	return false;
}

bool gate_may_act(struct gate *gate, const char *user, bool exact)
{
	bool may;

	pthread_mutex_lock(&gate->admitted_lock);
	may = is_in(gate->admitted.operators, gate->admitted.operator_count, user, exact);
	pthread_mutex_unlock(&gate->admitted_lock);
	return may;
}

void gate_ways(struct gate *gate, const struct ring_address *peer, struct gate_ways *out)
{
	const struct sign_in_proxy *proxy = &gate->admitted.proxy;

	*out = (struct gate_ways){.passwords = false};
	pthread_mutex_lock(&gate->admitted_lock);
	out->passwords = gate->admitted.users != NULL;
	out->certificate_required = gate->admitted.certificate_required;
	out->proxies = proxy->from_count > 0;
	out->proxied = forwarded_from(proxy, peer);
	out->address_header = proxy->address_header;
	snprintf(out->user_header, sizeof(out->user_header), "%s", proxy->user_header ? proxy->user_header : "");
	snprintf(out->origin, sizeof(out->origin), "%s", proxy->origin ? proxy->origin : "");
	pthread_mutex_unlock(&gate->admitted_lock);
}

const char *gate_client(struct gate *gate, const char *text, const struct ring_address *peer,
			struct ring_address *client)
{
	const char *problem;

	pthread_mutex_lock(&gate->admitted_lock);
	problem = forwarded_client(&gate->admitted.proxy, text, peer, client);
	pthread_mutex_unlock(&gate->admitted_lock);
	return problem;
}

bool gate_may_name(struct gate *gate, const char *user)
{
	const struct sign_in_proxy *proxy = &gate->admitted.proxy;
	bool may;

	pthread_mutex_lock(&gate->admitted_lock);
	may = proxy->user_count == 0 || is_in(proxy->users, proxy->user_count, user, true);
	pthread_mutex_unlock(&gate->admitted_lock);
	return may;
}

void gate_trust(struct gate *gate, struct client_trust *trust)
{
	struct client_trust *old;

	pthread_mutex_lock(&gate->trust_lock);
	old = gate->trust;
	gate->trust = trust;
	pthread_mutex_unlock(&gate->trust_lock);
	client_trust_free(old);
}

void gate_revoke(struct gate *gate, struct revocations *revocations)
{
	pthread_mutex_lock(&gate->trust_lock);
	if (gate->trust)
		client_trust_revoke(gate->trust, revocations);
	pthread_mutex_unlock(&gate->trust_lock);
}

enum client_certificate_state gate_look(struct gate *gate, void *session, struct client_certificate *out)
{
	enum client_certificate_state state;

	pthread_mutex_lock(&gate->trust_lock);
	if (gate->trust) {
		state = client_certificate_read(gate->trust, session, out);
	} else {
		*out = (struct client_certificate){.names = NULL};
		state = CLIENT_CERTIFICATE_NONE;
	}
	pthread_mutex_unlock(&gate->trust_lock);
	return state;
}

/* NULL: nobody. */
static const char *owner_of(const struct sign_in *s, const struct client_certificate *certificate)
{
	for (size_t i = 0; i < s->certificate_count; i++) {
		if (client_certificate_is(certificate, s->certificates[i].certificate))
			return s->certificates[i].user;
	}
	return NULL;
}

bool gate_speaks(struct gate *gate, const struct client_certificate *certificate)
{
	const struct sign_in *s = &gate->admitted;
	bool may;

	pthread_mutex_lock(&gate->admitted_lock);
	if (!certificate)
		may = !s->proxy.certificate;
	else if (s->proxy.certificate)
		may = client_certificate_is(certificate, s->proxy.certificate);
	else
		may = !owner_of(s, certificate);
	pthread_mutex_unlock(&gate->admitted_lock);
	return may;
}

bool gate_certificate(struct gate *gate, const struct client_certificate *certificate, char *user, size_t size)
{
	const char *owner;

	pthread_mutex_lock(&gate->admitted_lock);
	owner = owner_of(&gate->admitted, certificate);
	if (owner)
		snprintf(user, size, "%s", owner);
	pthread_mutex_unlock(&gate->admitted_lock);
	return owner != NULL;
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
