/*
 * tests/unit/test_trust_keeper.c - who has signed in, through restarts: core/relay/trust_keeper.c with the guard, and
 * its file, core/agents/trust_file.c; a file that is damaged, of another version, of another key or not to be had, and
 * clocks that went wrong meanwhile.
 */
#include "core/relay/trust_keeper.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/agents/trust_file.h"
#include "core/base/address_text.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/receive/guard.h"
#include "tests/unit/check.h"

#define KEY_A "00000000000000a1"
#define KEY_B "ffffffffffffffff"
#define HEAD "postrider-signed-in 1 0123456789abcdef\n"

static char directory[] = "test_trust_keeper.XXXXXX", path[64], key_path[64];
static struct log *events;
static struct trust places[TRUST_FILE_MAX];
static char text[TRUST_FILE_SIZE];

/* ---- the file --------------------------------------------------------------------------------------------------- */

static const struct {
	const char *text;
	int result;
	size_t count;
} table[] = {
	{HEAD "end 0\n", 0, 0},
	{HEAD KEY_A " 17\nend 1\n", 0, 1},
	{HEAD KEY_A " 17\n" KEY_B " 18446744073709551615\nend 2\n", 0, 2},
	/* Cut off, or not this version's. */
	{"", -EBADMSG, 0},
	{HEAD, -EBADMSG, 0},
	{HEAD "end 0", -EBADMSG, 0},
	{HEAD "end ", -EBADMSG, 0},
	{HEAD "end 0\nx", -EBADMSG, 0},
	{HEAD "end 1\n", -EBADMSG, 0},
	{HEAD KEY_A " 17\n", -EBADMSG, 0},
	{HEAD KEY_A " 17\nend 0\n", -EBADMSG, 0},
	{HEAD KEY_A " 17\nend 2\n", -EBADMSG, 0},
	{"postrider-signed-in 2 0123456789abcdef\nend 0\n", -EBADMSG, 0},
	{"postrider-signed-in 1 0123456789abcde\nend 0\n", -EBADMSG, 0},
	{KEY_A " 17\nend 1\n", -EBADMSG, 0},
	/* A line that is none. */
	{HEAD "0000000000000000 17\nend 1\n", -EBADMSG, 0},
	{HEAD "00000000000000A1 17\nend 1\n", -EBADMSG, 0},
	{HEAD KEY_A "17\nend 1\n", -EBADMSG, 0},
	{HEAD KEY_A " \nend 1\n", -EBADMSG, 0},
	{HEAD KEY_A " -1\nend 1\n", -EBADMSG, 0},
	{HEAD KEY_A " 18446744073709551616\nend 1\n", -EBADMSG, 0},
	{HEAD KEY_A " 17 \nend 1\n", -EBADMSG, 0},
	{HEAD KEY_A, -EBADMSG, 0},
};

static void test_table(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		size_t count = 99;
		uint64_t check;
		int r = trust_file_parse(table[i].text, strlen(table[i].text), &check, places, &count);
		if (r != table[i].result || count != table[i].count)
			printf("row %zu\n", i);
		CHECK_EQ(r, table[i].result);
		CHECK_EQ(count, table[i].count);
	}
	CHECK_EQ(places[0].key, 0xa1);
}

/* As many as there can be, the longest; and one more is none of ours. */
static void test_full(void)
{
	static char longer[TRUST_FILE_SIZE + TRUST_FILE_LINE];
	static struct trust many[TRUST_FILE_MAX + 1];
	size_t count, length;
	uint64_t check;

	for (size_t i = 0; i <= TRUST_FILE_MAX; i++)
		many[i] = (struct trust){.key = UINT64_MAX - i, .until_s = UINT64_MAX};
	length = trust_file_format(UINT64_MAX, many, TRUST_FILE_MAX, text);
	CHECK(length <= TRUST_FILE_SIZE);
	CHECK_EQ(trust_file_parse(text, length, &check, places, &count), 0);
	CHECK_EQ(count, TRUST_FILE_MAX);
	CHECK_EQ(check, UINT64_MAX);
	CHECK(memcmp(many, places, sizeof(places)) == 0);
	length = trust_file_format(1, many, TRUST_FILE_MAX + 1, longer);
	CHECK_EQ(trust_file_parse(longer, length, &check, places, &count), -EBADMSG);
}

