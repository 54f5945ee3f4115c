/*
 * tests/unit/test_tls.c - the TLS engine: two of them in memory (tls_pair.h), no network.
 *
 * Usage: test_tls CERTIFICATES-DIRECTORY (made by tests/certificates.sh).
 */
#include "tests/unit/check.h"
#include "tests/unit/tls_pair.h"
#include "tls/internal.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <wolfssl/openssl/ec.h>
#include <wolfssl/openssl/evp.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

static void both_ways(enum versions v, const struct plan *plan, size_t length)
{
	struct tls_context *server = server_context(v, "server", NULL);
	struct tls_context *client = client_context(v, "ca.crt", NULL);
	struct pair *pair = pair_new(client, server, "mail.example.org", NULL, plan);
	struct tls_info info;

	shake(pair, plan);
	tls_session_info(pair->client.session, &info);
	CHECK_STR(info.version, v == ONLY_12 ? "TLSv1.2" : "TLSv1.3");
	CHECK_STR(info.group, "X25519");
	if (v != ONLY_12 && accel_available())
		CHECK_STR(info.cipher, "TLS_AES_128_GCM_SHA256");
	CHECK(info.verified && !info.resumed);
	tls_session_info(pair->server.session, &info);
	CHECK(!info.verified && !info.resumed);
	transfer(&pair->client, &pair->server, length, plan);
	transfer(&pair->server, &pair->client, length, plan);
	transfer(&pair->client, &pair->server, 1, plan);
	pair_free(pair);
	tls_context_free(client);
	tls_context_free(server);
}

static void test_versions(void)
{
	both_ways(ANY, &whole, 60000);
	both_ways(ONLY_12, &whole, 60000);
	both_ways(ONLY_13, &whole, 60000);
}

static void test_segments(void)
{
	static const struct plan plans[] = {
		{TLS_OUTPUT_MIN, 1}, {TLS_OUTPUT_MIN, 0}, {1, 1}, {7, 0}, {64, 5}, {900, 0}};

	for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
		both_ways(ONLY_12, &plans[i], 20000);
		both_ways(ONLY_13, &plans[i], 20000);
	}
}

static void test_want_output(void)
{
	static const struct plan small = {600, TLS_OUTPUT_MIN};
	struct tls_context *server = server_context(ANY, "server", NULL);
	struct tls_context *client = client_context(ANY, "ca.crt", NULL);
	struct pair *pair = pair_new(client, server, "localhost", NULL, &small);
	uint8_t data[1000] = {1};

	shake(pair, &small);
	CHECK(pair->server.want_output > 0); /* The certificate does not fit in 600. */
	/* Enough room: exactly one record. Not enough behind it: nothing at all. */
	CHECK_EQ(tls_write(pair->client.session, data, 300), TLS_OK);
	size_t one = tls_output_length(pair->client.session);
	CHECK(one > 300 && one < 300 + TLS_OVERHEAD_MAX);
	CHECK_EQ(tls_write(pair->client.session, data, 400), TLS_WANT_OUTPUT);
	CHECK_EQ(tls_output_length(pair->client.session), one);
	drain(&pair->client, &small);
	CHECK_EQ(tls_write(pair->client.session, data, 400), TLS_OK);
	drain(&pair->client, &small);
	/* Larger than any buffer: accepted once, sent in parts, nothing twice. */
	CHECK_EQ(tls_write(pair->client.session, data, 1000), TLS_WANT_OUTPUT);
	CHECK_EQ(tls_output_length(pair->client.session), 600);
	drain(&pair->client, &small);
	CHECK_EQ(tls_write(pair->client.session, data, 1000), TLS_OK);
	drain(&pair->client, &small);
	uint8_t got[4096];
	size_t n = 0;
	CHECK_EQ(read_all(&pair->server, got, sizeof(got), &n, &small), TLS_WANT_INPUT);
	CHECK_EQ(n, 1700);
	pair_free(pair);
	tls_context_free(client);
	tls_context_free(server);
}

/* The promise of TLS_OUTPUT_MIN. */
static void test_largest_write(void)
{
	struct tls_context *server = server_context(ANY, "server", NULL);
	static uint8_t data[TLS_RECORD_MAX];

	for (int v = ANY; v <= ONLY_13; v++) {
		struct tls_context *client = client_context(v, NULL, NULL);
		struct pair *pair = pair_new(client, server, NULL, NULL, &whole);
		shake(pair, &whole);
		CHECK_EQ(tls_write(pair->client.session, data, sizeof(data)), TLS_OK);
		CHECK(tls_output_length(pair->client.session) > sizeof(data));
		CHECK_EQ(tls_write(pair->client.session, data, 0), TLS_OK);
		pair_free(pair);
		tls_context_free(client);
	}
	tls_context_free(server);
}

