/*
 * tests/sim/pool_rig.c - see pool_rig.h.
 */
#include "tests/sim/pool_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/clock.h"

#define MINUTE_NS (60 * CLOCK_NS_PER_S)
#define HOUR_NS (60 * MINUTE_NS)

/* The password of all. The engine reads it as it would: from a file. */
static char password_file[] = "/tmp/postrider-sim-XXXXXX";

static void remove_password(void)
{
	(void)unlink(password_file);
}

static void write_password(void)
{
	static bool written;
	int fd;

	if (written)
		return;
	written = true;
	fd = mkstemp(password_file);
	if (fd < 0 || write(fd, "secret\n", 7) != 7 || close(fd) < 0)
		abort();
	(void)atexit(remove_password);
}

/* The mailboxes from `first` on, so many. */
void pool_signing_in(char *out, unsigned first, unsigned count, bool fallback)
{
	int n;

	write_password();
	n = snprintf(out, POOL_SIGNING_IN_MAX,
		     "tls: { mode: verify, server_name: next.hop.example }%s, auth: { mechanism: plain, password_file: "
		     "\"%s\" }, mailboxes: [",
		     fallback ? ", fallback: two, fallback_after: 2m" : "", password_file);
	for (unsigned i = 0; i < count; i++)
		n += snprintf(out + n, POOL_SIGNING_IN_MAX - (size_t)n, "%s{ user: m%u@pool.example }", i ? ", " : "",
			      first + i);
	(void)snprintf(out + n, POOL_SIGNING_IN_MAX - (size_t)n, "]");
}

void pool_signing_in_by_token(char *out, unsigned count)
{
	int n;

	write_password();
	n = snprintf(out, POOL_SIGNING_IN_MAX,
		     "tls: { mode: verify, server_name: next.hop.example }, auth: { mechanism: xoauth2 }, "
		     "oauth: { client_id: app, client_secret_file: \"%s\", scope: mail, "
		     "token_url: \"https://login.example/token0\" }, mailboxes: [",
		     password_file);
	for (unsigned i = 0; i < count; i++)
		n += snprintf(out + n, POOL_SIGNING_IN_MAX - (size_t)n, "%s{ user: m%u@pool.example }", i ? ", " : "",
			      i);
	(void)snprintf(out + n, POOL_SIGNING_IN_MAX - (size_t)n, "]");
}

void pool_allot(struct actor_logins *logins, uint64_t seed)
{
	for (unsigned i = 0; i < logins->count; i++)
		logins->may[i] = (uint32_t)rig_pick(seed, 400 + i, 1u << logins->senders);
	for (unsigned k = 0; k < logins->senders; k++)
		logins->may[rig_pick(seed, 420 + k, logins->count)] |= 1u << k;
}

void pool_signing_in_as(char *out, const struct actor_logins *logins)
{
	int n;

	write_password();
	n = snprintf(out, POOL_SIGNING_IN_MAX,
		     "tls: { mode: verify, server_name: next.hop.example }, sender: match, "
		     "auth: { mechanism: plain, password_file: \"%s\" }, mailboxes: [",
		     password_file);
	for (unsigned i = 0; i < logins->count; i++) {
		n += snprintf(out + n, POOL_SIGNING_IN_MAX - (size_t)n, "%s{ user: m%u@pool.example", i ? ", " : "", i);
		for (unsigned k = 0, any = 0; k < logins->senders; k++) {
			if (logins->may[i] >> k & 1)
				n += snprintf(out + n, POOL_SIGNING_IN_MAX - (size_t)n, "%s\"*@c%u.example\"",
					      any++ ? ", " : ", senders: [", k);
		}
		n += snprintf(out + n, POOL_SIGNING_IN_MAX - (size_t)n, logins->may[i] ? "] }" : " }");
	}
	(void)snprintf(out + n, POOL_SIGNING_IN_MAX - (size_t)n, "]");
}

void pool_meter_all(struct actor_logins *logins, bool daily, bool paced)
{
	for (unsigned i = 0; i < ACTOR_MAILBOXES; i++) {
		logins->messages[i].window_ns = MINUTE_NS;
		logins->messages[i].most = paced ? POOL_A_MINUTE : 0;
		logins->recipients[i].window_ns = 24 * HOUR_NS;
		logins->recipients[i].most = daily ? POOL_A_DAY : 0;
	}
}

void pool_close(struct rig *rig, struct actor_logins *logins)
{
	for (unsigned i = 0; i < ACTOR_MAILBOXES; i++) {
		char what[48];
		(void)snprintf(what, sizeof(what), "mailbox %u: messages in a minute", i);
		rig_meter(rig, what, &logins->messages[i]);
		(void)snprintf(what, sizeof(what), "mailbox %u: recipients in 24 hours", i);
		rig_meter(rig, what, &logins->recipients[i]);
	}
	rig_meter(rig, "logins refused within ten minutes", &logins->failures);
	/* A next hop sees the connections of a process that died for a moment longer. */
	if (logins->over && rig->lives == 1)
		rig_fail(rig, "%u times one had more connections than it may", logins->over);
	if (logins->wrong)
		rig_fail(rig, "%u logins with another name or password", logins->wrong);
	rig_close(rig);
	for (unsigned i = 0; i < ACTOR_MAILBOXES; i++) {
		actor_meter_free(&logins->messages[i]);
		actor_meter_free(&logins->recipients[i]);
	}
	actor_meter_free(&logins->failures);
}

void pool_die(struct rig *rig)
{
	rig_crash(rig, world_below(2) ? WORLD_POWER_CUT : WORLD_KILL);
	world_faults_clear();
	rig_begin(rig, 1 + (unsigned)world_below(3));
}
