/*
 * tests/unit/test_tls_path.c - which chains are accepted: paths to an anchor (tls/certificate.h), by themselves and in
 * handshakes. A valid path exists or it does not; order, surplus and cross signatures do not matter (RFC 8446 4.4.2).
 *
 * Usage: test_tls_path CERTIFICATES-DIRECTORY CHAINS-DIRECTORY (made by tests/certificates.sh and tests/chains.sh).
 */
#include "tests/unit/check.h"
#include "tests/unit/tls_pair.h"
#include "tls/certificate.h"
#include "tls/internal.h"

#include <time.h>
#include <unistd.h>
#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

static const char *chains;

/* The PEM of the certificates that `names` lists. */
static char *bundle(const char *names, size_t *length)
{
	char *pem = calloc(1, 1 << 17), copy[256], file[512], *rest, *name;

	snprintf(copy, sizeof(copy), "%s", names);
	*length = 0;
	for (name = strtok_r(copy, " ", &rest); name != NULL; name = strtok_r(NULL, " ", &rest)) {
		snprintf(file, sizeof(file), "%s/%s.crt", chains, name);
		FILE *in = fopen(file, "re");
		if (in == NULL || pem == NULL) {
			perror(file);
			exit(1);
		}
		*length += fread(pem + *length, 1, (1 << 17) - *length, in);
		fclose(in);
	}
	return pem;
}

static struct anchors *load(const char *names)
{
	size_t length;
	char *pem = bundle(names, &length);
	struct anchors *anchors = anchors_new(pem, length);

	free(pem);
	CHECK(anchors != NULL && anchors->damaged == 0);
	return anchors;
}

static const struct {
	const char *trust, *sent;
	int expected; /* 0, or wolfSSL's number */
} cases[] = {
	{"root", "leaf middle", 0},
	{"root", "leaf middle cross", 0},                /* the root once more, signed by one that is not known */
	{"root", "leaf middle cross-dead", 0},           /* by one that has expired */
	{"root dead-root", "leaf middle cross-dead", 0}, /* and is still in the store */
	{"dead-root root", "leaf middle cross-dead", 0},
	{"root old-root", "leaf middle cross-ended", 0}, /* the cross signature has expired */
	{"root", "leaf cross middle", 0},
	{"root", "leaf middle stranger", 0}, /* what has nothing to do with it */
	{"root", "leaf stranger middle", 0},
	{"root", "leaf middle root", 0},
	{"root", "leaf root middle", 0},
	{"root", "leaf2 middle middle2", 0}, /* the wrong order */
	{"root", "leaf2 middle2 middle", 0},
	{"root", "leaf middle middle", 0},
	{"root", "leaf leaf middle", 0},
	{"root", "leaf middle-ended middle", 0}, /* two certificates of one authority */
	{"root", "leaf middle-cross middle", 0},
	{"root", "leaf impostor middle impostor-middle", 0}, /* the same names with other keys */
	{"impostor root", "leaf middle", 0},
	{"old-root", "leaf middle cross", 0},
	{"old-root", "leaf middle-cross", 0},
	{"middle", "leaf", 0}, /* an authority that is no root, as the anchor */
	{"middle", "leaf middle root", 0},
	{"leaf", "leaf", 0}, /* the peer's own certificate */
	{"pinned", "pinned", 0},
	{"root", "plain middle", 0},
	{"root", "odd-not-critical middle", 0},
	{"root", "rsa-leaf rsa-middle", 0},
	{"root", "root-leaf", 0},
	{"root", "depth0-leaf depth0", 0},
	{"root", "inside constrained", 0},
	{"root", "inside-otherwise constrained-otherwise", 0},

	{"root", "leaf", ASN_NO_SIGNER_E},
	{"root", "leaf2 middle", ASN_NO_SIGNER_E},
	{"old-root", "leaf middle root", ASN_NO_SIGNER_E},
	{"dead-root", "leaf middle cross-dead", ASN_AFTER_DATE_E},
	{"old-root", "leaf middle cross-ended", ASN_AFTER_DATE_E},
	{"root", "pinned", ASN_SELF_SIGNED_E},
	{"root", "impostor-leaf impostor", ASN_SIG_CONFIRM_E},
	{"root", "leaf impostor-middle", ASN_NO_SIGNER_E},
	{"impostor", "leaf middle", ASN_NO_SIGNER_E},
	{"root", "ended middle", ASN_AFTER_DATE_E},
	{"ended", "ended", ASN_AFTER_DATE_E}, /* an anchor, too, ends */
	{"root", "early middle", ASN_BEFORE_DATE_E},
	{"root", "by-ended ended-middle", ASN_AFTER_DATE_E},
	{"root", "client middle", EXTKEYUSE_AUTH_E},
	{"root", "by-clients clients", EXTKEYUSE_AUTH_E},
	{"root", "no-signature middle", KEYUSAGE_E},
	{"root", "by-leaf leaf middle", NOT_CA_ERROR},
	{"leaf", "by-leaf", NOT_CA_ERROR}, /* an anchor without authority issues nothing */
	{"root", "by-no-sign no-sign", KEYUSAGE_E},
	{"no-sign", "by-no-sign", KEYUSAGE_E},
	{"root", "too-deep-leaf too-deep depth0", ASN_PATHLEN_INV_E},
	{"root", "odd middle", ASN_CRIT_EXT_E},
	{"root", "by-odd odd-authority", ASN_CRIT_EXT_E},
	{"root", "weak middle", RSA_KEY_SIZE_E},
	{"root", "by-weak weak-middle", RSA_KEY_SIZE_E},
	{"weak-middle", "by-weak", RSA_KEY_SIZE_E},
	{"root", "sha1 middle", ASN_SIG_HASH_E},
	{"root", "outside constrained", ASN_NAME_INVALID_E},
	{"root", "excluded constrained", ASN_NAME_INVALID_E},
	{"root", "wild constrained", ASN_NAME_INVALID_E}, /* it stands for secret.example.org, too */
	{"root", "no-names constrained", ASN_NAME_INVALID_E},
	{"root", "below-outside below constrained", ASN_NAME_INVALID_E},
	{"constrained", "outside", ASN_NAME_INVALID_E},
	{"root", "loop-leaf loop1 loop2 loop3 loop4 loop5 loop6 loop7 loop8", ASN_SIG_CONFIRM_E},
};

