/*
 * tests/unit/test_guard.c - core/receive/guard.c and known.c: who is locked out by guessing, who is not, and when it is
 * over; who has signed in lately, and what of it is kept.
 */
#include "core/receive/guard.h"

#include <arpa/inet.h>

#include "core/base/address_text.h"
#include "core/base/clock.h"
#include "core/receive/known.h"
#include "tests/unit/check.h"

static struct guard *guard;
static uint64_t now_ns;

static struct guard_attempt attempt(const char *address, const char *user)
{
	static struct ring_address addresses[4];
	static unsigned next;
	struct ring_address *a = &addresses[next++ % 4];

	CHECK(address_text_numeric(address, 1, a));
	return (struct guard_attempt){.address = a, .user = user, .user_length = strlen(user), .now_ns = now_ns};
}

static enum guard_answer ask(const char *address, const char *user)
{
	struct guard_attempt a = attempt(address, user);
	enum guard_answer answer = guard_ask(guard, &a);

	if (answer == GUARD_VERIFY || answer == GUARD_VERIFY_KNOWN)
		guard_done(guard, &a, answer, GUARD_NOTHING);
	return answer;
}

static unsigned fail(const char *address, const char *user)
{
	struct guard_attempt a = attempt(address, user);

	return guard_done(guard, &a, guard_ask(guard, &a), GUARD_WRONG);
}

static void succeed(const char *address, const char *user)
{
	struct guard_attempt a = attempt(address, user);

	guard_done(guard, &a, guard_ask(guard, &a), GUARD_RIGHT);
}

static void begin(void)
{
	guard_free(guard);
	guard = guard_new(42);
	now_ns = 1000 * CLOCK_NS_PER_S;
}

static void pass(unsigned seconds)
{
	now_ns += seconds * CLOCK_NS_PER_S;
}

static void test_address(void)
{
	static const unsigned waits[] = {1000, 2000, 4000, 8000, 8000, 8000, 8000, 8000, 8000, 8000, 8000};

	begin();
	for (unsigned i = 0; i < GUARD_ADDRESS_FAILURES; i++) {
		CHECK_EQ(ask("192.0.2.1", "scan"), GUARD_VERIFY);
		CHECK_EQ(fail("192.0.2.1", "scan"), waits[i]);
	}
	CHECK_EQ(ask("192.0.2.1", "scan"), GUARD_REFUSE_ADDRESS);
	CHECK_EQ(ask("192.0.2.1", "other"), GUARD_REFUSE_ADDRESS);
	CHECK_EQ(ask("::ffff:192.0.2.1", "other"), GUARD_REFUSE_ADDRESS);
	/* Nobody else is. */
	CHECK_EQ(ask("192.0.2.2", "scan"), GUARD_VERIFY);
	/* One attempt for each half minute, and all of them after a while. */
	pass(GUARD_ADDRESS_LEAK_S + 1);
	CHECK_EQ(ask("192.0.2.1", "scan"), GUARD_VERIFY);
	CHECK_EQ(fail("192.0.2.1", "scan"), GUARD_WAIT_MAX_MS);
	CHECK_EQ(ask("192.0.2.1", "scan"), GUARD_REFUSE_ADDRESS);
	pass(GUARD_ADDRESS_FAILURES * GUARD_ADDRESS_LEAK_S + 1);
	CHECK_EQ(fail("192.0.2.1", "scan"), GUARD_WAIT_FIRST_MS);
}

/* However long it went on, it is over as soon as after ten. */
static void test_no_longer_than_full(void)
{
	begin();
	for (unsigned i = 0; i < 1000; i++)
		fail("192.0.2.1", "scan");
	pass(GUARD_ADDRESS_LEAK_S + 1);
	CHECK_EQ(ask("192.0.2.1", "other"), GUARD_VERIFY);
	CHECK_EQ(ask("192.0.2.1", "scan"), GUARD_REFUSE_USER);
	pass(GUARD_USER_LEAK_S - GUARD_ADDRESS_LEAK_S);
	CHECK_EQ(ask("192.0.2.1", "scan"), GUARD_VERIFY);
}

static void test_ipv6_by_64(void)
{
	begin();
	for (unsigned i = 0; i < GUARD_ADDRESS_FAILURES; i++) {
		char address[40];
		snprintf(address, sizeof(address), "2001:db8:0:1::%x", i + 1);
		fail(address, "scan");
	}
	CHECK_EQ(ask("2001:db8:0:1:ffff::1", "scan"), GUARD_REFUSE_ADDRESS);
	CHECK_EQ(ask("2001:db8:0:2::1", "scan"), GUARD_VERIFY);
}