static struct tls_ticket *obtain_ticket(struct tls_context *client, struct tls_context *server, const char *name)
{
	struct pair *pair = pair_new(client, server, name, NULL, &whole);

	shake(pair, &whole);
	read_nothing(&pair->client, &whole);
	struct tls_ticket *ticket = tls_ticket_take(pair->client.session);
	CHECK(ticket != NULL);
	CHECK(tls_ticket_take(pair->server.session) == NULL);
	pair_free(pair);
	return ticket;
}

/* Connects with the ticket (which it frees) and says whether both sides resumed. */
static bool resumes(struct tls_context *client, struct tls_context *server, const char *name, struct tls_ticket *ticket,
		    struct tls_ticket **next)
{
	struct pair *pair = pair_new(client, server, name, ticket, &whole);
	struct tls_info c = {0}, s = {0};

	shake(pair, &whole);
	tls_session_info(pair->client.session, &c);
	tls_session_info(pair->server.session, &s);
	CHECK_EQ(c.resumed, s.resumed);
	transfer(&pair->client, &pair->server, 5000, &whole);
	transfer(&pair->server, &pair->client, 5000, &whole);
	if (next != NULL)
		*next = tls_ticket_take(pair->client.session);
	pair_free(pair);
	tls_ticket_free(ticket);
	return c.resumed;
}

static void test_resumption(void)
{
	for (int v = ONLY_12; v <= ONLY_13; v++) {
		struct tls_context *server = server_context(ANY, "server", NULL);
		struct tls_context *other_shard = server_context(ANY, "server", NULL);
		struct tls_context *client = client_context(v, "ca.crt", NULL);
		struct tls_ticket *ticket = obtain_ticket(client, server, "mail.example.org"), *next = NULL;

		CHECK(resumes(client, server, "mail.example.org", ticket, &next));
		CHECK(next != NULL);
		/* A second generation, at another shard's context for the same listener. */
		CHECK(resumes(client, other_shard, "mail.example.org", next, NULL));
		CHECK(!resumes(client, server, "mail.example.org", NULL, NULL));
		tls_context_free(client);
		tls_context_free(server);
		tls_context_free(other_shard);
	}
}

static void test_ticket_bound(void)
{
	for (int v = ONLY_12; v <= ONLY_13; v++) {
		struct tls_context *server = server_context(ANY, "server", NULL);
		struct tls_context *unverified = client_context(v, NULL, NULL);
		struct tls_context *verified = client_context(v, "ca.crt", NULL);

		/* From another context, to another name, to a server with another certificate: never. */
		CHECK(!resumes(verified, server, "mail.example.org",
			       obtain_ticket(unverified, server, "mail.example.org"), NULL));
		CHECK(!resumes(verified, server, "localhost", obtain_ticket(verified, server, "mail.example.org"),
			       NULL));
		struct tls_context *foreign = server_context(ANY, "wildcard", NULL);
		CHECK(!resumes(verified, foreign, "mail.example.org",
			       obtain_ticket(verified, server, "mail.example.org"), NULL));
		/* A listener that demands client certificates does not take the open listener's tickets. */
		struct tls_context *mutual = server_context(ANY, "server", "ca.crt");
		struct tls_ticket *ticket = obtain_ticket(verified, server, "localhost");
		struct pair *pair = pair_new(verified, mutual, "localhost", ticket, &whole);
		CHECK(!handshake(pair, &whole) || v == ONLY_13);
		CHECK_STR(tls_error_text(pair->server.session),
			  "peer sent no certificate, but one is required (wolfSSL -345)");
		pair_free(pair);
		tls_ticket_free(ticket);
		tls_context_free(mutual);
		tls_context_free(foreign);
		tls_context_free(server);
		tls_context_free(unverified);
		tls_context_free(verified);
	}
}

