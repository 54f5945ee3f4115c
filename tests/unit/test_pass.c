/*
 * tests/unit/test_pass.c - core/control/pass: a link lets in once, a pass ends, and tables that are full make room.
 */
#include "core/control/pass.h"

#include <string.h>

#include "core/base/clock.h"
#include "tests/unit/check.h"

#define S CLOCK_NS_PER_S
#define BEGIN (1000 * S)

static void test_once(void)
{
	struct passes *passes = passes_new();
	char link[PASS_TEXT + 1], pass[PASS_TEXT + 1], other[PASS_TEXT + 1], user[PASS_USER_MAX + 1];

	pass_link(passes, "uid 7", BEGIN, link);
	CHECK_EQ(strlen(link), PASS_TEXT);
	CHECK(!pass_find(passes, link, BEGIN, user));
	CHECK(!pass_enter(passes, "", BEGIN, pass));
	CHECK(pass_enter(passes, link, BEGIN + 599 * S, pass));
	CHECK(!pass_same(link, pass));
	CHECK(!pass_enter(passes, link, BEGIN + 599 * S, other));
	CHECK(!pass_enter(passes, pass, BEGIN + 599 * S, other));
	CHECK(pass_find(passes, pass, BEGIN + 600 * S, user));
	CHECK_STR(user, "uid 7");
	pass[3] ^= 1;
	CHECK(!pass_find(passes, pass, BEGIN + 600 * S, user));
	pass[3] ^= 1;
	pass_leave(passes, "nobody's");
	CHECK(pass_find(passes, pass, BEGIN + 600 * S, user));
	pass_leave(passes, pass);
	CHECK(!pass_find(passes, pass, BEGIN + 600 * S, user));
	passes_free(passes);
}

static void test_ends(void)
{
	struct passes *passes = passes_new();
	char link[PASS_TEXT + 1], pass[PASS_TEXT + 1], user[PASS_USER_MAX + 1];
	uint64_t now_ns = BEGIN;

	pass_link(passes, "a", now_ns, link);
	CHECK(!pass_enter(passes, link, now_ns + 601 * S, pass));
	CHECK(!pass_enter(passes, link, now_ns, pass));
	pass_link(passes, "a", now_ns, link);
	CHECK(pass_enter(passes, link, now_ns, pass));
	/* As long as it is used, but no longer than its life. */
	for (unsigned hours = 7; hours <= 21; hours += 7)
		CHECK(pass_find(passes, pass, now_ns + hours * 3600 * S, user));
	CHECK(!pass_find(passes, pass, now_ns + 25 * 3600 * S, user));
	CHECK(!pass_find(passes, pass, now_ns + 21 * 3600 * S, user));
	pass_link(passes, "a", now_ns, link);
	CHECK(pass_enter(passes, link, now_ns, pass));
	CHECK(!pass_find(passes, pass, now_ns + 9 * 3600 * S, user));
	passes_free(passes);
}

/* The one that was used longest ago goes. */
static void test_full(void)
{
	struct passes *passes = passes_new();
	char link[PASS_TEXT + 1], made[PASS_MOST + 1][PASS_TEXT + 1], user[PASS_USER_MAX + 1];

	for (unsigned i = 0; i < PASS_MOST; i++) {
		pass_link(passes, "a", BEGIN + i * S, link);
		CHECK(pass_enter(passes, link, BEGIN + i * S, made[i]));
	}
	CHECK(pass_find(passes, made[0], BEGIN + 100 * S, user));
	pass_link(passes, "b", BEGIN + 101 * S, link);
	CHECK(pass_enter(passes, link, BEGIN + 101 * S, made[PASS_MOST]));
	CHECK(pass_find(passes, made[0], BEGIN + 102 * S, user));
	CHECK(!pass_find(passes, made[1], BEGIN + 102 * S, user));
	CHECK(pass_find(passes, made[PASS_MOST], BEGIN + 102 * S, user));
	passes_free(passes);
}

static void test_tokens(void)
{
	struct passes *one = passes_new(), *other = passes_new();
	char a[PASS_TEXT + 1], b[PASS_TEXT + 1];

	pass_token(one, "user alice", a);
	pass_token(one, "user alice", b);
	CHECK(pass_same(a, b));
	pass_token(one, "user bob", b);
	CHECK(!pass_same(a, b));
	pass_token(other, "user alice", b);
	CHECK(!pass_same(a, b));
	CHECK(!pass_same(a, ""));
	passes_free(one);
	passes_free(other);
}

int main(void)
{
	RUN(test_once);
	RUN(test_ends);
	RUN(test_full);
	RUN(test_tokens);
	return check_end();
}