#define SIXTY "123456789012345678901234567890123456789012345678901234567890"

/* What `postrider check` says of a certificate. */
static const struct {
	const char *name, *subject, *names;
	bool named; /* for mail.example.org */
} texts[] = {
	{"root", "CN=New Root", "New Root", false},
	{"leaf", "CN=mail.example.org", "localhost, mail.example.org", true},
	{"wild", "CN=example.org", "*.example.org", true},
	{"no-names", "CN=evil.example.com", "evil.example.com", false},
	{"addresses", "CN=mail.example.org, C=DE, O=A \"Company\", ?=x, OU=One, OU=Two", "192.0.2.1, 2001:db8::1",
	 false},
	{"nobody", "O=Nobody", "", false},
	{"long", "CN=mail.example.org, OU=" SIXTY ", OU=" SIXTY ", OU=" SIXTY ", OU=...", "mail.example.org", true},
};

static void test_descriptions(void)
{
	char file[512];
	size_t count;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		snprintf(file, sizeof(file), "%s/%s.crt", chains, texts[i].name);
		struct tls_certificate_text *text = tls_certificates_read(file, "mail.example.org", &count);
		CHECK_EQ(count, 1);
		CHECK_STR(text->subject, texts[i].subject);
		CHECK_STR(text->names, texts[i].names);
		CHECK_EQ(text->named, texts[i].named);
		free(text);
	}
}

static int path_of(const char *trust, const char *names, unsigned *checks)
{
	struct anchors *anchors = load(trust), *sent = load(names);
	struct span spans[PATH_SENT_MAX];
	struct path_request request = {.sent = spans, .sent_count = sent->count, .anchors = anchors, .now = time(NULL)};

	request.purpose = PURPOSE_SERVER;
	for (size_t i = 0; i < sent->count; i++)
		spans[i] = sent->items[i].der;
	int error = path_verify(&request, checks);
	anchors_free(anchors);
	anchors_free(sent);
	return error;
}

static void test_paths(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int before = check_failures;
		unsigned checks = 0;
		CHECK_EQ(path_of(cases[i].trust, cases[i].sent, &checks), cases[i].expected);
		CHECK(checks <= PATH_CHECKS_MAX);
		if (check_failures != before)
			fprintf(stderr, "  trust %s; sent %s\n", cases[i].trust, cases[i].sent);
	}
}

/* CRT-02: who need not verify it comes to the same result, and goes on; but for what the library does not take from
 * anybody. */
static void observe(struct tls_context *server, const char *trust, int expected, const char *sent)
{
	struct tls_context *client = make((struct tls_context_config){.observe_peer = true, .ca_file = trust});
	struct pair *pair = pair_new(client, server, "localhost", NULL, &whole);

	if (handshake(pair, &whole)) {
		const struct tls_evidence *evidence = tls_session_evidence(pair->client.session);
		CHECK(evidence->known);
		CHECK_EQ(evidence->verified, expected == 0);
		CHECK_EQ(evidence->trouble, expected);
	} else {
		CHECK(strncmp(sent, "odd ", 4) == 0 || strncmp(sent, "by-odd ", 7) == 0);
	}
	pair_free(pair);
	tls_context_free(client);
}