/* The client's verdict on a server certificate: NULL for success, else the error's beginning. */
static void verdict(const char *certificate, const char *ca, const char *name, const char *expected)
{
	for (int v = ONLY_12; v <= ONLY_13; v++) {
		struct tls_context *server = server_context(ANY, certificate, NULL);
		struct tls_context *client = client_context(v, ca, NULL);
		struct pair *pair = pair_new(client, server, name, NULL, &whole);
		bool ok = handshake(pair, &whole);
		const char *text = tls_error_text(pair->client.session);

		CHECK_EQ(ok, expected == NULL);
		if (expected != NULL) {
			CHECK_EQ(tls_handshake(pair->client.session), TLS_FAILED);
			if (strncmp(text, expected, strlen(expected)) != 0)
				CHECK_STR(text, expected);
		}
		pair_free(pair);
		tls_context_free(client);
		tls_context_free(server);
	}
}

static void test_verification(void)
{
	static const char mismatch[] = "certificate name mismatch: expected ";
	static const struct {
		const char *certificate, *ca, *name, *expected;
	} cases[] = {
		{"server", "ca.crt", "mail.example.org", NULL},
		{"server", "ca.crt", "MAIL.example.ORG", NULL},
		{"server", "ca.crt", "mail.example.org.", NULL},
		{"server", "ca.crt", "localhost", NULL},
		{"server", "ca.crt", "127.0.0.1", NULL},
		{"server", "ca.crt", "::1", NULL},
		{"server", "ca.crt", "0:0::1", NULL},
		{"server", "ca.crt", "127.0.0.2", mismatch},
		{"server", "ca.crt", "::2", mismatch},
		{"server", "ca.crt", "mail.example.com", "certificate name mismatch: expected mail.example.com"},
		{"server", "ca.crt", "example.org", mismatch},
		{"wildcard", "ca.crt", "mx.example.org", NULL},
		{"wildcard", "ca.crt", "a.mx.example.org", mismatch},
		{"wildcard", "ca.crt", "example.org", mismatch},
		{"wildcard", "ca.crt", "a.b.example.net", mismatch},
		/* The common name does not count beside alternative names. */
		{"wildcard", "ca.crt", "wildcard.example.com", mismatch},
		{"server", "other-ca.crt", "localhost", "certificate verify failed: no trusted authority"},
		{"other", "ca.crt", "localhost", "certificate verify failed: no trusted authority"},
		{"expired", "ca.crt", "localhost", "certificate verify failed: certificate has expired"},
		{"selfsigned", "ca.crt", "localhost", "certificate verify failed: "},
		{"client", "ca.crt", "relay.example.org", "certificate verify failed: certificate is not for this"},
		{"server", NULL, "somewhere.else", NULL},
		{"expired", NULL, "somewhere.else", NULL},
		{"selfsigned", NULL, NULL, NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int before = check_failures;
		verdict(cases[i].certificate, cases[i].ca, cases[i].name, cases[i].expected);
		if (check_failures != before)
			fprintf(stderr, "  in case %zu: %s for %s\n", i, cases[i].certificate, cases[i].name);
	}
}

static void test_name_patterns(void)
{
	static const struct {
		const char *pattern, *name;
		bool match;
	} cases[] = {
		{"a.d", "a.d", true},
		{"A.d", "a.D", true},
		{"a.d.", "a.d", true},
		{"a.d", "a.d.", true},
		{"*.b.d", "a.b.d", true},
		{"*.b.d", "b.d", false},
		{"*.b.d", "x.a.b.d", false},
		{"*.d", "a.d", false},
		{"*", "a", false},
		{"*", "a.d", false},
		{"a.*.d", "a.b.d", false},
		{"f*.b.d", "foo.b.d", false},
		{"*o.b.d", "foo.b.d", false},
		{"*.*.d", "a.b.d", false},
		{"", "a", false},
		{"a", "", false},
		{".", ".", false},
		{"*.", "a.", false},
		{"*.b.d", ".b.d", false},
		{"xn--bcher-kva.example", "XN--BCHER-KVA.example", true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool match = tls_name_matches(cases[i].pattern, strlen(cases[i].pattern), cases[i].name);
		if (match != cases[i].match)
			fprintf(stderr, "  pattern \"%s\", name \"%s\"\n", cases[i].pattern, cases[i].name);
		CHECK_EQ(match, cases[i].match);
	}
	CHECK(!tls_name_matches("a.d\0.evil.example", 18, "a.d"));
}

static void test_client_certificate(void)
{
	for (int v = ONLY_12; v <= ONLY_13; v++) {
		struct tls_context *server = server_context(v, "server", "ca.crt");
		struct tls_context *with = client_context(v, "ca.crt", "client");
		struct tls_context *without = client_context(v, "ca.crt", NULL);
		struct tls_context *stranger = client_context(v, "ca.crt", "other");
		struct tls_info info;

		struct pair *pair = pair_new(with, server, "localhost", NULL, &whole);
		shake(pair, &whole);
		tls_session_info(pair->server.session, &info);
		CHECK(info.verified);
		transfer(&pair->client, &pair->server, 100, &whole);
		pair_free(pair);
		CHECK(resumes(with, server, "localhost", obtain_ticket(with, server, "localhost"), NULL));

		pair = pair_new(without, server, "localhost", NULL, &whole);
		handshake(pair, &whole);
		CHECK_EQ(tls_handshake(pair->server.session), TLS_FAILED);
		CHECK_STR(tls_error_text(pair->server.session),
			  "peer sent no certificate, but one is required (wolfSSL -345)");
		/* With TLS 1.3 the client is done before the server has an opinion: it hears with the first read. */
		if (tls_handshake(pair->client.session) == TLS_OK) {
			uint8_t octet;
			size_t n = 0;
			CHECK_EQ(read_all(&pair->client, &octet, 1, &n, &whole), TLS_FAILED);
		}
		CHECK_STR(tls_error_text(pair->client.session), v == ONLY_13 ? "peer sent alert: certificate required"
									     : "peer sent alert: handshake failure");
		pair_free(pair);

		pair = pair_new(stranger, server, "localhost", NULL, &whole);
		handshake(pair, &whole);
		CHECK_EQ(tls_handshake(pair->server.session), TLS_FAILED);
		CHECK(strncmp(tls_error_text(pair->server.session), "certificate verify failed", 25) == 0);
		pair_free(pair);

		tls_context_free(server);
		tls_context_free(with);
		tls_context_free(without);
		tls_context_free(stranger);
	}
}

static void test_close_notify(void)
{
	for (int v = ONLY_12; v <= ONLY_13; v++) {
		struct tls_context *server = server_context(v, "server", NULL);
		struct tls_context *client = client_context(v, NULL, NULL);
		struct pair *pair = pair_new(client, server, NULL, NULL, &whole);
		uint8_t data[100] = "QUIT\r\n", got[200];
		size_t n = 0;

		shake(pair, &whole);
		read_nothing(&pair->client, &whole);
		CHECK_EQ(write_one(&pair->client, data, 6, &whole), TLS_OK);
		CHECK_EQ(tls_close_notify(pair->client.session), TLS_OK);
		size_t length = tls_output_length(pair->client.session);
		CHECK_EQ(tls_close_notify(pair->client.session), TLS_OK);
		CHECK_EQ(tls_output_length(pair->client.session), length); /* Once is enough. */
		drain(&pair->client, &whole);
		/* Cleartext behind close_notify, in the same segment (STL-05). */
		memcpy(pair->up.data + pair->up.to, "MAIL FROM:<>\r\n", 14);
		pair->up.to += 14;
		CHECK_EQ(read_all(&pair->server, got, sizeof(got), &n, &whole), TLS_CLOSED);
		CHECK_EQ(n, 6);
		CHECK_EQ(tls_input_left(pair->server.session), 14);
		CHECK_EQ(tls_read(pair->server.session, got, sizeof(got), &n), TLS_CLOSED);
		CHECK_EQ(n, 0);
		CHECK_EQ(tls_input_left(pair->server.session), 14);
		CHECK_EQ(tls_close_notify(pair->server.session), TLS_OK);
		drain(&pair->server, &whole);
		CHECK_EQ(tls_read(pair->server.session, got, sizeof(got), &n), TLS_CLOSED);
		CHECK_EQ(read_all(&pair->client, got, sizeof(got), &n, &whole), TLS_CLOSED);
		pair_free(pair);
		tls_context_free(client);
		tls_context_free(server);
	}
}

static void fail_on(struct tls_context *context, const void *octets, size_t length, const char *expected)
{
	struct tls_session *session = tls_session_new(context, "localhost", NULL);
	uint8_t *out = malloc(TLS_OUTPUT_MIN);

	tls_lend_output(session, out, TLS_OUTPUT_MIN);
	if (!context->server)
		CHECK_EQ(tls_handshake(session), TLS_WANT_INPUT);
	tls_feed(session, octets, length);
	CHECK_EQ(tls_handshake(session), TLS_FAILED);
	CHECK_EQ(tls_handshake(session), TLS_FAILED);
	const char *text = tls_error_text(session);
	if (strncmp(text, expected, strlen(expected)) != 0)
		CHECK_STR(text, expected);
	tls_session_free(session);
	free(out);
}

static void test_no_tls(void)
{
	struct tls_context *server = server_context(ANY, "server", NULL);
	struct tls_context *client = client_context(ANY, "ca.crt", NULL);
	uint8_t record[64] = {22, 3, 1, 0, 40, 1, 0, 0, 36, 3, 3};

	fail_on(server, "EHLO x\r\n", 8, "peer does not speak TLS: its first octet was 0x45");
	fail_on(client, "250 PIPELINING\r\n", 16, "peer does not speak TLS: its first octet was 0x32");
	fail_on(server, "\x16\x03\x01\xff\xff\x01", 6, "peer sent a TLS record of impossible length");
	fail_on(server, record, 45, "peer sent a malformed handshake message");
	fail_on(client, "\x15\x03\x03\x00\x02\x02\x28", 7, "peer sent alert: handshake failure");
	fail_on(client, "\x15\x03\x03\x00\x02\x02\xc8", 7, "peer sent alert: number 200");
	tls_context_free(client);
	tls_context_free(server);
}

/* Each octet of a record damaged once: never accepted, never crashes. */
static void test_damage(void)
{
	struct tls_context *server = server_context(ANY, "server", NULL);

	for (int v = ONLY_12; v <= ONLY_13; v++) {
		struct tls_context *client = client_context(v, NULL, NULL);
		for (size_t at = 5; at < 5 + 30; at++) {
			struct pair *pair = pair_new(client, server, NULL, NULL, &whole);
			uint8_t data[64] = {0}, got[64];
			size_t n = 0;
			shake(pair, &whole);
			CHECK_EQ(write_one(&pair->client, data, sizeof(data), &whole), TLS_OK);
			drain(&pair->client, &whole);
			pair->up.data[pair->up.from + at] ^= 0x10;
			CHECK_EQ(read_all(&pair->server, got, sizeof(got), &n, &whole), TLS_FAILED);
			CHECK_EQ(n, 0);
			CHECK(strstr(tls_error_text(pair->server.session), "did not decrypt") != NULL);
			pair_free(pair);
		}
		tls_context_free(client);
	}
	tls_context_free(server);
}

static void test_no_common_version(void)
{
	struct tls_context *server = server_context(ONLY_13, "server", NULL);
	struct tls_context *client = client_context(ONLY_12, NULL, NULL);
	struct pair *pair = pair_new(client, server, NULL, NULL, &whole);

	CHECK(!handshake(pair, &whole));
	CHECK_EQ(tls_handshake(pair->server.session), TLS_FAILED);
	CHECK(strstr(tls_error_text(pair->server.session), "version") != NULL);
	CHECK(strstr(tls_error_text(pair->client.session), "alert: protocol version") != NULL);
	pair_free(pair);
	tls_context_free(client);
	tls_context_free(server);
}

/* A peer with acceleration and one without understand each other, whichever suite leads. */
static void test_acceleration(void)
{
	for (int v = ONLY_12; v <= ONLY_13; v++) {
		for (int i = 0; i < 4; i++) {
			tls_set_acceleration(i & 1);
			struct tls_context *server = server_context(v, "server", NULL);
			tls_set_acceleration(i & 2);
			struct tls_context *client = client_context(v, "ca.crt", NULL);
			struct pair *pair = pair_new(client, server, "localhost", NULL, &whole);
			struct tls_info info;

			shake(pair, &whole);
			tls_session_info(pair->server.session, &info);
			if (accel_available())
				CHECK_EQ(strstr(info.cipher, "AES") != NULL, i & 1);
			for (size_t length = 1; length < 70; length++)
				transfer(&pair->client, &pair->server, length, &whole);
			transfer(&pair->server, &pair->client, 50000, &whole);
			pair_free(pair);
			tls_context_free(client);
			tls_context_free(server);
		}
	}
	tls_set_acceleration(true);
}

/* The same octets as wolfSSL's own AES-GCM, for both key sizes and lengths around the block size. */
static void test_gcm_against_wolfssl(void)
{
	if (!accel_available()) {
		printf("   (no acceleration here: %s)\n", tls_acceleration());
		return;
	}
	struct accel_keys *keys = accel_keys_new();
	for (int i = 0; i < 2000; i++) {
		uint8_t key[32], iv[12], aad[16], in[400], expected[400], out[400], tag[16], tag_expected[16];
		size_t key_length = next_random() & 1 ? 16 : 32, length = 1 + next_random() % 399;
		size_t aad_length = next_random() & 1 ? 5 : 13;
		Aes aes;
		for (size_t j = 0; j < sizeof(in); j++)
			in[j] = (uint8_t)next_random();
		memcpy(key, in, 32);
		memcpy(iv, in + 32, 12);
		memcpy(aad, in + 44, 16);
		CHECK_EQ(wc_AesInit(&aes, NULL, INVALID_DEVID), 0);
		CHECK_EQ(wc_AesGcmSetKey(&aes, key, (word32)key_length), 0);
		CHECK_EQ(wc_AesGcmEncrypt(&aes, expected, in, (word32)length, iv, 12, tag_expected, 16, aad,
					  (word32)aad_length),
			 0);
		wc_AesFree(&aes);
		struct accel_gcm op = {key, key_length, iv, aad, aad_length, in, out, length};
		accel_gcm_seal(keys, &op, tag);
		CHECK(memcmp(out, expected, length) == 0 && memcmp(tag, tag_expected, 16) == 0);
		op.in = op.out; /* In place, as wolfSSL does it. */
		accel_gcm_open(keys, &op, tag);
		CHECK(memcmp(out, in, length) == 0 && memcmp(tag, tag_expected, 16) == 0);
	}
	accel_keys_free(keys);
}

static uint64_t seed_state;

static void seeded(void *out, size_t length)
{
	uint8_t *at = out;

	for (size_t i = 0; i < length; i++) {
		seed_state = seed_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		at[i] = (uint8_t)(seed_state >> 56);
	}
}

/* A handshake and some data from a seed: what crossed the wires, without the server's ticket, which carries the
 * time of its birth. */
static size_t seeded_run(uint64_t seed, enum versions v, uint8_t *out)
{
	const size_t before_ticket = 600;
	uint8_t data[100] = {7};

	seed_state = seed;
	tls_set_random(seeded);
	struct tls_context *server = server_context(v, "server", NULL);
	struct tls_context *client = client_context(v, "ca.crt", NULL);
	struct pair *pair = pair_new(client, server, "localhost", NULL, &whole);
	shake(pair, &whole);
	CHECK_EQ(write_one(&pair->client, data, sizeof(data), &whole), TLS_OK);
	drain(&pair->client, &whole);
	CHECK(pair->down.to > before_ticket);
	memcpy(out, pair->up.data, pair->up.to);
	memcpy(out + pair->up.to, pair->down.data, before_ticket);
	size_t length = pair->up.to + before_ticket;
	pair_free(pair);
	tls_context_free(client);
	tls_context_free(server);
	return length;
}

/* How much of a run the seed decides: all, or what stands in front of a placeholder for Encrypted Client Hello. wolfSSL
 * 5.7.2 puts one into each TLS 1.3 hello, random octets from a generator of its own, and keys depend on the hello. */
static size_t seeded_part(const uint8_t *hello, size_t length)
{
	enum { SESSION_ID = 5 + 4 + 2 + 32, ECH = 0xfe0d };
	size_t at = SESSION_ID + 1u + hello[SESSION_ID];

	at += 2u + (size_t)(hello[at] << 8 | hello[at + 1]); /* suites */
	at += 1u + hello[at];                                /* compression */
	for (at += 2; at + 4 <= 5u + (size_t)(hello[3] << 8 | hello[4]);
	     at += 4u + (size_t)(hello[at + 2] << 8 | hello[at + 3])) {
		if ((hello[at] << 8 | hello[at + 1]) == ECH)
			return at;
	}
	return length;
}

static void test_seeded(void)
{
	static uint8_t first[20000], again[20000], other[20000];

	for (int v = ONLY_12; v <= ONLY_13; v++) {
		size_t n = seeded_run(42, v, first);
		CHECK_EQ(seeded_run(42, v, again), n);
		size_t part = seeded_part(first, n);
		CHECK_EQ(memcmp(first, again, part), 0);
		CHECK_EQ(seeded_run(43, v, other), n);
		CHECK(memcmp(first, other, part) != 0);
	}
	tls_set_random(NULL);
}

/* Pages of a block that have memory behind them, of those that lie in it whole. */
static size_t resident_pages(char *block, size_t length, size_t *total)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), count = 0;
	unsigned char resident[64];
	char *first = block + (page - (uintptr_t)block % page) % page;

	*total = (size_t)(block + length - first) / page;
	CHECK(*total <= sizeof(resident) && mincore(first, *total * page, resident) == 0);
	for (size_t i = 0; i < *total; i++)
		count += resident[i] & 1;
	return count;
}

