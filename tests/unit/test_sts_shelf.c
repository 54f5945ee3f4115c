/*
 * tests/unit/test_sts_shelf.c - core/agents/sts_shelf.c: MTA-STS policies on disk (RELIABILITY STS-01: the cache).
 */
#include "core/agents/sts_shelf.h"

#include <stdlib.h>
#include <unistd.h>

#include "core/agents/sts.h"
#include "tests/unit/check.h"

#define POLICY "version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 1000\n"

static void test_names(void)
{
	static const struct {
		const char *domain, *name; /* NULL: none */
	} table[] = {
		{"example.org", "example.org"},
		{"Example.ORG", "example.org"},
		{"xn--mller-kva.example", "xn--mller-kva.example"},
		{"_x.example", "_x.example"},
		{"a", "a"},
		{"", NULL},
		{".", NULL},
		{".example", NULL},
		{"example.", NULL},
		{"a..b", NULL},
		{"../b", NULL},
		{"a/b", NULL},
		{"a b", NULL},
		{"a+b", NULL},
		{"m\303\274ller.example", NULL},
	};
	char name[STS_SHELF_NAME], other[STS_SHELF_NAME], longest[DNS_NAME_MAX + 2];

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		bool ok = sts_shelf_name(table[i].domain, NULL, name);
		CHECK_EQ(ok, table[i].name != NULL);
		if (ok && table[i].name)
			CHECK_STR(name, table[i].name);
	}
	memset(longest, 'a', sizeof(longest));
	longest[DNS_NAME_MAX + 1] = '\0';
	CHECK(!sts_shelf_name(longest, NULL, name));
	longest[DNS_NAME_MAX] = '\0';
	CHECK(sts_shelf_name(longest, "/etc/ca.pem", name) && strlen(name) == DNS_NAME_MAX + 17);
	/* Trusted by others it is another one. */
	CHECK(sts_shelf_name("example.org", "/etc/ca.pem", name) &&
	      sts_shelf_name("example.org", "/etc/ca2.pem", other));
	CHECK(strcmp(name, other) != 0 && strncmp(name, "example.org+", 12) == 0);
}

static void test_parse(void)
{
	static const struct {
		const char *file;
		bool ok;
	} table[] = {
		{"postrider MTA-STS policy 1\nid: 2026\nfetched: 1790000000\n\n" POLICY, true},
		{"postrider MTA-STS policy 1\nid: 2026\nfetched: 1790000000\n\n", true},
		{"postrider MTA-STS policy 2\nid: 2026\nfetched: 1790000000\n\n" POLICY, false},
		{"postrider MTA-STS policy 1\nfetched: 1790000000\nid: 2026\n\n" POLICY, false},
		{"postrider MTA-STS policy 1\nid: 2026\nfetched: x\n\n" POLICY, false},
		{"postrider MTA-STS policy 1\nid: 2026\nfetched: -1\n\n" POLICY, false},
		{"postrider MTA-STS policy 1\nid: 2026\nfetched: 1790000000\n" POLICY, false},
		{"postrider MTA-STS policy 1\nid: 123456789012345678901234567890123\nfetched: 1\n\n" POLICY, false},
		{"", false},
		{POLICY, false},
	};
	char id[MTA_STS_ID_MAX + 1], head[STS_SHELF_HEAD_MAX];
	uint64_t fetched_s;
	const char *text;
	size_t length;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		CHECK_EQ(sts_shelf_parse(table[i].file, strlen(table[i].file), id, &fetched_s, &text, &length),
			 table[i].ok);
		if (!table[i].ok)
			continue;
		CHECK_STR(id, "2026");
		CHECK_EQ(fetched_s, 1790000000);
		CHECK(text + length == table[i].file + strlen(table[i].file));
	}
	/* What is written is read, and cut anywhere in its head it is not. */
	size_t n = sts_shelf_head("12345678901234567890123456789012", UINT64_MAX, head);
	CHECK(n < sizeof(head));
	CHECK(sts_shelf_parse(head, n, id, &fetched_s, &text, &length) && fetched_s == UINT64_MAX && length == 0);
	for (size_t cut = 0; cut < n; cut++)
		CHECK(!sts_shelf_parse(head, cut, id, &fetched_s, &text, &length));
}