/* Many at once: where one has failed they are no more than one after the other; where none has, all are looked at. */
static void test_at_once(void)
{
	struct guard_attempt a;

	begin();
	a = attempt("192.0.2.1", "scan");
	for (unsigned i = 0; i < 50; i++)
		CHECK_EQ(guard_ask(guard, &a), GUARD_VERIFY);
	for (unsigned i = 0; i < 50; i++)
		guard_done(guard, &a, GUARD_VERIFY, GUARD_NOTHING);
	(void)guard_ask(guard, &a);
	guard_done(guard, &a, GUARD_VERIFY, GUARD_WRONG);
	for (unsigned i = 1; i < GUARD_ADDRESS_FAILURES; i++)
		CHECK_EQ(guard_ask(guard, &a), GUARD_VERIFY);
	CHECK_EQ(guard_ask(guard, &a), GUARD_REFUSE_ADDRESS);
	guard_done(guard, &a, GUARD_VERIFY, GUARD_NOTHING);
	CHECK_EQ(guard_ask(guard, &a), GUARD_VERIFY);
}

/* A server opens fifty connections and is known from the first answer on: all of them are over with the last, and one
 * wrong password behind the same address keeps out none of its neighbours. */
static void test_known_meanwhile(void)
{
	struct guard_attempt a;

	begin();
	a = attempt("192.0.2.1", "server");
	for (unsigned i = 0; i < 50; i++)
		CHECK_EQ(guard_ask(guard, &a), GUARD_VERIFY);
	for (unsigned i = 0; i < 50; i++)
		guard_done(guard, &a, GUARD_VERIFY, GUARD_RIGHT);
	CHECK_EQ(fail("192.0.2.1", "mistyped"), GUARD_WAIT_FIRST_MS);
	CHECK_EQ(ask("192.0.2.1", "printer"), GUARD_VERIFY);
}

/* Trust that ends while he is verified leaves nothing behind in the bucket that he had. */
static void test_trust_ends_meanwhile(void)
{
	struct guard_attempt a;

	begin();
	succeed("192.0.2.1", "printer");
	pass(GUARD_TRUST_DAYS * 86400 - 1);
	a = attempt("192.0.2.1", "printer");
	for (unsigned i = 0; i < 50; i++)
		CHECK_EQ(guard_ask(guard, &a), GUARD_VERIFY_KNOWN);
	pass(2);
	a.now_ns = now_ns;
	for (unsigned i = 0; i < 50; i++)
		guard_done(guard, &a, GUARD_VERIFY_KNOWN, GUARD_NOTHING);
	succeed("192.0.2.1", "printer");
	CHECK_EQ(fail("192.0.2.1", "printer"), GUARD_WAIT_FIRST_MS);
	CHECK_EQ(ask("192.0.2.1", "printer"), GUARD_VERIFY_KNOWN);
}

/* A user is guessed at from everywhere. */
static void storm(const char *user, unsigned addresses)
{
	char address[40];

	for (unsigned i = 0; i < addresses; i++) {
		snprintf(address, sizeof(address), "198.51.%u.%u", i / 250, i % 250 + 1);
		fail(address, user);
	}
}

static void test_user(void)
{
	begin();
	succeed("10.0.0.5", "scan");
	storm("Scan", GUARD_USER_FAILURES + 500);
	/* Not again from where it was wrong, in whatever spelling. */
	CHECK_EQ(ask("198.51.0.1", "SCAN"), GUARD_REFUSE_USER);
	CHECK_EQ(ask("198.51.0.1", "other"), GUARD_VERIFY);
	/* His machine, and a new one, once. */
	CHECK_EQ(ask("10.0.0.5", "scan"), GUARD_VERIFY_KNOWN);
	CHECK_EQ(ask("10.0.0.6", "scan"), GUARD_VERIFY);
	fail("10.0.0.6", "scan");
	CHECK_EQ(ask("10.0.0.6", "scan"), GUARD_REFUSE_USER);
	pass(GUARD_USER_LEAK_S + 1);
	CHECK_EQ(ask("10.0.0.6", "scan"), GUARD_VERIFY);
}

/* Two behind one address: one guesses, the other goes on working. */
static void test_same_address(void)
{
	begin();
	succeed("192.0.2.1", "printer");
	for (unsigned i = 0; i < 100; i++)
		fail("192.0.2.1", "admin");
	CHECK_EQ(ask("192.0.2.1", "admin"), GUARD_REFUSE_ADDRESS);
	CHECK_EQ(ask("192.0.2.1", "printer"), GUARD_VERIFY_KNOWN);
	/* At the printer's own user: only there. */
	for (unsigned i = 0; i < 100; i++)
		fail("192.0.2.1", "printer");
	CHECK_EQ(ask("192.0.2.1", "printer"), GUARD_REFUSE_ADDRESS);
	CHECK_EQ(ask("192.0.2.2", "printer"), GUARD_VERIFY);
	pass(GUARD_ADDRESS_LEAK_S + 1);
	CHECK_EQ(ask("192.0.2.1", "printer"), GUARD_VERIFY_KNOWN);
	/* Trust ends. */
	pass(GUARD_TRUST_DAYS * 86400);
	CHECK_EQ(ask("192.0.2.1", "printer"), GUARD_VERIFY);
}