static void test_zero_pages(void)
{
	static const struct {
		const char *pages;  /* of a block that begins on a page: x has an octet other than zero, . has none */
		size_t offset, cut; /* octets taken from the block's two ends */
		size_t given;       /* pages */
	} cases[] = {
		{"....", 0, 0, 4}, {"x...", 0, 0, 3}, {"...x", 0, 0, 3}, {".x.x", 0, 0, 2}, {"xxxx", 0, 0, 0},
		{"....", 1, 0, 3}, {"....", 0, 1, 3}, {"....", 1, 1, 2}, {"..", 1, 1, 0},   {".", 9, 9, 0},
	};
	size_t page = (size_t)sysconf(_SC_PAGESIZE), total;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t octet = 0; octet < page; octet += page - 1) {
			size_t size = strlen(cases[i].pages) * page;
			char *block = aligned_alloc(page, size), *expected = calloc(1, size);
			for (size_t at = 0; at < size; at += page)
				expected[at + octet] = cases[i].pages[at / page] == 'x';
			memcpy(block, expected, size);
			size_t given =
				tls_trim_zero_pages(block + cases[i].offset, size - cases[i].offset - cases[i].cut);
			CHECK_EQ(given, cases[i].given * page);
			CHECK_EQ(resident_pages(block, size, &total), total - cases[i].given);
			CHECK_EQ(memcmp(block, expected, size), 0);
			free(expected);
			free(block);
		}
	}
}