/* Kept and found again; over is gone; what is damaged is not there. */
static void test_files(void)
{
	char directory[] = "/tmp/postrider-sts-XXXXXX", shelf[64], path[128];
	const char *why;
	struct sts_policy *policy = sts_policy_new("7", 1000, POLICY, strlen(POLICY), &why), *found;

	CHECK(mkdtemp(directory) != NULL && policy != NULL);
	snprintf(shelf, sizeof(shelf), "%s/mta-sts", directory);
	CHECK(!sts_shelf_take(shelf, "a.example", 1001));
	CHECK_EQ(sts_shelf_put(shelf, "a.example", policy), 0);
	found = sts_shelf_take(shelf, "a.example", 1001);
	CHECK(found && strcmp(found->id, "7") == 0 && found->fetched_s == 1000 && found->end_s == 2000);
	CHECK(found && found->policy->mode == MTA_STS_ENFORCE && strcmp(found->text, POLICY) == 0);
	sts_policy_release(found);
	/* A clock that was set back makes it no older, and no younger than now. */
	found = sts_shelf_take(shelf, "a.example", 500);
	CHECK(found && found->fetched_s == 500 && found->end_s == 1500);
	sts_policy_release(found);
	CHECK(!sts_shelf_take(shelf, "a.example", 2000));
	CHECK(!sts_shelf_take(shelf, "a.example", 1001)); /* its file has gone */
	CHECK_EQ(sts_shelf_put(shelf, "a.example", policy), 0);
	snprintf(path, sizeof(path), "%s/a.example", shelf);
	CHECK_EQ(truncate(path, 90), 0);
	CHECK(!sts_shelf_take(shelf, "a.example", 1001));
	/* How a file is replaced is in no other domain's way, whatever that is called. */
	CHECK_EQ(sts_shelf_put(shelf, "a.example.new", policy), 0);
	CHECK_EQ(sts_shelf_put(shelf, "a.example", policy), 0);
	found = sts_shelf_take(shelf, "a.example.new", 1001);
	CHECK(found != NULL);
	sts_policy_release(found);
	sts_shelf_drop(shelf, "a.example.new");
	sts_shelf_drop(shelf, "a.example");
	sts_policy_release(policy);
	CHECK_EQ(rmdir(shelf), 0);
	CHECK_EQ(rmdir(directory), 0);
}

static void put_file(const char *shelf, const char *name, const char *text)
{
	char path[160];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", shelf, name);
	file = fopen(path, "w");
	CHECK(file != NULL);
	if (file && (fputs(text, file) < 0 || fclose(file) != 0))
		CHECK(false);
}

static bool there(const char *shelf, const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", shelf, name);
	return access(path, F_OK) == 0;
}

enum { OVER = 10 };

static void name_over(unsigned i, char name[64])
{
	snprintf(name, 64, "over%u.example%s", i, i % 2 ? "+0123456789abcdef" : "");
}

static unsigned over_left(const char *shelf)
{
	char name[64];
	unsigned n = 0;

	for (unsigned i = 0; i < OVER; i++) {
		name_over(i, name);
		n += there(shelf, name);
	}
	return n;
}

/* Those that ended go, whoever asks; what has not ended, cannot be read or is none of ours stays; so many at a time. */
static void test_sweep(void)
{
	static const char *const others[] = {"damaged.example", "a.example~1", "b.example+12", ".hidden"};
	static const char head[] = "postrider MTA-STS policy 1\nid: 1\nfetched: ";
	char shelf[] = "/tmp/postrider-sts-XXXXXX", text[300], name[64];
	struct sts_sweep sweep = {.files = NULL};
	unsigned calls = 1;

	CHECK(mkdtemp(shelf) != NULL);
	snprintf(text, sizeof(text), "%s1000\n\n" POLICY, head);
	for (unsigned i = 0; i < OVER; i++) {
		name_over(i, name);
		put_file(shelf, name, text);
	}
	for (size_t i = 1; i < sizeof(others) / sizeof(others[0]); i++)
		put_file(shelf, others[i], text);
	put_file(shelf, others[0], "postrider MTA-STS policy 1\nid: 1\nfetched: 0\n\nversion: STSv2\n");
	snprintf(text, sizeof(text), "%s5000\n\n" POLICY, head);
	put_file(shelf, "good.example", text);
	CHECK(!sts_sweep_on(&sweep, shelf, 2000, 3));
	CHECK(over_left(shelf) >= OVER - 3);
	/* With "." and ".." there are 17, three at a time. */
	for (; !sts_sweep_on(&sweep, shelf, 2000, 3) && calls < 20; calls++)
		CHECK(over_left(shelf) + 3 * (calls + 1) >= OVER);
	CHECK_EQ(calls, 5);
	CHECK_EQ(over_left(shelf), 0);
	CHECK(there(shelf, "good.example"));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		CHECK(there(shelf, others[i]));
		sts_shelf_drop(shelf, others[i]);
	}
	/* The next round finds what has ended since; one can be left in its middle. */
	CHECK(sts_sweep_on(&sweep, shelf, 6000, 100));
	CHECK(!there(shelf, "good.example"));
	CHECK(!sts_sweep_on(&sweep, shelf, 6000, 1));
	sts_sweep_stop(&sweep);
	CHECK_EQ(rmdir(shelf), 0);
	/* There may be none at all. */
	CHECK(sts_sweep_on(&sweep, shelf, 6000, 1));
}

int main(void)
{
	RUN(test_names);
	RUN(test_parse);
	RUN(test_files);
	RUN(test_sweep);
	return check_end();
}