static void test_key(void)
{
	uint8_t key[TRUST_KEY_SIZE], again[TRUST_KEY_SIZE];
	char said[TRUST_KEY_TEXT + 1] = "";

	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(7 * i);
	trust_key_format(key, said);
	CHECK_EQ(trust_key_parse(said, TRUST_KEY_TEXT, again), 0);
	CHECK(memcmp(key, again, sizeof(key)) == 0);
	CHECK_EQ(trust_key_parse(said, TRUST_KEY_TEXT - 1, again), -EBADMSG);
	said[17] = 'g';
	CHECK_EQ(trust_key_parse(said, TRUST_KEY_TEXT, again), -EBADMSG);
}

/* ---- processes -------------------------------------------------------------------------------------------------- */

static struct guard *guard;
static struct trust_keeper *keeper;

static struct guard_attempt attempt(const char *address, const char *user)
{
	static struct ring_address a;

	CHECK(address_text_numeric(address, 1, &a));
	return (struct guard_attempt){
		.address = &a, .user = user, .user_length = strlen(user), .now_ns = clock_monotonic_ns()};
}

static void begin(uint64_t salt)
{
	guard = guard_new(salt);
	keeper = trust_keeper_start(path, guard, events);
	CHECK(keeper != NULL);
}

static void end(void)
{
	trust_keeper_stop(keeper);
	guard_free(guard);
}

static enum guard_answer sign_in(const char *address, const char *user)
{
	struct guard_attempt a = attempt(address, user);
	enum guard_answer answer = guard_ask(guard, &a);

	if (answer == GUARD_VERIFY || answer == GUARD_VERIFY_KNOWN)
		guard_done(guard, &a, answer, GUARD_RIGHT);
	return answer;
}

/* Guesses at `user` from `address` until nobody listens. */
static void flood(const char *address, const char *user)
{
	for (unsigned i = 0; i <= GUARD_ADDRESS_FAILURES; i++) {
		struct guard_attempt a = attempt(address, user);
		enum guard_answer answer = guard_ask(guard, &a);
		if (answer == GUARD_VERIFY || answer == GUARD_VERIFY_KNOWN)
			guard_done(guard, &a, answer, GUARD_WRONG);
	}
}

/* How many events of that name were told since the last call; all are taken. */
static unsigned told(const char *name)
{
	static char lines[1 << 16];
	unsigned n = 0;
	int fd[2];
	ssize_t length;

	CHECK_EQ(pipe(fd), 0);
	log_drain(events, fd[1]);
	close(fd[1]);
	length = read(fd[0], lines, sizeof(lines) - 1);
	close(fd[0]);
	lines[length > 0 ? length : 0] = '\0';
	for (const char *at = lines; (at = strstr(at, name)) != NULL; at++)
		n++;
	return n;
}

static size_t read_file(const char *name, char *out, size_t size)
{
	FILE *f = fopen(name, "r");
	size_t n = f ? fread(out, 1, size, f) : 0;

	if (f)
		fclose(f);
	return n;
}

static void write_file(const char *name, const char *content, size_t length)
{
	FILE *f = fopen(name, "w");

	CHECK(f && fwrite(content, 1, length, f) == length && fclose(f) == 0);
}

static void forget(void)
{
	unlink(path);
	unlink(key_path);
}