static unsigned count_known(unsigned machines)
{
	unsigned known = 0;
	char address[40];

	for (unsigned i = 0; i < machines; i++) {
		snprintf(address, sizeof(address), "10.1.%u.%u", i / 200, i % 200 + 1);
		known += ask(address, "scan") == GUARD_VERIFY_KNOWN;
	}
	return known;
}

/* A million who fail push out nobody who has succeeded. */
static void test_million(void)
{
	enum { MACHINES = 2000 };
	char address[40], user[40];
	unsigned known;

	begin();
	for (unsigned i = 0; i < MACHINES; i++) {
		snprintf(address, sizeof(address), "10.1.%u.%u", i / 200, i % 200 + 1);
		succeed(address, "scan");
	}
	known = count_known(MACHINES);
	CHECK(known > MACHINES - 10); /* five may have to share four places */
	for (unsigned i = 0; i < 1000000; i++) {
		snprintf(address, sizeof(address), "2001:db8:%x:%x::1", i >> 16, i & 0xffff);
		snprintf(user, sizeof(user), "user%u", i);
		fail(address, user);
	}
	CHECK_EQ(count_known(MACHINES), known);
}

static void test_known(void)
{
	const struct known_login login = {"scan", "secret-of-a-printer", "$y$hash"};
	const struct known_login others[] = {{"scan", "secret-of-a-printes", "$y$hash"},
					     {"scam", "secret-of-a-printer", "$y$hash"},
					     {"scan", "secret-of-a-printer", "$y$hasi"},
					     {"scans", "ecret-of-a-printer", "$y$hash"},
					     {"", "", ""}};
	uint8_t key[MAC_SIZE] = {1}, other_key[MAC_SIZE] = {2};
	struct known *known = known_new(key), *other = known_new(other_key);
	uint64_t at = 5 * CLOCK_NS_PER_S;

	CHECK(!known_find(known, &login, at));
	known_add(known, &login, at);
	CHECK(known_find(known, &login, at));
	CHECK(!known_find(other, &login, at));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		CHECK(!known_find(known, &others[i], at));
	CHECK(known_find(known, &login, at + (KNOWN_MINUTES * 60 - 1) * CLOCK_NS_PER_S));
	CHECK(!known_find(known, &login, at + KNOWN_MINUTES * 60 * CLOCK_NS_PER_S));
	/* More than there are places: the newest is there. */
	for (unsigned i = 0; i < 10 * KNOWN_SETS * KNOWN_WAYS; i++) {
		char user[20];
		const struct known_login many = {user, "p", "h"};
		snprintf(user, sizeof(user), "u%u", i);
		known_add(known, &many, at + i);
		CHECK(known_find(known, &many, at + i));
	}
	known_free(known);
	known_free(other);
}

/* A machine with a /48 has 65,536 addresses that count: together they are one site. */
static void test_site(void)
{
	char address[40], user[16];

	begin();
	succeed("2001:db8:1:ffff::1", "known");
	for (unsigned i = 0; i < GUARD_SITE_FAILURES; i++) {
		snprintf(address, sizeof(address), "2001:db8:1:%x::1", i);
		snprintf(user, sizeof(user), "user%u", i);
		CHECK_EQ(ask(address, user), GUARD_VERIFY);
		fail(address, user);
	}
	CHECK_EQ(ask("2001:db8:1:aaaa::1", "somebody"), GUARD_REFUSE_ADDRESS);
	CHECK_EQ(ask("2001:db8:1:ffff::1", "known"), GUARD_VERIFY_KNOWN);
	CHECK_EQ(ask("2001:db8:2:aaaa::1", "somebody"), GUARD_VERIFY);
	CHECK_EQ(ask("192.0.2.1", "somebody"), GUARD_VERIFY);
	pass(2 * GUARD_SITE_LEAK_S);
	CHECK_EQ(ask("2001:db8:1:aaaa::1", "somebody"), GUARD_VERIFY);
}

int main(void)
{
	RUN(test_address);
	RUN(test_no_longer_than_full);
	RUN(test_ipv6_by_64);
	RUN(test_at_once);
	RUN(test_known_meanwhile);
	RUN(test_trust_ends_meanwhile);
	RUN(test_user);
	RUN(test_same_address);
	RUN(test_million);
	RUN(test_known);
	RUN(test_site);
	guard_free(guard);
	return check_end();
}