/* The same in handshakes, where wolfSSL has its own opinion on each certificate that comes. */
static void test_handshakes(void)
{
	char trust[512], sent[512], key[512];

	snprintf(trust, sizeof(trust), "%s/.trust.%d", chains, (int)getpid());
	snprintf(sent, sizeof(sent), "%s/.sent.%d", chains, (int)getpid());
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		int before = check_failures;
		const char *names[2] = {cases[i / 2].trust, cases[i / 2].sent}, *files[2] = {trust, sent};

		for (int j = 0; j < 2; j++) {
			size_t length;
			char *pem = bundle(names[j], &length);
			FILE *file = fopen(files[j], "we");
			CHECK(file != NULL && fwrite(pem, 1, length, file) == length && fclose(file) == 0);
			free(pem);
		}
		snprintf(key, sizeof(key), "%s/%.*s.key", chains, (int)strcspn(names[1], " "), names[1]);
		if (strcmp(names[0], "ended") == 0 || strcmp(names[0], "dead-root") == 0)
			continue;                             /* No context is made of anchors that have all expired. */
		bool odd = strncmp(names[1], "odd ", 4) == 0; /* Our server would not have it. */
		struct tls_context *server = make((struct tls_context_config){
			.server = true,
			.certificate_file = odd ? path("server.crt") : sent,
			.private_key_file = odd ? path("server.key") : key,
		});
		if (odd) {
			CHECK_EQ(wolfSSL_CTX_use_certificate_chain_file(server->wolf, sent), WOLFSSL_SUCCESS);
			CHECK_EQ(wolfSSL_CTX_use_PrivateKey_file(server->wolf, key, WOLFSSL_FILETYPE_PEM),
				 WOLFSSL_SUCCESS);
		}
		struct tls_context *client = make((struct tls_context_config){
			.verify_peer = true, .ca_file = trust, .tls12_only = i % 2 == 0, .tls13_only = i % 2 == 1});
		struct pair *pair = pair_new(client, server, "localhost", NULL, &whole);
		CHECK_EQ(handshake(pair, &whole), cases[i / 2].expected == 0);
		const char *text = tls_error_text(pair->client.session);
		if (cases[i / 2].expected != 0) {
			CHECK_EQ(tls_handshake(pair->client.session), TLS_FAILED);
			CHECK(strncmp(text, "certificate verify failed", 25) == 0);
			const char *heard = tls_error_text(pair->server.session);
			CHECK(strncmp(heard, "peer sent alert", 15) == 0 ||
			      strncmp(heard, "peer ended the handshake", 24) == 0);
		}
		if (check_failures != before)
			fprintf(stderr, "  trust %s; sent %s; TLS 1.%zu: %s; %s\n", names[0], names[1], 2 + i % 2, text,
				tls_error_text(pair->server.session));
		pair_free(pair);
		tls_context_free(client);
		observe(server, trust, cases[i / 2].expected, names[1]);
		tls_context_free(server);
	}
	unlink(trust);
	unlink(sent);
}

/* Handshakes leave nothing in a context: what one peer sent does not help the next, good or bad. */
static void test_nothing_stays(void)
{
	char root[512], full[512], key[512], leaf[512];

	snprintf(root, sizeof(root), "%s/root.crt", chains);
	snprintf(full, sizeof(full), "%s/.full.%d", chains, (int)getpid());
	snprintf(leaf, sizeof(leaf), "%s/leaf.crt", chains);
	snprintf(key, sizeof(key), "%s/leaf.key", chains);
	size_t length;
	char *pem = bundle("leaf middle", &length);
	FILE *file = fopen(full, "we");
	CHECK(file != NULL && fwrite(pem, 1, length, file) == length && fclose(file) == 0);
	free(pem);
	for (int v = ONLY_12; v <= ONLY_13; v++) {
		struct tls_context *client = make((struct tls_context_config){
			.verify_peer = true, .ca_file = root, .tls12_only = v == ONLY_12, .tls13_only = v == ONLY_13});
		for (int i = 0; i < 3; i++) {
			struct tls_context *server = make((struct tls_context_config){
				.server = true, .certificate_file = i == 1 ? full : leaf, .private_key_file = key});
			struct pair *pair = pair_new(client, server, "localhost", NULL, &whole);
			CHECK_EQ(handshake(pair, &whole), i == 1);
			pair_free(pair);
			tls_context_free(server);
		}
		tls_context_free(client);
	}
	unlink(full);
}

/* Every octet of a valid chain's certificates damaged in each bit: none is accepted, not even where nothing is signed,
 * such as the number of unused bits in front of the signature. */