/* A flood that begins with the process: who has signed in before is let in, a stranger is not. */
static void test_restart(void)
{
	static const char *const from[] = {"192.0.2.7", "2001:db8::1"};
	struct stat st;

	forget();
	begin(1);
	for (unsigned i = 0; i < 2; i++)
		CHECK_EQ(sign_in(from[i], "copier"), GUARD_VERIFY);
	end();
	CHECK_EQ(told("signed_in"), 0);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
	CHECK(stat(key_path, &st) == 0 && (st.st_mode & 0777) == 0600);
	for (unsigned life = 2; life < 5; life++) {
		begin(life); /* another salt each: what is kept does not depend on it */
		for (unsigned i = 0; i < 2; i++) {
			flood(from[i], "nobody");
			CHECK_EQ(sign_in(from[i], "scanner"), GUARD_REFUSE_ADDRESS);
			CHECK_EQ(sign_in(from[i], "COPIER"), GUARD_VERIFY_KNOWN);
		}
		end();
	}
	CHECK_EQ(told("signed_in"), 0);
}

/* Of each form: nobody is known, it is told once with the file's name, and from then on it is whole again. */
static void damaged(const char *name, const char *content, size_t length)
{
	forget();
	begin(1);
	CHECK_EQ(sign_in("192.0.2.7", "copier"), GUARD_VERIFY);
	end();
	if (content)
		write_file(name, content, length);
	else
		unlink(name);
	begin(2);
	CHECK_EQ(told(name), 1);
	CHECK_EQ(sign_in("192.0.2.7", "copier"), GUARD_VERIFY);
	end();
	CHECK_EQ(told("signed_in"), 0);
	begin(3);
	CHECK_EQ(told("signed_in"), 0);
	CHECK_EQ(sign_in("192.0.2.7", "copier"), GUARD_VERIFY_KNOWN);
	end();
}

static void test_damaged(void)
{
	static const char newer[] = "postrider-signed-in 2 0123456789abcdef\nend 0\n";
	size_t length;

	damaged(path, "", 0);
	damaged(path, newer, sizeof(newer) - 1);
	memset(text, 'x', sizeof(text));
	damaged(path, text, sizeof(text));
	damaged(key_path, "", 0);
	damaged(key_path, text, TRUST_KEY_TEXT);
	/* Cut off anywhere, as what nobody has written: a file is replaced as a whole. */
	length = read_file(path, text, sizeof(text));
	for (size_t cut = 1; cut < length; cut += 9)
		damaged(path, text, cut);
}

/* The list of one key beside another, or beside none: it says nothing of anybody. */
static void test_other_key(void)
{
	static const char other[] = "1111111111111111111111111111111111111111111111111111111111111111";

	forget();
	begin(1);
	CHECK_EQ(sign_in("192.0.2.7", "copier"), GUARD_VERIFY);
	end();
	write_file(key_path, other, sizeof(other) - 1);
	begin(2);
	CHECK_EQ(told("another key"), 1);
	CHECK_EQ(sign_in("192.0.2.7", "copier"), GUARD_VERIFY);
	end();
	unlink(key_path);
	begin(3);
	CHECK_EQ(told("another key"), 1);
	end();
}

/* A disk that takes nothing: told once, and what was to be written is written when it takes something. */
static void test_unwritten(void)
{
	char away[80];

	forget();
	begin(1);
	CHECK_EQ(sign_in("192.0.2.7", "copier"), GUARD_VERIFY);
	snprintf(away, sizeof(away), "%s.away", directory);
	CHECK_EQ(rename(directory, away), 0);
	end();
	CHECK_EQ(told("signed_in_unwritten"), 1);
	CHECK_EQ(rename(away, directory), 0);
	begin(2);
	CHECK_EQ(told("signed_in"), 0);
	CHECK_EQ(sign_in("192.0.2.7", "copier"), GUARD_VERIFY);
	end();
}

/* ---- time ------------------------------------------------------------------------------------------------------- */

enum { DAY_S = 86400, NOW_S = 1800000000 };

/* Whom it trusts, `later_s` of the process's own time after it has read the list at `wall_s`. */
static enum guard_answer after(size_t count, uint64_t wall_s, uint64_t later_s)
{
	const struct guard_clock now = {.now_ns = 5 * CLOCK_NS_PER_S, .wall_s = wall_s};
	struct guard_attempt a = attempt("192.0.2.7", "copier");
	struct guard *next = guard_new(42);
	enum guard_answer answer;

