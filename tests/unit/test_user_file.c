/*
 * tests/unit/test_user_file.c - core/config/user_file.c, user_table.c and password_form.c: what a line says of a user,
 * what is wrong with it, and that it is found again among many.
 */
#include "core/config/user_file.h"

#include <errno.h>
#include <stdlib.h>

#include "core/config/password_form.h"
#include "core/config/user_table.h"
#include "tests/unit/check.h"

#define YESCRYPT "$y$j9T$LdJMENpBABJJ3hIHjB1Bi.$HboGM6qPrsK.StKYGt6KErmUYtioHreJd98oIugoNB6"
#define SHA512 "$6$52450745$k5ka2p8bFuSmoVT1tzOyyuaREkkKBcCNqoDKzYiJL9RaE8yMnPgh2XzzF0NDrUhgrcLwg78xs1w5pJiypEdFX/"

/* Salts and sums of the right length. */
static void test_forms(void)
{
#define SUM43 "1234567890123456789012345678901234567890123"
#define SUM86 SUM43 SUM43
	static const struct {
		const char *hash, *problem; /* a word of it; NULL: none */
	} table[] = {
		{YESCRYPT, NULL},
		{SHA512, NULL},
		{"$y$j9T$a$" SUM43, NULL},
		{"$gy$j9T$abcdefgh$" SUM43, NULL},
		{"$y$jAT$a$" SUM43, NULL},
		{"$y$jCT$a$" SUM43, NULL}, /* 128 MiB */
		{"$y$jDT$a$" SUM43, "memory"},
		{"$y$jFT$a$" SUM43, "memory"},
		{"$y$jzz$a$" SUM43, "memory"},
		{"$y$j9T.1$a$" SUM43, "memory"}, /* one parameter more */
		{"$y$j9T$$" SUM43, "cut"},
		{"$y$j9T$a$" SUM43 "4", "cut"},
		{"$y$j9T$a$123", "cut"},
		{"$y$j9T$a", "cut"},
		{"$y$j9T", "cut"},
		{"$y$", "cut"},
		{"$y$j", "cut"},
		{"$y$j9T$a$" SUM43 " ", "cut"},
		{"$7$CU..../....a$" SUM43, NULL},
		{"$7$zU..../....a$" SUM43, "memory"},
		{"$7$CU", "cut"},
		{"$2b$10$12345678901234567890123456789012345678901234567890123", NULL},
		{"$2y$14$12345678901234567890123456789012345678901234567890123", NULL},
		{"$2b$15$12345678901234567890123456789012345678901234567890123", "time"},
		{"$2b$31$12345678901234567890123456789012345678901234567890123", "time"},
		{"$2b$03$12345678901234567890123456789012345678901234567890123", "cut"},
		{"$2b$1x$12345678901234567890123456789012345678901234567890123", "cut"},
		{"$2b$10$1234567890123456789012345678901234567890123456789012", "cut"},
		{"$2x$10$12345678901234567890123456789012345678901234567890123", "no longer safe"},
		{"$6$rounds=1000000$salt$" SUM86, NULL},
		{"$6$rounds=1000001$salt$" SUM86, "time"},
		{"$6$rounds=99999999999999999999$salt$" SUM86, "time"},
		{"$6$rounds=5000", "cut"},
		{"$6$salt$" SUM43, "cut"},
		{"$6$12345678901234567$" SUM86, "cut"},
		{"$5$salt$" SUM43, NULL},
		{"$1$abcdefgh$1234567890123456789012", "no longer safe"},
		{"$sha1$1$a$b", "no longer safe"},
		{"secret", "hash NAME"},
		{"ab1234567890.", "hash NAME"}, /* DES */
		{"*", "hash NAME"},
		{"!", "hash NAME"},
		{"*0", "hash NAME"},
		{"", "hash NAME"},
		{"x", "hash NAME"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const char *problem = password_form_problem(table[i].hash, strlen(table[i].hash));
		bool as_expected = table[i].problem ? problem && strstr(problem, table[i].problem) : !problem;
		if (!as_expected)
			fprintf(stderr, "%s: %s\n", table[i].hash, problem ? problem : "taken");
		CHECK(as_expected);
	}
}

struct heard {
	char text[2000];
	size_t length;
};

static bool on_user(void *context, const char *name, size_t name_length, const char *hash, size_t hash_length,
		    unsigned line)
{
	struct heard *h = context;

	h->length += (size_t)snprintf(h->text + h->length, sizeof(h->text) - h->length, "%u:%.*s=%.*s;", line,
				      (int)name_length, name, (int)(hash_length < 6 ? hash_length : 6), hash);
	return true;
}

static bool on_problem(void *context, const char *text, unsigned line, unsigned column)
{
	struct heard *h = context;

	/* A password in clear is repeated nowhere. */
	CHECK(strstr(text, "secret") == NULL);
	h->length +=
		(size_t)snprintf(h->text + h->length, sizeof(h->text) - h->length, "%u.%u!%.24s;", line, column, text);
	return true;
}

static void test_lines(void)
{
	static const struct {
		const char *text, *heard;
	} table[] = {
		{"", ""},
		{"\n\n# a:comment\n", ""},
		{"scan@example.org:" YESCRYPT "\n", "1:scan@example.org=$y$j9T;"},
		{"a:" YESCRYPT "\r\nb:" SHA512, "1:a=$y$j9T;2:b=$6$524;"},
		{"\xef\xbb\xbf"
		 "a:" YESCRYPT,
		 "1:a=$y$j9T;"},
		{"a b:" YESCRYPT " \t\n", "1:a b=$y$j9T;"},
		{"J\xc3\xb6rg:" YESCRYPT, "1:J\xc3\xb6rg=$y$j9T;"},
		{"a\n", "1.1!no colon: write NAME:HAS;"},
		{"\n:" YESCRYPT "\n", "2.1!a user's name is missing;"},
		{" a:" YESCRYPT, "1.1!a user's name begins or ;"},
		{"a :" YESCRYPT, "1.1!a user's name begins or ;"},
		{"*:" YESCRYPT, "1.1!a user's name begins wit;"},
		{"a\tb:" YESCRYPT, "1.1!a user's name has a cont;"},
		{"a:\n", "1.2!the hash is missing behi;"},
		{"a:secret\n", "1.3!the hash is none: `postr;"},
		{"a:{PLAIN}secret\n", "1.3!the hash is none: `postr;"},
		{"a:" YESCRYPT ":0:0:secret\nb:" YESCRYPT, "1.3!the hash is cut or damag;2:b=$y$j9T;"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct heard heard = {.length = 0};
		const struct user_file_handler handler = {
			.on_user = on_user, .on_problem = on_problem, .context = &heard};
		CHECK(user_file_parse(table[i].text, strlen(table[i].text), &handler));
		CHECK_STR(heard.text, table[i].heard);
	}
}

static void test_long_name(void)
{
	char name[USER_NAME_MAX + 2];

	memset(name, 'n', sizeof(name));
	CHECK(user_name_problem(name, USER_NAME_MAX) == NULL);
	CHECK(user_name_problem(name, USER_NAME_MAX + 1) != NULL);
	CHECK(user_name_problem("a:b", 3) != NULL);
	CHECK(user_name_problem("#a", 2) != NULL);
}

static void test_table(void)
{
	enum { USERS = 100000 };
	struct user_table *table = user_table_new();
	struct user user;
	char name[40], hash[60];
	unsigned found = 0;

	CHECK(!user_table_find(NULL, "a", 1, &user));
	CHECK(!user_table_find(table, "a", 1, &user));
	CHECK(!user_table_some(table, 7, &user));
	for (unsigned i = 0; i < USERS; i++) {
		snprintf(name, sizeof(name), "Scanner%u@example.org", i);
		snprintf(hash, sizeof(hash), "hash of %u", i);
		CHECK_EQ(user_table_add(table, name, strlen(name), hash, strlen(hash)), 0);
	}
	CHECK_EQ(user_table_count(table), USERS);
	CHECK_EQ(user_table_add(table, "SCANNER7@Example.Org", 20, "x", 1), -EEXIST);
	for (unsigned i = 0; i < USERS; i++) {
		snprintf(name, sizeof(name), "scanner%u@EXAMPLE.org", i);
		snprintf(hash, sizeof(hash), "hash of %u", i);
		found += user_table_find(table, name, strlen(name), &user) && strcmp(user.hash, hash) == 0 &&
			 user.name[0] == 'S';
	}
	CHECK_EQ(found, USERS);
	CHECK(!user_table_find(table, "scanner7@example.or", 19, &user));
	CHECK(!user_table_find(table, "", 0, &user));
	CHECK(user_table_some(table, UINT64_MAX, &user) && strncmp(user.hash, "hash of", 7) == 0);
	user_table_free(table);
}

int main(void)
{
	RUN(test_forms);
	RUN(test_lines);
	RUN(test_long_name);
	RUN(test_table);
	return check_end();
}
