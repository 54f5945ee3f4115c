/*
 * tests/unit/test_password.c - core/agents/password.c: what is made matches, and nothing else does.
 */
#include "core/agents/password.h"

#include "tests/unit/check.h"

static struct password_desk *desk;

static void test_made(void)
{
	char hash[PASSWORD_HASH_MAX + 1], other[PASSWORD_HASH_MAX + 1];

	CHECK_EQ(password_hash(desk, "correct horse", hash), 0);
	CHECK_EQ(password_hash(desk, "correct horse", other), 0);
	CHECK(strncmp(hash, "$y$", 3) == 0);
	CHECK(strcmp(hash, other) != 0); /* a salt each */
	CHECK(password_form_problem(hash, strlen(hash)) == NULL);
	CHECK(password_matches(desk, "correct horse", hash));
	CHECK(!password_matches(desk, "correct horsf", hash));
	CHECK(!password_matches(desk, "correct hors", hash));
	CHECK(!password_matches(desk, "", hash));
	CHECK(!password_matches(desk, hash, hash));
}

/* Hashes of other programs, and what crypt(3) would make something of but may not match (crypt(5)). */
static void test_others(void)
{
	static const struct {
		const char *password, *hash;
		bool matches;
	} table[] = {
		{"secret",
		 "$6$salt$w5qx8hyZcSiXEy7HuPrjpgZoCWHsaQ3hrcSvXvKNMNMs.GiBYnHM65l8Ly80JNKfcrE9VY7hU/UONBpUXg1/f.",
		 false},
		{"password", "$5$", false},
		{"password", "*0", false},
		{"password", "*1", false},
		{"password", "", false},
		{"password", "x", false},
		{"password", "$unknown$x", false},
		{"*0", "*0", false},
	};
	char hash[PASSWORD_HASH_MAX + 1], cut[PASSWORD_HASH_MAX + 1];

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		CHECK_EQ(password_matches(desk, table[i].password, table[i].hash), table[i].matches);
	CHECK_EQ(password_hash(desk, "x", hash), 0);
	strcpy(cut, hash);
	cut[strlen(cut) - 1] = '\0';
	CHECK(!password_matches(desk, "x", cut));
	strcpy(cut, hash);
	strcat(cut, "a");
	CHECK(!password_matches(desk, "x", cut));
}

static void test_longest(void)
{
	char password[PASSWORD_MAX + 2], hash[PASSWORD_HASH_MAX + 1];

	memset(password, 'p', sizeof(password));
	password[PASSWORD_MAX - 1] = '\0';
	CHECK_EQ(password_hash(desk, password, hash), 0);
	CHECK(password_matches(desk, password, hash));
	password[PASSWORD_MAX - 1] = 'p';
	password[PASSWORD_MAX + 1] = '\0';
	CHECK(password_hash(desk, password, hash) < 0); /* libcrypt refuses it, and does not cut it */
	CHECK(!password_matches(desk, password, hash));
}

int main(void)
{
	desk = password_desk_new();
	RUN(test_made);
	RUN(test_others);
	RUN(test_longest);
	password_desk_free(desk);
	return check_end();
}
