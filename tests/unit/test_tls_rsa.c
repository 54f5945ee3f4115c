/*
 * tests/unit/test_tls_rsa.c - handshakes signed with RSA, by libcrypto and by wolfSSL where that fails.
 * libcrypto_rig.h says what libcrypto does.
 */
#include "tests/unit/tls_pair.h"

#include "tls/internal.h"

#include "tests/unit/libcrypto_rig.h"

static const char *const keys[] = {"rsa", "rsa3072", "rsa4096"};

/* `algorithms`: of the client, and so of the server's signature. True if both sides finish. */
static bool one(enum versions v, const char *key, const char *algorithms)
{
	struct tls_context *server = server_context(v, key, NULL), *client = client_context(v, "ca.crt", NULL);

	CHECK_EQ(wolfSSL_CTX_set1_sigalgs_list(client->wolf, algorithms), WOLFSSL_SUCCESS);
	struct pair *pair = pair_new(client, server, "localhost", NULL, &whole);
	bool done = handshake(pair, &whole);
	if (done)
		transfer(&pair->client, &pair->server, 1000, &whole);
	else
		CHECK(tls_error_text(pair->server.session)[0] != '\0');
	pair_free(pair);
	tls_context_free(client);
	tls_context_free(server);
	return done;
}

/* The authority signs with ECDSA. */
#define PKCS_1 "RSA+SHA256:ECDSA+SHA256"
#define PSS "RSA-PSS+SHA256:ECDSA+SHA256"

static void test_sizes_and_schemes(void)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		rig_begin(RIG_RIGHT);
		CHECK(one(ONLY_12, keys[i], PKCS_1));
		CHECK_EQ(rig_signatures, 1);
		CHECK_EQ(rig_pss, 0);
		CHECK(one(ONLY_12, keys[i], PSS));
		CHECK_EQ(rig_signatures, 2);
		CHECK_EQ(rig_pss, 1);
		CHECK(one(ONLY_13, keys[i], PSS));
		CHECK_EQ(rig_signatures, 3);
		CHECK_EQ(rig_pss, 2);
	}
}

static void test_libcrypto_fails(void)
{
	for (int v = ONLY_12; v <= ONLY_13; v++) {
		rig_begin(RIG_FAILS);
		CHECK(one(v, "rsa", PSS));
		CHECK_EQ(rig_signatures, 1);
	}
	rig_begin(RIG_FAILS);
	CHECK(one(ONLY_12, "rsa", PKCS_1));
	CHECK_EQ(rig_signatures, 1);
}

/* One wrong signature would give the key away: a fault in one of its halves does not leave the process. */
static void test_libcrypto_lies(void)
{
	for (int v = ONLY_12; v <= ONLY_13; v++) {
		rig_begin(RIG_LIES);
		CHECK(!one(v, "rsa", PSS));
		CHECK_EQ(rig_signatures, 1);
	}
	rig_begin(RIG_LIES);
	CHECK(!one(ONLY_12, "rsa", PKCS_1));
}

static void test_client_certificate(void)
{
	for (int v = ONLY_12; v <= ONLY_13; v++) {
		struct tls_context *client = client_context(v, "ca.crt", "rsa");
		struct tls_context *server = make((struct tls_context_config){.server = true,
									      .ask_peer = true,
									      .certificate_file = path("server.crt"),
									      .private_key_file = path("server.key"),
									      .tls12_only = v == ONLY_12,
									      .tls13_only = v == ONLY_13});
		struct pair *pair = pair_new(client, server, "localhost", NULL, &whole);

		rig_begin(RIG_RIGHT);
		shake(pair, &whole);
		CHECK_EQ(rig_signatures, 1);
		CHECK(tls_session_identity(pair->server.session) != NULL);
		pair_free(pair);
		tls_context_free(client);
		tls_context_free(server);
	}
}

static void test_other_keys_and_none(void)
{
	rig_begin(RIG_RIGHT);
	CHECK(one(ONLY_12, "server", PSS));
	CHECK(one(ONLY_13, "server", PSS));
	tls_set_acceleration(false);
	CHECK(one(ONLY_13, "rsa", PSS));
	tls_set_acceleration(true);
	CHECK_EQ(rig_signatures, 0);
}

/* ---- what is left of a key in memory ---- */

static uint8_t prime[2][RIG_PART];

#if defined(__SANITIZE_ADDRESS__)
enum { sanitized = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
enum { sanitized = 1 };
#else
enum { sanitized = 0 };
#endif
#else
enum { sanitized = 0 };
#endif

/* How often the heap has it. A sanitizer's heap is elsewhere: 0. */
static unsigned in_heap(void)
{
	char line[512];
	unsigned found = 0;
	FILE *maps = fopen("/proc/self/maps", "r");

	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
		uintptr_t from, to;
		if (strstr(line, "[heap]") == NULL || sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &from, &to) != 2)
			continue;
		for (int i = 0; i < 2; i++) {
			const uint8_t *at = (const uint8_t *)from;
			while ((at = memmem(at, to - (uintptr_t)at, prime[i], RIG_PART)) != NULL) {
				found++;
				at++;
			}
		}
	}
	fclose(maps);
	return found;
}

static void test_wiped(void)
{
	rig_begin(RIG_RIGHT);
	CHECK(rig_read_prime(path("rsa.key"), prime));
	struct tls_context *server = server_context(ANY, "rsa", NULL), *client = client_context(ANY, "ca.crt", NULL);
	struct pair *pair = pair_new(client, server, "localhost", NULL, &whole);
	shake(pair, &whole);
	CHECK(sanitized || in_heap() > 0);
	pair_free(pair);
	tls_context_free(client);
	tls_context_free(server);
	CHECK_EQ(in_heap(), 0);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 64;
	directory = argv[1];
	tls_global_init();
	RUN(test_wiped);
	RUN(test_sizes_and_schemes);
	RUN(test_libcrypto_fails);
	RUN(test_libcrypto_lies);
	RUN(test_client_certificate);
	RUN(test_other_keys_and_none);
	return check_end();
}
