/*
 * test_schema_control.c - `control.http` in the configuration: nothing that tells the network about mail.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/config/config.h"
#include "core/config/user_table.h"

#include "tests/unit/check.h"
#include "tests/unit/config_problems.h"

static char users[] = "/tmp/test_schema_control.XXXXXX";

/* What is written behind `http:`, with %s for the file of users; NULL: it is taken. */
static void test_what_is_taken(void)
{
	static const struct {
		const char *http, *problem;
	} rows[] = {
		{"off", NULL},
		{"{ address: \"127.0.0.1:6525\" }", NULL},
		{"{ address: \"127.1.2.3:6525\" }", NULL},
		{"{ address: \"[::1]:6525\", users_file: \"%s\", operate: [alice] }", NULL},
		{"{ address: \"0.0.0.0:6525\", users_file: \"%s\", certificate: \"%s\", private_key: \"%s\" }", NULL},
		{"{ users_file: \"%s\" }", "address"},
		{"{ address: \"0.0.0.0:6525\" }", "without TLS"},
		{"{ address: \"192.0.2.1:6525\", users_file: \"%s\" }", "without TLS"},
		{"{ address: \"[::]:6525\", users_file: \"%s\" }", "without TLS"},
		{"{ address: \"0.0.0.0:6525\", certificate: \"%s\", private_key: \"%s\" }",
		 "write users_file, certificate_users or proxy"},
		{"{ address: \"127.0.0.1:6525\", certificate: \"%s\" }", "needs its private_key"},
		{"{ address: \"127.0.0.1:6525\", private_key: \"%s\" }", "needs its private_key"},
		{"{ address: \"127.0.0.1:6525\", operate: [alice] }", "no user \"alice\""},
		{"{ address: \"127.0.0.1:6525\", users_file: \"%s\", operate: [bob] }", "no user \"bob\""},
		{"{ address: \"127.0.0.1:6525\", user_file: x }", "users_file"},
		{"{ address: \"localhost:6525\" }", "address"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[2000], http[800], one[800];
		struct config_problems problems;
		struct config *config;
		const char *problem;
		/* Each %s is the same file. */
		snprintf(http, sizeof(http), "%s", rows[i].http);
		for (char *at; (at = strstr(http, "%s"));) {
			snprintf(one, sizeof(one), "%.*s%s%s", (int)(at - http), http, users, at + 2);
			memcpy(http, one, sizeof(http));
		}
		snprintf(text, sizeof(text), "%scontrol: { socket: /run/p.sock, http: %s }\n", ALL, http);
		config = config_parse("t.yaml", text, strlen(text), &problems);
		problem = config_problems_first(&problems);
		if (rows[i].problem && !strstr(problem, rows[i].problem))
			printf("row %zu: %s\n", i, problem);
		CHECK(rows[i].problem ? config == NULL && strstr(problem, rows[i].problem) : config != NULL);
		if (!rows[i].problem)
			CHECK_STR(problem, "");
		config_free(config);
	}
}

int main(void)
{
	static const char line[] = "alice:$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7\n";
	int fd = mkstemp(users);

	CHECK(fd >= 0 && write(fd, line, sizeof(line) - 1) == sizeof(line) - 1);
	close(fd);
	RUN(test_what_is_taken);
	unlink(users);
	return check_end();
}