/* Goes on with the handshake until the client holds the server's key, and returns a reference to that. */
static WOLFSSL_EVP_PKEY *key_on_the_way(struct pair *pair, const struct plan *plan)
{
	for (int i = 0; i < 100000 && pair->client.session->peer_key == NULL; i++) {
		tls_handshake(pair->client.session);
		drain(&pair->client, plan);
		if (pair->client.session->peer_key == NULL && !feed(&pair->client, plan))
			turn(&pair->server, &whole);
	}
	CHECK_EQ(wolfSSL_EVP_PKEY_up_ref(pair->client.session->peer_key), WOLFSSL_SUCCESS);
	return pair->client.session->peer_key;
}

/* What an established session has given up, and that it works without. */
static void test_trim(void)
{
	static const struct plan pieces = {TLS_OUTPUT_MIN, 1};

	for (int v = ONLY_12; v <= ONLY_13; v++) {
		struct tls_context *server = server_context(v, "server", NULL);
		struct tls_context *client = client_context(v, "ca.crt", NULL);
		struct pair *pair = pair_new(client, server, "localhost", NULL, &pieces);
		size_t pages;

		WOLFSSL_EVP_PKEY *key = key_on_the_way(pair, &pieces);
		CHECK(wolfSSL_EVP_PKEY_get0_EC_KEY(key) != tls_trim_key());
		shake(pair, &pieces);
		CHECK(pair->client.session->peer_key == NULL);
		CHECK(wolfSSL_EVP_PKEY_get0_EC_KEY(key) == tls_trim_key());
		wolfSSL_EVP_PKEY_free(key);
		char *object = (char *)wolfSSL_get_session(pair->client.session->wolf);
		CHECK(resident_pages(object, malloc_usable_size(object), &pages) <= 3);
		CHECK(pages >= 8);
		object = (char *)wolfSSL_get_session(pair->server.session->wolf);
		CHECK_EQ(resident_pages(object, malloc_usable_size(object), &pages), pages);
		tls_session_trim(pair->server.session);
		CHECK(resident_pages(object, malloc_usable_size(object), &pages) <= 3);
		transfer(&pair->client, &pair->server, 30000, &whole);
		transfer(&pair->server, &pair->client, 30000, &whole);
		struct tls_ticket *ticket = tls_ticket_take(pair->client.session);
		CHECK(ticket != NULL);
		pair_free(pair);
		CHECK(resumes(client, server, "localhost", ticket, NULL));
		tls_context_free(client);
		tls_context_free(server);
	}
}

