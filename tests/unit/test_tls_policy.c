/*
 * tests/unit/test_tls_policy.c - core/deliver/tls_policy.c: destinations with the same TLS policy share a context, and
 * only those.
 *
 * Usage: test_tls_policy CERTIFICATES-DIRECTORY (made by tests/certificates.sh).
 */
#include "core/deliver/tls_policy.h"

#include <errno.h>
#include <stdlib.h>

#include "tests/unit/check.h"

static const char *directory;

static char *path(const char *name)
{
	char *made = NULL;

	if (asprintf(&made, "%s/%s", directory, name) < 0)
		exit(1);
	return made;
}

static void test_sharing(void)
{
	char *ca = path("ca.crt"), *ca_again = path("ca.crt"), *other = path("other-ca.crt");
	char *client = path("client.crt"), *key = path("client.key");
	struct config_destination destinations[] = {
		{.name = "clear", .tls_mode = CONFIG_TLS_NONE, .ca_file = ca},
		{.name = "a", .tls_mode = CONFIG_TLS_VERIFY, .ca_file = ca},
		{.name = "b", .tls_mode = CONFIG_TLS_VERIFY, .ca_file = ca_again, .server_name = client},
		{.name = "other authorities", .tls_mode = CONFIG_TLS_VERIFY, .ca_file = other},
		{.name = "not verified", .tls_mode = CONFIG_TLS_REQUIRED, .ca_file = ca},
		{.name = "with a certificate",
		 .tls_mode = CONFIG_TLS_VERIFY,
		 .ca_file = ca,
		 .certificate = client,
		 .private_key = key},
		{.name = "c", .tls_mode = CONFIG_TLS_VERIFY, .ca_file = ca, .tls_implicit = true},
		{.name = "the same certificate",
		 .tls_mode = CONFIG_TLS_VERIFY,
		 .ca_file = ca,
		 .certificate = client,
		 .private_key = key},
	};
	enum { COUNT = sizeof(destinations) / sizeof(destinations[0]) };
	static const int same_as[COUNT] = {-1, 1, 1, 3, 4, 5, 1, 5};
	struct config config = {.destinations = destinations, .destination_count = COUNT};
	struct tls_context *contexts[COUNT] = {0};
	struct tls_problem problem;

	CHECK_EQ(tls_policies_make(contexts, &config, &problem), 0);
	for (size_t i = 0; i < COUNT; i++) {
		CHECK_EQ(contexts[i] == NULL, same_as[i] < 0);
		for (size_t j = 0; j < i && same_as[i] >= 0; j++)
			CHECK_EQ(contexts[i] == contexts[j], same_as[i] == same_as[j]);
	}
	tls_policies_free(contexts, COUNT);

	/* Files that cannot be used: whose, and what is wrong; what was made before is given back. */
	destinations[7].private_key = ca;
	memset(contexts, 0, sizeof(contexts));
	CHECK_EQ(tls_policies_make(contexts, &config, &problem), -EINVAL);
	CHECK(strncmp(problem.text, "destination the same certificate: private key ", 46) == 0);
	tls_policies_free(contexts, COUNT);
	free(ca);
	free(ca_again);
	free(other);
	free(client);
	free(key);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s CERTIFICATES-DIRECTORY\n", argv[0]);
		return 64;
	}
	directory = argv[1];
	tls_global_init();
	RUN(test_sharing);
	tls_thread_end();
	return check_end();
}
