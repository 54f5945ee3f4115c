/*
 * core/relay/trust_keeper.c - see trust_keeper.h.
 */
#include "core/relay/trust_keeper.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "core/agents/trust_file.h"
#include "core/base/clock.h"
#include "core/base/durable.h"
#include "core/base/hidden.h"
#include "core/base/random.h"
#include "core/base/rounds.h"
#include "core/base/secret.h"
#include "core/config/text_file.h"
#include "core/events/signed_in.h"
#include "core/receive/guard.h"
#include "tls/mac.h"

enum { LOOK_S = 5 };

static_assert((int)TRUST_KEY_SIZE == (int)MAC_SIZE, "the key of the file is that of the hash");

struct trust_keeper {
	char *path, *key_path;
	struct guard *guard;
	struct log *log;
	uint8_t *key; /* hidden */
	uint64_t check;
	struct trust *trusts; /* TRUST_FILE_MAX, and their text */
	char *text;
	uint64_t write_ns; /* not before */
	bool key_written, changed, failed;
	struct rounds rounds;
};

static struct guard_clock clock_now(void)
{
	return (struct guard_clock){.now_ns = clock_monotonic_ns(), .wall_s = clock_wall_ns() / CLOCK_NS_PER_S};
}

/* What the list says of the key that it was written with. */
static uint64_t check_of(const uint8_t *key)
{
	static const char said[] = "postrider signed-in";
	const struct mac_part part = {said, sizeof(said)};
	uint8_t mac[MAC_SIZE] = {0};
	uint64_t check;

	(void)mac_of(key, &part, 1, mac);
	memcpy(&check, mac, sizeof(check));
	return check;
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static int read_key(struct trust_keeper *keeper)
{
	struct secret secret;
	int r = secret_read(keeper->key_path, &secret);

	if (r < 0)
		return r;
	r = trust_key_parse(secret.text, secret.length, keeper->key);
	secret_wipe(&secret);
	return r;
}

static const char *problem_of(int r)
{
	return r == -EBADMSG ? "it is no file of this version, or damaged" : strerror(-r);
}

/* A key of its own for whoever has none, and for whom it cannot be read: then nobody is known. */
static void take_key(struct trust_keeper *keeper)
{
	int r = read_key(keeper);

	keeper->key_written = r == 0;
	if (r < 0)
		random_bytes(keeper->key, MAC_SIZE);
	if (r < 0 && r != -ENOENT)
		event_signed_in_unread(keeper->log, keeper->key_path, problem_of(r));
	keeper->check = check_of(keeper->key);
	guard_set_key(keeper->guard, keeper->key);
}

static void take_list(struct trust_keeper *keeper)
{
	const struct guard_clock now = clock_now();
	size_t length, count = 0;
	uint64_t check = 0;
	char *text;
	bool opened;
	int r = text_file_read(keeper->path, TRUST_FILE_SIZE, &text, &length, &opened);

	if (r == -ENOENT)
		return;
	if (r == 0)
		r = trust_file_parse(text, length, &check, keeper->trusts, &count);
	free(text);
	if (r < 0)
		event_signed_in_unread(keeper->log, keeper->path, problem_of(r));
	else if (check != keeper->check)
		event_signed_in_unread(keeper->log, keeper->path, "it was written with another key");
	else
		guard_trust_again(keeper->guard, &now, keeper->trusts, count);
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

static int write_key(struct trust_keeper *keeper)
{
	char text[TRUST_KEY_TEXT];
	int r;

	trust_key_format(keeper->key, text);
	r = durable_replace(keeper->key_path, text, sizeof(text));
	explicit_bzero(text, sizeof(text));
	keeper->key_written = r == 0;
	return r;
}

/* The key first: a list whose key is lost is of no use. Not under the lock. */
static void write_list(struct trust_keeper *keeper)
{
	const struct guard_clock now = clock_now();
	const char *path = keeper->key_written ? keeper->path : keeper->key_path;
	int r = keeper->key_written ? 0 : write_key(keeper);
	size_t count, length;

	if (r == 0) {
		path = keeper->path;
		count = guard_trusts(keeper->guard, &now, keeper->trusts);
		length = trust_file_format(keeper->check, keeper->trusts, count, keeper->text);
		r = durable_replace(path, keeper->text, length);
	}
	keeper->changed = r < 0;
	if (r < 0 && !keeper->failed)
		event_signed_in_unwritten(keeper->log, path, strerror(-r));
	keeper->failed = r < 0;
}

static void *run(void *context)
{
	struct trust_keeper *keeper = context;

	(void)prctl(PR_SET_NAME, "signed-in");
	pthread_mutex_lock(&keeper->rounds.lock);
	for (;;) {
		uint64_t now_ns = clock_monotonic_ns();
		/* Who signs in while it writes is written once more. */
		bool last = keeper->rounds.stopping;
		keeper->changed |= guard_trusts_grew(keeper->guard);
		if (keeper->changed && (last || now_ns >= keeper->write_ns)) {
			pthread_mutex_unlock(&keeper->rounds.lock);
			write_list(keeper);
			pthread_mutex_lock(&keeper->rounds.lock);
			keeper->write_ns = rounds_next_write_ns(now_ns, clock_monotonic_ns());
		}
		if (last)
			break;
		(void)rounds_sleep(&keeper->rounds, LOOK_S * CLOCK_NS_PER_S);
	}
	pthread_mutex_unlock(&keeper->rounds.lock);
	return NULL;
}

static void free_all(struct trust_keeper *keeper)
{
	hidden_free(keeper->key, MAC_SIZE);
	free(keeper->trusts);
	free(keeper->text);
	free(keeper->path);
	free(keeper->key_path);
	free(keeper);
}

struct trust_keeper *trust_keeper_start(const char *path, struct guard *guard, struct log *log)
{
	struct trust_keeper *keeper = calloc(1, sizeof(*keeper));

	if (!keeper)
		return NULL;
	keeper->guard = guard;
	keeper->log = log;
	keeper->path = strdup(path);
	if (asprintf(&keeper->key_path, "%s" TRUST_KEEPER_KEY, path) < 0)
		keeper->key_path = NULL;
	keeper->key = hidden_new(MAC_SIZE);
	keeper->trusts = malloc(TRUST_FILE_MAX * sizeof(*keeper->trusts));
	keeper->text = malloc(TRUST_FILE_SIZE);
	if (keeper->path && keeper->key_path && keeper->key && keeper->trusts && keeper->text) {
		take_key(keeper);
		take_list(keeper);
		if (rounds_start(&keeper->rounds, run, keeper))
			return keeper;
	}
	free_all(keeper);
	return NULL;
}

void trust_keeper_stop(struct trust_keeper *keeper)
{
	if (!keeper)
		return;
	rounds_stop(&keeper->rounds);
	free_all(keeper);
}