static void test_damage(void)
{
	struct anchors *anchors = load("root"), *sent = load("root-leaf");
	struct span der = sent->items[0].der;
	uint8_t *copy = malloc(der.length);
	struct span span = {copy, der.length};
	struct path_request request = {
		.sent = &span, .sent_count = 1, .anchors = anchors, .purpose = PURPOSE_SERVER, .now = time(NULL)};

	for (size_t i = 0; i < der.length; i++) {
		for (unsigned mask = 1; mask < 256; mask <<= 1) {
			memcpy(copy, der.at, der.length);
			copy[i] ^= (uint8_t)mask;
			CHECK(path_verify(&request, NULL) != 0);
		}
		span.length = i;
		CHECK(path_verify(&request, NULL) != 0);
		span.length = der.length;
	}
	free(copy);
	anchors_free(anchors);
	anchors_free(sent);
}

static void test_certificate(void)
{
	struct anchors *all = load("root leaf depth0 client constrained rsa-leaf weak sha1 plain odd");
	const struct certificate *c = all->items;

	CHECK(c[0].authority && c[0].usages == KEY_USAGE_CERT_SIGN && c[0].path_length == -1);
	CHECK(span_equal(c[0].issuer, c[0].subject) && c[0].version == 3);
	CHECK_EQ(c[0].not_before, 1577836800); /* 2020-01-01 */
	CHECK_EQ(c[0].not_after, 2524607999);  /* 2049-12-31 23:59:59 */
	CHECK(!c[1].authority && c[1].purposes == PURPOSE_SERVER && c[1].usages == KEY_USAGE_SIGNATURE);
	CHECK(!c[1].weak_key && !c[1].weak_signature && !c[1].unknown_critical);
	CHECK_EQ(c[2].path_length, 0);
	CHECK_EQ(c[3].purposes, PURPOSE_CLIENT);
	CHECK(c[4].name_constraints.length > 0 && c[0].name_constraints.length == 0);
	CHECK(!c[5].weak_key && c[6].weak_key && c[7].weak_signature && !c[7].weak_key);
	CHECK(c[8].purposes == (PURPOSE_SERVER | PURPOSE_CLIENT) && !c[8].has_basic_constraints);
	CHECK(c[9].unknown_critical);
	anchors_free(all);
}

/* The signature's number of unused bits stands outside of what is signed: none but 0 is a certificate. */
static void test_unused_bits(void)
{
	struct anchors *all = load("root-leaf rsa-leaf");

	for (size_t i = 0; i < all->count; i++) {
		struct span der = all->items[i].der, in = der, body, content, element;
		struct certificate certificate;
		uint8_t tag, *copy = malloc(der.length);

		CHECK(der_take(&in, &tag, &body, &element));
		for (int j = 0; j < 3; j++)
			CHECK(der_take(&body, &tag, &content, &element));
		memcpy(copy, der.at, der.length);
		for (unsigned unused = 0; unused < 256; unused++) {
			copy[content.at - der.at] = (uint8_t)unused;
			CHECK_EQ(certificate_parse(&certificate, copy, der.length), unused == 0);
		}
		free(copy);
	}
	anchors_free(all);
}

static void test_der(void)
{
	static const struct {
		const char *octets;
		size_t length;
		bool good;
		size_t content;
	} table[] = {
		{"\x04\x00", 2, true, 0},
		{"\x04\x02hi", 4, true, 2},
		{"\x04\x02h", 3, false, 0},
		{"\x04", 1, false, 0},
		{"", 0, false, 0},
		{"\x04\x80", 2, false, 0},       /* indefinite */
		{"\x04\x81\x02hi", 5, false, 0}, /* longer than need be */
		{"\x04\x82\x00\x02hi", 6, false, 0},
		{"\x04\x84\x01\x00\x00\x00", 6, false, 0},
		{"\x04\x82\xff\xff", 4, false, 0},
		{"\x1f\x01\x00", 3, false, 0}, /* a tag of several octets */
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct span in = {(const uint8_t *)table[i].octets, table[i].length}, content, whole_element;
		uint8_t tag;
		bool good = der_take(&in, &tag, &content, &whole_element);
		CHECK_EQ(good, table[i].good);
		if (good)
			CHECK_EQ(content.length, table[i].content);
	}
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: %s CERTIFICATES-DIRECTORY CHAINS-DIRECTORY\n", argv[0]);
		return 64;
	}
	directory = argv[1];
	chains = argv[2];
	setvbuf(stdout, NULL, _IOLBF, 0);
	tls_global_init();
	RUN(test_der);
	RUN(test_certificate);
	RUN(test_unused_bits);
	RUN(test_descriptions);
	RUN(test_paths);
	RUN(test_handshakes);
	RUN(test_nothing_stays);
	RUN(test_damage);
	return check_end();
}
