/*
 * tests/unit/test_handed.c - core/base/handed.c: what the service manager calls sockets.
 */
#include "core/base/handed.h"

#include "core/base/address_text.h"
#include "tests/unit/check.h"

enum { SOCKETS = 4096, ARGUMENT_MAX = 128 << 10 }; /* listeners times shards; MAX_ARG_STRLEN of linux/binfmts.h */

static void name_of(const char *text, char name[HANDED_NAME_SIZE])
{
	struct address_problem problem;
	struct ring_address address;

	CHECK_EQ(address_text_parse(text, &address, &problem), 0);
	handed_name(&address, name);
}

static void test_names(void)
{
	static const struct {
		const char *address, *name;
	} rows[] = {
		{"0.0.0.0:25", "0.0.0.0_25"},
		{"255.255.255.255:65535", "255.255.255.255_65535"},
		{"[::]:25", "[__]_25"},
		{"[2001:db8::1]:2525", "[2001_db8__1]_2525"},
		{"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", "/////////////////////w_65535"},
		{"[2001:db8:1111:2222:3333:4444:5555:6666]:25", "IAENuBERIiIzM0REVVVmZg_25"},
		{"[2001:db8:1111:2222:3333:4444:5555:6667]:25", "IAENuBERIiIzM0REVVVmZw_25"},
	};
	char name[HANDED_NAME_SIZE];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		name_of(rows[i].address, name);
		/* RFC 4648 4, with + for /, which is no letter of a name. */
		if (rows[i].name[0] == '/')
			CHECK_STR(name, "+++++++++++++++++++++w_65535");
		else
			CHECK_STR(name, rows[i].name);
		CHECK(strlen(name) <= HANDED_NAME_MOST && !strchr(name, ':'));
	}
}

/* A start with all of them is one that Linux takes. */
static void test_as_many_as_there_can_be(void)
{
	static const char variable[] = "LISTEN_FDNAMES=";

	CHECK(sizeof(variable) + SOCKETS * (HANDED_NAME_MOST + 1) < ARGUMENT_MAX);
}

int main(void)
{
	RUN(test_names);
	RUN(test_as_many_as_there_can_be);
	return check_end();
}
