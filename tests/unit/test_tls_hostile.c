/*
 * tests/unit/test_tls_hostile.c - peers that the library alone would let through (tls/README.md, "Known holes").
 *
 * Each case here succeeds for the attacker, or harms us, when the guard it names is taken out and the library has the
 * hole; with a library that has mended it the same verdict comes from there.
 *
 * Usage: test_tls_hostile CERTIFICATES-DIRECTORY (made by tests/certificates.sh).
 */
#include "tests/unit/anonymous_server.h"
#include "tests/unit/check.h"
#include "tests/unit/craft_record.h"
#include "tests/unit/tls_pair.h"
#include "tls/internal.h"

/* CVE-2024-5814: a server without any certificate, with a suite that was never offered. */
static void test_anonymous(void)
{
	static struct wire up, down;

	for (int verify = 0; verify < 2; verify++) {
		struct tls_context *context = client_context(ANY, verify ? "ca.crt" : NULL, NULL);
		struct anonymous_server server;
		struct end client;

		up.from = up.to = down.from = down.to = 0;
		anonymous_open(&server, &up, &down);
		end_open(&client, tls_session_new(context, "localhost", NULL), &down, &up, &whole);
		CHECK_EQ(turn(&client, &whole), TLS_WANT_INPUT);
		CHECK(anonymous_hello(&server));
		enum tls_status status = turn(&client, &whole);
		if (status == TLS_WANT_INPUT && anonymous_finish(&server))
			status = turn(&client, &whole);
		CHECK_EQ(status, TLS_FAILED);
		/* The guard's words, or those of a library that refuses by itself. */
		const char *text = tls_error_text(client.session);
		if (strncmp(text, "peer chose a cipher suite that was not offered", 46) != 0 &&
		    strncmp(text, "no cipher suite in common", 25) != 0)
			CHECK_STR(text, "peer chose a cipher suite that was not offered");
		tls_session_free(client.session);
		free(client.lent);
		anonymous_close(&server);
		tls_context_free(context);
	}
}

/* What a crafted first record brings; the text is NULL where data are expected. */
static void crafted(bool to_server, const void *inner, size_t length, uint8_t outer, const char *expected)
{
	struct tls_context *server = server_context(ONLY_13, "server", NULL);
	struct tls_context *client = client_context(ONLY_13, NULL, NULL);
	struct pair *pair = pair_new(client, server, NULL, NULL, &whole);
	struct end *from = to_server ? &pair->client : &pair->server;
	struct end *to = to_server ? &pair->server : &pair->client;
	uint8_t got[TLS_RECORD_MAX + 1];
	size_t n = 0;

	shake(pair, &whole);
	read_nothing(&pair->client, &whole);
	/* The server has sent its ticket. */
	from->out->to +=
		craft_record(from->session, inner, length, to_server ? 0 : 1, outer, from->out->data + from->out->to);
	enum tls_status status = read_all(to, got, sizeof(got), &n, &whole);
	if (expected == NULL) {
		CHECK_EQ(status, TLS_WANT_INPUT);
		CHECK(n > 0);
	} else {
		CHECK_EQ(status, TLS_FAILED);
		CHECK_EQ(n, 0);
		const char *text = tls_error_text(to->session);
		if (strncmp(text, expected, strlen(expected)) != 0)
			CHECK_STR(text, expected);
		CHECK_EQ(tls_read(to->session, got, sizeof(got), &n), TLS_FAILED);
	}
	pair_free(pair);
	tls_context_free(client);
	tls_context_free(server);
}

/* CVE-2024-0901, and what else a peer with the right keys can put into a record. */
static void test_crafted(void)
{
	static const char empty[] = "peer sent a protected record without content", any[] = "";
	static const uint8_t zeros[300];
	static const struct {
		const char *inner;
		size_t length;
		uint8_t outer;
		const char *expected;
	} cases[] = {
		{"hi\x17", 3, 23, NULL},
		{"h\x17\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20, 23, NULL}, /* padding */
		{"", 0, 23, empty},
		{"\0", 1, 23, any},
		{(const char *)zeros, 7, 23, any},
		{(const char *)zeros, 300, 23, any},
		{"\x01\x63", 2, 23, any},               /* no such type */
		{"\x15", 1, 23, any},                   /* an alert without octets */
		{"\x01\x15", 2, 23, any},               /* with one */
		{"\x16", 1, 23, any},                   /* a handshake message without octets */
		{"\x18\0\0\0\x16", 5, 23, any},         /* a key update of no octets */
		{"\x18\0\0\2\0\0\x16", 7, 23, any},     /* of two */
		{"\x18\xff\xff\xff\0\x16", 6, 23, any}, /* of 16 MB */
		{"\x0b\0\0\4\0\0\0\0\x16", 9, 23, any}, /* a certificate after the handshake */
		{"hi\x17", 3, 22, any},                 /* a handshake record from outside */
	};

	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		int before = check_failures;
		size_t c = i / 2;
		crafted(i % 2 == 0, cases[c].inner, cases[c].length, cases[c].outer, cases[c].expected);
		if (check_failures != before)
			fprintf(stderr, "  in case %zu, to the %s\n", c, i % 2 == 0 ? "server" : "client");
	}
}

static void update_keys(struct end *from, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		CHECK_EQ(wolfSSL_update_keys(from->session->wolf), WOLFSSL_SUCCESS);
		drain(from, &whole);
	}
}