struct shared {
	struct tls_context *client, *server;
};

/* Full and resumed handshakes in a thread of its own; the answer is how many went well. */
static void *many_handshakes(void *argument)
{
	struct shared *shared = argument;
	struct tls_ticket *ticket = NULL;
	uintptr_t good = 0;

	for (int i = 0; i < 10; i++) {
		struct pair *pair = pair_new(shared->client, shared->server, "localhost", ticket, &whole);
		tls_ticket_free(ticket);
		ticket = NULL;
		if (handshake(pair, &whole)) {
			uint8_t octet;
			size_t n = 0;
			good += read_all(&pair->client, &octet, 1, &n, &whole) == TLS_WANT_INPUT;
			ticket = i % 3 != 2 ? tls_ticket_take(pair->client.session) : NULL;
		}
		pair_free(pair);
	}
	tls_ticket_free(ticket);
	tls_thread_end();
	return (void *)good;
}

/* Shards share contexts. Also for helgrind: valgrind --tool=helgrind test_tls CERTIFICATES-DIRECTORY. */
static void test_threads(void)
{
	for (int v = ONLY_12; v <= ONLY_13; v++) {
		struct shared shared = {client_context(v, "ca.crt", "client"), server_context(v, "server", "ca.crt")};
		pthread_t threads[4];

		for (size_t i = 0; i < 4; i++)
			CHECK_EQ(pthread_create(&threads[i], NULL, many_handshakes, &shared), 0);
		for (size_t i = 0; i < 4; i++) {
			void *good = NULL;
			pthread_join(threads[i], &good);
			CHECK_EQ((uintptr_t)good, 10);
		}
		tls_context_free(shared.client);
		tls_context_free(shared.server);
	}
}

