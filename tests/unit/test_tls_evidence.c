/*
 * tests/unit/test_tls_evidence.c - what a client notes of a server that it need not verify: names, chains,
 * fingerprints, and what a resumed session has of them (tls.h, struct tls_evidence).
 *
 * Usage: test_tls_evidence CERTIFICATES-DIRECTORY (made by tests/certificates.sh).
 */
#include "tests/unit/check.h"
#include "tests/unit/tls_pair.h"
#include "tls/certificate.h"
#include "tls/internal.h"

#include <wolfssl/wolfcrypt/sha256.h>

static struct tls_context *observer(enum versions v, const char *ca)
{
	return make((struct tls_context_config){
		.observe_peer = true, .ca_file = path(ca), .tls12_only = v == ONLY_12, .tls13_only = v == ONLY_13});
}

/* Whatever the certificate is, the handshake completes; what is noted is as expected. NULL: verified. */
static void observed(const char *certificate, const char *ca, const char *name, bool alternative, const char *expected)
{
	for (int v = ONLY_12; v <= ONLY_13; v++) {
		struct tls_context *server = server_context(ANY, certificate, NULL);
		struct tls_context *client = observer(v, ca);
		struct pair *pair = pair_new(client, server, name, NULL, &whole);
		const struct tls_evidence *evidence;
		struct tls_info info;
		char text[256];

		shake(pair, &whole);
		evidence = tls_session_evidence(pair->client.session);
		tls_evidence_text(pair->client.session, text, sizeof(text));
		tls_session_info(pair->client.session, &info);
		CHECK(evidence->known);
		CHECK_EQ(evidence->verified, expected == NULL);
		CHECK_EQ(info.verified, expected == NULL);
		CHECK_EQ(evidence->alternative, alternative);
		if (expected == NULL ? text[0] != '\0' : strncmp(text, expected, strlen(expected)) != 0)
			CHECK_STR(text, expected ? expected : "");
		transfer(&pair->client, &pair->server, 3000, &whole);
		transfer(&pair->server, &pair->client, 3000, &whole);
		pair_free(pair);
		tls_context_free(client);
		tls_context_free(server);
	}
}

static void test_CRT_01_names_that_are_noted(void)
{
	static const char mismatch[] = "certificate name mismatch: expected ";

	observed("server", "ca.crt", "mail.example.org", true, NULL);
	observed("server", "ca.crt", "MAIL.example.ORG.", true, NULL);
	observed("server", "ca.crt", "127.0.0.1", true, NULL);
	observed("server", "ca.crt", "::1", true, NULL);
	observed("server", "ca.crt", "127.0.0.2", false, mismatch);
	observed("server", "ca.crt", "mail.example.com", false, "certificate name mismatch: expected mail.example.com");
	observed("server", "ca.crt", NULL, false, "certificate name mismatch: expected (none)");
	observed("wildcard", "ca.crt", "mx.example.org", true, NULL);
	observed("wildcard", "ca.crt", "a.mx.example.org", false, mismatch);
	observed("wildcard", "ca.crt", "a.b.example.net", false, mismatch);
	/* A name that is only common: enough, but where MTA-STS asks. */
	observed("ca", "ca.crt", "postrider test authority", false, "certificate");
}

static void test_CRT_02_chains_that_are_noted(void)
{
	observed("server", "other-ca.crt", "localhost", false, "certificate verify failed: no trusted authority");
	observed("other", "ca.crt", "localhost", false, "certificate verify failed: no trusted authority");
	observed("expired", "ca.crt", "mail.example.org", false, "certificate verify failed: certificate has expired");
	observed("selfsigned", "ca.crt", "mail.example.org", false, "certificate verify failed: ");
	observed("client", "ca.crt", "relay.example.org", false,
		 "certificate verify failed: certificate is not for this");
}

/* CRT-02: nothing is trusted where there is nobody to trust, and a server is spoken to all the same. */
static void test_CRT_02_no_authorities(void)
{
	struct tls_context *server = server_context(ANY, "server", NULL), *client = observer(ANY, "ca.crt");
	struct pair *pair;

	anchors_free(client->anchors);
	client->anchors = NULL;
	pair = pair_new(client, server, "localhost", NULL, &whole);
	shake(pair, &whole);
	CHECK(tls_session_evidence(pair->client.session)->known);
	CHECK(!tls_session_evidence(pair->client.session)->verified);
	pair_free(pair);
	tls_context_free(client);
	tls_context_free(server);
}

static struct tls_ticket *ticket_of(struct tls_context *client, struct tls_context *server, const char *name)
{
	struct pair *pair = pair_new(client, server, name, NULL, &whole);
	struct tls_ticket *ticket;

	shake(pair, &whole);
	read_nothing(&pair->client, &whole);
	ticket = tls_ticket_take(pair->client.session);
	CHECK(ticket != NULL);
	pair_free(pair);
	return ticket;
}

