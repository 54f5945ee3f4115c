/*
 * tests/unit/test_schema_user.c - core/config/schema_user.c: a file of users, whose it is and what is in it, and what
 * listeners say of signing in.
 */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/config/config.h"
#include "core/config/user_table.h"
#include "tests/unit/check.h"
#include "tests/unit/config_problems.h"

#define HASH "$y$j9T$LdJMENpBABJJ3hIHjB1Bi.$HboGM6qPrsK.StKYGt6KErmUYtioHreJd98oIugoNB6"
#define AUTH_LISTENER "listeners: [{ name: lan, address: \"127.0.0.1:25\", auth: offered, auth_in_clear: true }]\n"
#define USERS "users_file: users\n"

static char directory[64], file[96], users[96];

static void write_to(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

/* `problem`: behind the directory; of a warning with "warning: " in it; NULL: none. */
static struct config *load(const char *listeners, const char *text, mode_t mode, const char *problem)
{
	struct config_problems problems;
	char yaml[1024];
	struct config *c;
	const char *first;

	snprintf(yaml, sizeof(yaml), "%s%s%s", listeners, text ? USERS : "", HOST CLIENTS DESTINATIONS ROUTES);
	write_to(file, yaml);
	if (text) {
		write_to(users, text);
		CHECK_EQ(chmod(users, mode), 0);
	}
	c = config_load(file, &problems);
	first = config_problems_first(&problems);
	if (problem ? strncmp(first, directory, strlen(directory)) != 0 ||
			      strncmp(first + strlen(directory), problem, strlen(problem)) != 0
		    : first[0] != '\0')
		fprintf(stderr, "expected %s: %s\n", problem ? problem : "nothing", first);
	CHECK(problem ? strncmp(first, directory, strlen(directory)) == 0 &&
				strncmp(first + strlen(directory), problem, strlen(problem)) == 0
		      : first[0] == '\0');
	return c;
}

static void test_files(void)
{
	static const struct {
		const char *text, *problem;
		mode_t mode;
		bool taken;
	} rows[] = {
		{"a:" HASH "\nb:" HASH "\n", "/t.yaml:1:81: warning: auth_in_clear: whoever is on the way", 0640, true},
		{"a:" HASH "\n", "/t.yaml:2:13: users_file: everybody may write ", 0642, false},
		{"# none\n", "/t.yaml:2:13: users_file: there is no user in ", 0600, false},
		{"a:" HASH "\nb:secret\n", "/users:2:3: the hash is none: `postrider hash NAME` makes one", 0600,
		 false},
		{"a:" HASH "\n\nA:" HASH "\n", "/users:3:1: the user \"A\" is there already", 0600, false},
		{"a:$y$jFT$abcd$HboGM6qPrsK.StKYGt6KErmUYtioHreJd98oIugoNB6\n",
		 "/users:1:3: the hash costs more memory or time", 0600, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config *c = load(AUTH_LISTENER, rows[i].text, rows[i].mode, rows[i].problem);
		struct user user;
		CHECK_EQ(c != NULL, rows[i].taken);
		if (c) {
			CHECK_EQ(user_table_count(c->users), 2);
			CHECK(user_table_find(c->users, "B", 1, &user) && strcmp(user.hash, HASH) == 0);
			CHECK_EQ(c->listeners[0].auth, CONFIG_LISTENER_AUTH_OFFERED);
			CHECK(c->listeners[0].auth_in_clear);
		}
		config_free(c);
	}
}

static void test_modes_and_listeners(void)
{
	struct config *c = load(LISTENERS, "a:" HASH "\n", 0600,
				"/t.yaml:2:13: warning: users_file: no listener lets anybody sign in");

	CHECK(c != NULL);
	config_free(c);
	c = load(LISTENERS, "a:" HASH "\n", 0604, "/t.yaml:2:13: warning: users_file: everybody may read ");
	CHECK(c != NULL);
	config_free(c);
	c = load("listeners: [{ name: lan, address: \"127.0.0.1:25\", auth: required }]\n", "a:" HASH "\n", 0600,
		 "/t.yaml:1:57: auth: this listener has no TLS, and passwords are not taken in clear");
	CHECK(c == NULL);
	config_free(c);
	c = load(LISTENERS, NULL, 0, NULL);
	CHECK(c && user_table_count(c->users) == 0);
	config_free(c);
}

int main(void)
{
	snprintf(directory, sizeof(directory), "test_schema_user.XXXXXX");
	if (!mkdtemp(directory))
		return 1;
	snprintf(file, sizeof(file), "%s/t.yaml", directory);
	snprintf(users, sizeof(users), "%s/users", directory);
	RUN(test_files);
	RUN(test_modes_and_listeners);
	(void)unlink(file);
	(void)unlink(users);
	(void)rmdir(directory);
	return check_end();
}