static void no_context(struct tls_context_config config, const char *expected)
{
	struct tls_problem problem;
	struct tls_context *context = tls_context_new(&config, &problem);

	CHECK(context == NULL);
	tls_context_free(context);
	if (strstr(problem.text, expected) == NULL)
		CHECK_STR(problem.text, expected);
	CHECK(strstr(problem.text, "wolfSSL 0") == NULL && strstr(problem.text, "unknown") == NULL);
}

static void test_problems(void)
{
	no_context((struct tls_context_config){.server = true}, "needs a certificate");
	no_context((struct tls_context_config){.server = true, .certificate_file = "/nonexistent/x.crt"},
		   "/nonexistent/x.crt: No such file or directory");
	no_context((struct tls_context_config){.server = true,
					       .certificate_file = path("server.crt"),
					       .private_key_file = path("client.key")},
		   "does not belong to");
	no_context((struct tls_context_config){.server = true,
					       .certificate_file = path("server.key"),
					       .private_key_file = path("server.key")},
		   "server.key: no usable PEM certificate chain");
	no_context((struct tls_context_config){.server = true, .certificate_file = directory}, ": Is a directory");
	no_context((struct tls_context_config){.server = true,
					       .certificate_file = path("server.crt"),
					       .private_key_file = path("server.crt")},
		   "no usable unencrypted PEM key");
	no_context((struct tls_context_config){.verify_peer = true, .ca_file = path("server.key")},
		   "no usable PEM certificate authority");
	no_context((struct tls_context_config){.verify_peer = true, .ca_file = path("missing")}, "No such file");
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s CERTIFICATES-DIRECTORY\n", argv[0]);
		return 64;
	}
	directory = argv[1];
	setvbuf(stdout, NULL, _IOLBF, 0);
	tls_global_init();
	printf("%s, %s\n", tls_library(), tls_acceleration());
	RUN(test_versions);
	RUN(test_segments);
	RUN(test_want_output);
	RUN(test_largest_write);
	RUN(test_resumption);
	RUN(test_ticket_bound);
	RUN(test_name_patterns);
	RUN(test_verification);
	RUN(test_client_certificate);
	RUN(test_close_notify);
	RUN(test_no_tls);
	RUN(test_damage);
	RUN(test_no_common_version);
	RUN(test_acceleration);
	RUN(test_gcm_against_wolfssl);
	RUN(test_zero_pages);
	RUN(test_trim);
	RUN(test_threads);
	RUN(test_seeded);
	RUN(test_problems);
	return check_end();
}