/* A session that is resumed has what was found when its ticket was given, good or bad, and nothing better. */
static void test_POL_01_tickets_carry_the_result(void)
{
	static const struct {
		const char *certificate;
		bool verified;
	} cases[] = {{"server", true}, {"expired", false}, {"selfsigned", false}, {"rsa", true}};

	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		struct tls_context *server = server_context(ANY, cases[i / 2].certificate, NULL);
		struct tls_context *client = observer(i % 2 ? ONLY_12 : ONLY_13, "ca.crt");
		struct tls_ticket *ticket = ticket_of(client, server, "mail.example.org");
		struct tls_evidence before = ticket->evidence;
		struct pair *pair;
		struct tls_info info;

		/* The ticket of who has expired is not offered: that is a handshake anew, with the same result. */
		pair = pair_new(client, server, "mail.example.org", ticket, &whole);
		shake(pair, &whole);
		tls_session_info(pair->client.session, &info);
		CHECK_EQ(info.resumed, strcmp(cases[i / 2].certificate, "expired") != 0);
		CHECK_EQ(info.verified, cases[i / 2].verified);
		CHECK(memcmp(&before, tls_session_evidence(pair->client.session), sizeof(before)) == 0);
		pair_free(pair);
		tls_ticket_free(ticket);
		tls_context_free(client);
		tls_context_free(server);
	}
}

/* A ticket that the server does not take: what its new certificate is counts, and not the ticket's. */
static void test_POL_01_a_refused_ticket_proves_nothing(void)
{
	for (int v = ONLY_12; v <= ONLY_13; v++) {
		struct tls_context *good = server_context(ANY, "server", NULL);
		struct tls_context *bad = server_context(ANY, "selfsigned", NULL);
		struct tls_context *client = observer(v, "ca.crt");
		struct tls_ticket *ticket = ticket_of(client, good, "mail.example.org");
		struct pair *pair = pair_new(client, bad, "mail.example.org", ticket, &whole);
		struct tls_info info;

		shake(pair, &whole);
		tls_session_info(pair->client.session, &info);
		CHECK(!info.resumed && !info.verified);
		CHECK(!tls_session_evidence(pair->client.session)->verified);
		pair_free(pair);
		tls_ticket_free(ticket);
		tls_context_free(client);
		tls_context_free(good);
		tls_context_free(bad);
	}
}

/* That of a context that only looks is none for one that verifies, nor the other way round. */
static void test_POL_01_tickets_stay_with_their_policy(void)
{
	for (int v = ONLY_12; v <= ONLY_13; v++) {
		struct tls_context *server = server_context(ANY, "server", NULL);
		struct tls_context *looks = observer(v, "ca.crt"), *verifies = client_context(v, "ca.crt", NULL);
		struct tls_context *from[2] = {looks, verifies};

		for (int i = 0; i < 2; i++) {
			struct tls_ticket *ticket = ticket_of(from[i], server, "localhost");
			struct pair *pair = pair_new(from[1 - i], server, "localhost", ticket, &whole);
			struct tls_info info;

			shake(pair, &whole);
			tls_session_info(pair->client.session, &info);
			CHECK(!info.resumed);
			pair_free(pair);
			tls_ticket_free(ticket);
		}
		tls_context_free(looks);
		tls_context_free(verifies);
		tls_context_free(server);
	}
}

static void test_fingerprints(void)
{
	struct tls_evidence evidence = {.known = true};
	char certificate[TLS_FINGERPRINT_TEXT], key[TLS_FINGERPRINT_TEXT];

	for (int i = 0; i < TLS_FINGERPRINT_SIZE; i++) {
		evidence.certificate[i] = (uint8_t)(i * 7);
		evidence.key[i] = (uint8_t)(0xff - i);
	}
	tls_fingerprint_text(evidence.certificate, certificate);
	tls_fingerprint_text(evidence.key, key);
	CHECK(tls_evidence_is(&evidence, certificate));
	CHECK(tls_evidence_is(&evidence, key));
	key[TLS_FINGERPRINT_TEXT - 2] ^= 1;
	CHECK(!tls_evidence_is(&evidence, key));
	CHECK(!tls_evidence_is(&evidence, "sha256:"));
	CHECK(!tls_evidence_is(&evidence, ""));
	evidence.known = false;
	CHECK(!tls_evidence_is(&evidence, certificate));
	/* What is not known is not the fingerprint of zeros. */
	memset(&evidence, 0, sizeof(evidence));
	tls_fingerprint_text(evidence.certificate, certificate);
	CHECK(!tls_evidence_is(&evidence, certificate));
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: test_tls_evidence CERTIFICATES-DIRECTORY\n");
		return 64;
	}
	directory = argv[1];
	tls_global_init();
	RUN(test_CRT_01_names_that_are_noted);
	RUN(test_CRT_02_chains_that_are_noted);
	RUN(test_CRT_02_no_authorities);
	RUN(test_POL_01_tickets_carry_the_result);
	RUN(test_POL_01_a_refused_ticket_proves_nothing);
	RUN(test_POL_01_tickets_stay_with_their_policy);
	RUN(test_fingerprints);
	tls_thread_end();
	return check_end();
}