	a.now_ns = now.now_ns + later_s * CLOCK_NS_PER_S;
	guard_trust_again(next, &now, places, count);
	answer = guard_ask(next, &a);
	guard_free(next);
	return answer;
}

static void test_clock(void)
{
	const struct guard_clock now = {.now_ns = 1000 * CLOCK_NS_PER_S, .wall_s = NOW_S};
	struct guard_attempt a = attempt("192.0.2.7", "copier");
	struct guard *before = guard_new(42);
	size_t count;

	a.now_ns = now.now_ns;
	CHECK(!guard_trusts_grew(before));
	CHECK_EQ(guard_done(before, &a, guard_ask(before, &a), GUARD_RIGHT), 0);
	CHECK(guard_trusts_grew(before));
	/* A device that signs in for each message is written once a day. */
	a.now_ns += (DAY_S - 1) * CLOCK_NS_PER_S;
	guard_done(before, &a, guard_ask(before, &a), GUARD_RIGHT);
	CHECK(!guard_trusts_grew(before));
	a.now_ns = now.now_ns;
	count = guard_trusts(before, &now, places);
	guard_free(before);
	CHECK_EQ(count, 1);
	places[0].until_s = NOW_S + GUARD_TRUST_DAYS * DAY_S;
	CHECK_EQ(after(count, NOW_S, 0), GUARD_VERIFY_KNOWN);
	CHECK_EQ(after(count, NOW_S + 10 * DAY_S, 20 * DAY_S - 1), GUARD_VERIFY_KNOWN);
	CHECK_EQ(after(count, NOW_S + 10 * DAY_S, 20 * DAY_S), GUARD_VERIFY);
	CHECK_EQ(after(count, NOW_S + GUARD_TRUST_DAYS * DAY_S, 0), GUARD_VERIFY);
	/* A clock that went back, to yesterday or to 1970: not for longer than ever. */
	CHECK_EQ(after(count, NOW_S - DAY_S, GUARD_TRUST_DAYS * DAY_S - 1), GUARD_VERIFY_KNOWN);
	CHECK_EQ(after(count, NOW_S - DAY_S, GUARD_TRUST_DAYS * DAY_S), GUARD_VERIFY);
	CHECK_EQ(after(count, 0, GUARD_TRUST_DAYS * DAY_S - 1), GUARD_VERIFY_KNOWN);
	CHECK_EQ(after(count, 0, GUARD_TRUST_DAYS * DAY_S), GUARD_VERIFY);
}

/* More than there are places for: the file has no more than it may. */
static void test_many(void)
{
	const struct guard_clock now = {.now_ns = 5, .wall_s = NOW_S};
	struct guard *full = guard_new(7);
	char user[24];
	size_t count;

	for (unsigned i = 0; i < 4 * TRUST_FILE_MAX; i++) {
		snprintf(user, sizeof(user), "user%u", i);
		struct guard_attempt a = attempt("192.0.2.7", user);
		a.now_ns = 5;
		guard_done(full, &a, guard_ask(full, &a), GUARD_RIGHT);
	}
	count = guard_trusts(full, &now, places);
	CHECK(count > TRUST_FILE_MAX * 9 / 10 && count <= TRUST_FILE_MAX);
	guard_free(full);
	/* Of the same key it all has its place. */
	full = guard_new(7);
	guard_trust_again(full, &now, places, count);
	CHECK_EQ(guard_trusts(full, &now, places), count);
	guard_free(full);
}

int main(void)
{
	CHECK(mkdtemp(directory) != NULL);
	snprintf(path, sizeof(path), "%s/signed-in", directory);
	snprintf(key_path, sizeof(key_path), "%s/signed-in" TRUST_KEEPER_KEY, directory);
	events = log_new(-1, 1 << 16);
	RUN(test_table);
	RUN(test_full);
	RUN(test_key);
	RUN(test_restart);
	RUN(test_damaged);
	RUN(test_other_key);
	RUN(test_unwritten);
	RUN(test_clock);
	RUN(test_many);
	forget();
	rmdir(directory);
	log_free(events);
	return check_end();
}