/* Key updates cost us an answer each. As many as anybody needs are taken, a flood is not. */
static void test_flood(void)
{
	for (int to_server = 0; to_server < 2; to_server++) {
		struct tls_context *server = server_context(ONLY_13, "server", NULL);
		struct tls_context *client = client_context(ONLY_13, NULL, NULL);
		struct pair *pair = pair_new(client, server, NULL, NULL, &whole);
		struct end *from = to_server ? &pair->client : &pair->server;
		struct end *to = to_server ? &pair->server : &pair->client;
		uint8_t got[16];
		size_t n = 0;

		shake(pair, &whole);
		read_nothing(&pair->client, &whole);
		transfer(from, to, 10, &whole);
		for (int i = 0; i < 3; i++) {
			update_keys(from, TLS_IDLE_RECORDS_MAX - 1);
			transfer(from, to, 10, &whole);
		}
		update_keys(from, TLS_IDLE_RECORDS_MAX);
		CHECK_EQ(read_all(to, got, sizeof(got), &n, &whole), TLS_WANT_INPUT);
		update_keys(from, 1);
		CHECK_EQ(read_all(to, got, sizeof(got), &n, &whole), TLS_FAILED);
		CHECK_STR(tls_error_text(to->session), "peer sent too many records without content");
		pair_free(pair);
		tls_context_free(client);
		tls_context_free(server);
	}
}

/* The octets as they may come to the receive callback: each way to cut them gives the same answer. */
static void test_record_headers(void)
{
	static const char short_record[] = "peer sent a protected record without content";
	static const char flood[] = "peer sent too many records without content";
	static const struct {
		uint8_t type;
		uint16_t length;
		unsigned count;
		bool established;
		const char *expected;
	} cases[] = {
		{23, 17, 1, true, NULL},
		{23, 16, 1, true, short_record},
		{23, 0, 1, true, short_record},
		{23, 16, 1, false, short_record},
		{22, 16, 1, true, NULL},
		{21, 2, 1, true, NULL},
		{20, 1, 1, false, NULL},
		{22, 0, TLS_HANDSHAKE_RECORDS_MAX, false, NULL},
		{22, 0, TLS_HANDSHAKE_RECORDS_MAX + 1, false, flood},
		{21, 2, TLS_IDLE_RECORDS_MAX, true, NULL},
		{21, 2, TLS_IDLE_RECORDS_MAX + 1, true, flood},
		{23, 40, TLS_IDLE_RECORDS_MAX + 1, true, flood},
	};
	static uint8_t octets[65536];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t piece = 1; piece < 40; piece++) {
			struct tls_guard guard = {.established = cases[i].established};
			size_t length = 0;
			const char *answer = NULL;

			for (unsigned n = 0; n < cases[i].count; n++) {
				octets[length] = cases[i].type;
				octets[length + 3] = (uint8_t)(cases[i].length >> 8);
				octets[length + 4] = (uint8_t)cases[i].length;
				memset(octets + length + 5, 0, cases[i].length);
				length += 5u + cases[i].length;
			}
			for (size_t at = 0; at < length && answer == NULL; at += piece)
				answer = tls_guard_records(&guard, octets + at,
							   piece < length - at ? piece : length - at);
			CHECK_EQ(answer == NULL, cases[i].expected == NULL);
			if (answer != NULL && cases[i].expected != NULL)
				CHECK_STR(answer, cases[i].expected);
		}
	}
}

/* The other side's certificate is good, and its key another one: possession is proven or the handshake ends. */
static void test_possession(void)
{
	for (int v = ONLY_12; v <= ONLY_13; v++) {
		for (int verify = 0; verify < 2; verify++) {
			struct tls_context *server = server_context(v, "server", NULL);
			struct tls_context *client = client_context(v, verify ? "ca.crt" : NULL, NULL);
			CHECK_EQ(wolfSSL_CTX_use_PrivateKey_file(server->wolf, path("other.key"), WOLFSSL_FILETYPE_PEM),
				 WOLFSSL_SUCCESS);
			struct pair *pair = pair_new(client, server, "localhost", NULL, &whole);

			CHECK(!handshake(pair, &whole));
			CHECK_EQ(tls_handshake(pair->client.session), TLS_FAILED);
			pair_free(pair);
			tls_context_free(client);
			tls_context_free(server);
		}
	}
}

/* CVE-2026-93302: the anchor's name, key identifier and signature, copied into a certificate with another key. */
static void test_copied_anchor(void)
{
	for (int v = ONLY_12; v <= ONLY_13; v++) {
		struct tls_context *server = server_context(v, "copied-anchor", NULL);
		struct tls_context *client = client_context(v, "ca.crt", NULL);
		struct pair *pair = pair_new(client, server, "localhost", NULL, &whole);
		CHECK(!handshake(pair, &whole));
		CHECK_EQ(tls_handshake(pair->client.session), TLS_FAILED);
		CHECK(strncmp(tls_error_text(pair->client.session), "certificate verify failed", 25) == 0);
		pair_free(pair);
		tls_context_free(client);
		tls_context_free(server);

		/* The same from a client to a server that demands a certificate. */
		server = server_context(v, "server", "ca.crt");
		client = client_context(v, "ca.crt", "copied-anchor");
		pair = pair_new(client, server, "localhost", NULL, &whole);
		handshake(pair, &whole);
		CHECK_EQ(tls_handshake(pair->server.session), TLS_FAILED);
		CHECK(strncmp(tls_error_text(pair->server.session), "certificate verify failed", 25) == 0);
		pair_free(pair);
		tls_context_free(client);
		tls_context_free(server);
	}
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
	RUN(test_anonymous);
	RUN(test_record_headers);
	RUN(test_crafted);
	RUN(test_flood);
	RUN(test_possession);
	RUN(test_copied_anchor);
	return check_end();
}
