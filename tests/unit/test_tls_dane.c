/*
 * tests/unit/test_tls_dane.c - TLSA records against what a host shows (tls/dane.h): by themselves, and in handshakes.
 * RELIABILITY DANE-01, as far as it is about certificates; CRT-01 and CRT-02 with an authority that the DNS names.
 *
 * Usage: test_tls_dane CERTIFICATES-DIRECTORY CHAINS-DIRECTORY (made by tests/certificates.sh and tests/chains.sh).
 */
#include "tests/unit/check.h"
#include "tests/unit/tls_pair.h"
#include "tls/certificate.h"
#include "tls/internal.h"

#include <time.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/sha256.h>
#include <wolfssl/wolfcrypt/sha512.h>

enum { BLOCK_MAX = 16384 };

static const char *chains;

static size_t read_file(const char *name, const char *end, uint8_t *out, size_t size)
{
	char file[512];

	snprintf(file, sizeof(file), "%s/%s.%s", chains, name, end);
	FILE *in = fopen(file, "re");
	if (in == NULL) {
		perror(file);
		exit(1);
	}
	size_t n = fread(out, 1, size, in);
	fclose(in);
	return n;
}

/* Certificates by name, each once; the DER stays. */
static struct span certificate(const char *name)
{
	static struct {
		char name[40];
		struct anchors *anchors;
	} known[64];
	static char pem[1 << 16];
	size_t i;

	for (i = 0; i < 64 && known[i].anchors != NULL; i++) {
		if (strcmp(known[i].name, name) == 0)
			return known[i].anchors->items[0].der;
	}
	size_t length = read_file(name, "crt", (uint8_t *)pem, sizeof(pem));
	snprintf(known[i].name, sizeof(known[i].name), "%s", name);
	known[i].anchors = anchors_new(pem, length);
	CHECK(known[i].anchors != NULL && known[i].anchors->count == 1);
	return known[i].anchors->items[0].der;
}

static size_t certificates_of(const char *names, struct span *out)
{
	char copy[256], *rest, *name;
	size_t count = 0;

	snprintf(copy, sizeof(copy), "%s", names);
	for (name = strtok_r(copy, " ", &rest); name != NULL; name = strtok_r(NULL, " ", &rest))
		out[count++] = certificate(name);
	return count;
}

/* What a record of that selector and matching type says of a certificate; the key as openssl has written it, where it
 * has. */
static size_t association(unsigned selector, unsigned matching, const char *name, uint8_t *out)
{
	static uint8_t data[8192];
	size_t length;

	if (selector == 0) {
		struct span der = certificate(name);
		memcpy(data, der.at, der.length);
		length = der.length;
	} else {
		length = read_file(name, "spki", data, sizeof(data));
	}
	switch (matching) {
	case 1:
		wc_Sha256Hash(data, (word32)length, out);
		return WC_SHA256_DIGEST_SIZE;
	case 2:
		wc_Sha512Hash(data, (word32)length, out);
		return WC_SHA512_DIGEST_SIZE;
	default:
		memcpy(out, data, length);
		return length;
	}
}

static void add(uint8_t *block, size_t *length, unsigned usage, unsigned selector, unsigned matching, const void *data,
		size_t n)
{
	uint8_t *at = block + *length;

	at[0] = (uint8_t)((n + 3) >> 8);
	at[1] = (uint8_t)(n + 3);
	at[2] = (uint8_t)usage;
	at[3] = (uint8_t)selector;
	at[4] = (uint8_t)matching;
	memcpy(at + 5, data, n);
	*length += 5 + n;
}

/* "3 1 1 leaf; 2 0 1 middle"; "-leaf": a digest that is not its own, "+leaf": one that is an octet too long. */
static size_t records_of(const char *text, uint8_t *block)
{
	static uint8_t data[8192];
	char copy[256], *rest, *one;
	size_t length = 0;

	snprintf(copy, sizeof(copy), "%s", text);
	for (one = strtok_r(copy, ";", &rest); one != NULL; one = strtok_r(NULL, ";", &rest)) {
		unsigned usage, selector, matching;
		char name[40];
		CHECK_EQ(sscanf(one, "%u %u %u %39s", &usage, &selector, &matching, name), 4);
		const char *of = name[0] == '-' || name[0] == '+' ? name + 1 : name;
		size_t n = association(selector < 2 ? selector : 0, matching < 3 ? matching : 0, of, data);
		data[n] = 0;
		data[n - 1] ^= name[0] == '-';
		add(block, &length, usage, selector, matching, data, n + (name[0] == '+'));
	}
	return length;
}

static const struct {
	const char *records, *sent;
	const char *names; /* "mail.example.org" where empty */
	enum tls_dane_result expected;
	int error;
} cases[] = {
	/* What is published most, and each way to say it. */
	{"3 1 1 leaf", "leaf middle", "", TLS_DANE_EE, 0},
	{"3 1 2 leaf", "leaf middle", "", TLS_DANE_EE, 0},
	{"3 0 1 leaf", "leaf middle", "", TLS_DANE_EE, 0},
	{"3 0 2 leaf", "leaf", "", TLS_DANE_EE, 0},
	{"3 0 0 leaf", "leaf", "", TLS_DANE_EE, 0},
	{"3 1 0 leaf", "leaf", "", TLS_DANE_EE, 0},
	{"2 1 1 middle", "leaf middle", "", TLS_DANE_TA, 0},
	{"2 0 1 middle", "leaf middle root", "", TLS_DANE_TA, 0},
	{"2 0 2 middle", "leaf middle", "", TLS_DANE_TA, 0},
	{"2 1 0 middle", "leaf middle", "", TLS_DANE_TA, 0},
	{"2 1 1 root", "leaf middle root", "", TLS_DANE_TA, 0},
	{"2 1 1 root", "leaf2 middle2 middle root", "", TLS_DANE_TA, 0},
	{"2 0 0 root", "leaf middle", "", TLS_DANE_TA, 0}, /* the record carries it, the host does not */
	{"2 0 0 middle", "leaf", "", TLS_DANE_TA, 0},
	{"2 0 0 root", "leaf middle root", "", TLS_DANE_TA, 0},
	{"2 1 1 middle", "leaf root middle", "", TLS_DANE_TA, 0}, /* in another order, and more than is needed */
	{"2 1 1 middle", "leaf stranger middle", "", TLS_DANE_TA, 0},
	/* All kinds of key are compared as they stand. */
	{"3 1 1 rsa-leaf", "rsa-leaf", "", TLS_DANE_EE, 0},
	{"3 1 0 rsa-leaf", "rsa-leaf", "", TLS_DANE_EE, 0},
	{"3 1 1 ed-leaf", "ed-leaf", "", TLS_DANE_EE, 0},
	{"3 1 1 p384-leaf", "p384-leaf", "", TLS_DANE_EE, 0},
	/* DANE-EE minds neither dates, names, purposes, strength, nor who signed it (RFC 7671 5.1). */
	{"3 0 1 ended", "ended", "", TLS_DANE_EE, 0},
	{"3 0 1 early", "early", "", TLS_DANE_EE, 0},
	{"3 0 1 pinned", "pinned", "", TLS_DANE_EE, 0},
	{"3 0 1 client", "client", "", TLS_DANE_EE, 0},
	{"3 1 1 weak", "weak", "", TLS_DANE_EE, 0},
	{"3 1 1 odd", "odd", "", TLS_DANE_EE, 0},
	{"3 1 1 leaf", "leaf", "other.example.net", TLS_DANE_EE, 0},
	/* Nothing of it is what was shown, or not where it counts. */
	{"3 1 1 -leaf", "leaf middle", "", TLS_DANE_NO_MATCH, 0},
	{"3 1 1 middle", "leaf middle", "", TLS_DANE_NO_MATCH, 0}, /* it is not the host's own */
	{"2 1 1 leaf", "leaf middle", "", TLS_DANE_NO_MATCH, 0},   /* which is no authority */
	{"2 0 0 leaf", "leaf middle", "", TLS_DANE_NO_MATCH, 0},
	{"2 0 1 pinned", "pinned", "", TLS_DANE_NO_MATCH, 0},
	{"2 0 1 pinned", "pinned pinned", "", TLS_DANE_NO_MATCH, 0},
	{"2 1 1 root", "leaf middle", "", TLS_DANE_NO_MATCH, 0}, /* a digest is no certificate to build on */
	{"2 1 0 root", "leaf middle", "", TLS_DANE_NO_MATCH, 0},
	{"3 1 1 leaf", "", "", TLS_DANE_NO_MATCH, 0},
	{"2 1 1 -middle", "leaf middle", "", TLS_DANE_NO_MATCH, 0},
	/* Usages 0 and 1 are not for mail, and what cannot be read is not there. */
	{"1 1 1 leaf; 0 1 1 root", "leaf middle root", "", TLS_DANE_NO_MATCH, 0},
	{"4 1 1 leaf; 255 1 1 leaf", "leaf middle root", "", TLS_DANE_NO_MATCH, 0},
	{"3 2 0 leaf", "leaf", "", TLS_DANE_NO_MATCH, 0},
	{"3 0 3 leaf", "leaf", "", TLS_DANE_NO_MATCH, 0},
	{"3 1 1 +leaf", "leaf", "", TLS_DANE_NO_MATCH, 0},
	{"3 0 0 +leaf", "leaf", "", TLS_DANE_NO_MATCH, 0},
	{"1 1 1 leaf; 3 1 1 leaf", "leaf", "", TLS_DANE_EE, 0},
	/* Several: any one will do; a new key is announced beside the old. */
	{"3 1 1 leaf2; 3 1 1 leaf", "leaf", "", TLS_DANE_EE, 0},
	{"3 1 1 leaf; 3 1 1 leaf2", "leaf", "", TLS_DANE_EE, 0},
	{"3 1 1 -leaf; 2 1 1 middle", "leaf middle", "", TLS_DANE_TA, 0},
	{"2 1 1 middle; 3 1 1 leaf", "leaf middle", "other.example.net", TLS_DANE_EE, 0},
	{"2 1 1 root; 2 1 1 middle", "leaf middle", "", TLS_DANE_TA, 0},
	/* Of digests for one usage and selector the strongest counts (RFC 7671 9). */
	{"3 1 1 leaf; 3 1 2 -leaf", "leaf", "", TLS_DANE_NO_MATCH, 0},
	{"3 1 2 leaf; 3 1 1 -leaf", "leaf", "", TLS_DANE_EE, 0},
	{"3 1 1 leaf; 3 0 2 -leaf", "leaf", "", TLS_DANE_EE, 0},
	{"3 1 1 leaf; 2 1 2 middle", "leaf", "", TLS_DANE_EE, 0},
	{"3 1 1 leaf; 3 1 2 +leaf", "leaf", "", TLS_DANE_EE, 0}, /* one that cannot be read is no stronger one */
	{"3 1 0 leaf; 3 1 2 -leaf", "leaf", "", TLS_DANE_EE, 0}, /* the whole is no digest */
	{"2 1 1 middle; 2 1 2 -middle", "leaf middle", "", TLS_DANE_NO_MATCH, 0},
	/* With DANE-TA the certificate must be for the host. */
	{"2 1 1 middle", "leaf middle", "other.example.net", TLS_DANE_NO_NAME, 0},
	{"2 1 1 middle", "leaf middle", "other.example.net example.org mail.example.org", TLS_DANE_TA, 0},
	{"2 1 1 middle", "leaf middle", "other.example.net example.org", TLS_DANE_NO_NAME, 0},
	{"2 1 1 middle", "leaf middle", "MAIL.example.org.", TLS_DANE_TA, 0},
	/* And the path must be good: dates, who may issue, how deep, for which purpose, how strong. */
	{"2 1 1 middle", "ended middle", "", TLS_DANE_EXPIRED, ASN_AFTER_DATE_E},
	{"2 1 1 middle", "early middle", "", TLS_DANE_NO_PATH, ASN_BEFORE_DATE_E},
	{"2 0 1 ended-middle", "by-ended ended-middle", "", TLS_DANE_EXPIRED, ASN_AFTER_DATE_E},
	{"2 1 1 middle", "client middle", "", TLS_DANE_NO_PATH, EXTKEYUSE_AUTH_E},
	{"2 0 1 leaf", "by-leaf leaf middle", "", TLS_DANE_NO_PATH, NOT_CA_ERROR},
	{"2 0 0 leaf", "by-leaf", "", TLS_DANE_NO_PATH, NOT_CA_ERROR},
	{"2 1 1 root", "by-leaf leaf middle root", "", TLS_DANE_NO_PATH, NOT_CA_ERROR},
	{"2 0 1 no-sign", "by-no-sign no-sign", "", TLS_DANE_NO_PATH, KEYUSAGE_E},
	{"2 0 1 depth0", "too-deep-leaf too-deep depth0", "", TLS_DANE_NO_PATH, ASN_PATHLEN_INV_E},
	{"2 0 1 depth0", "depth0-leaf depth0", "", TLS_DANE_TA, 0},
	{"2 0 1 too-deep", "too-deep-leaf too-deep depth0", "", TLS_DANE_TA, 0}, /* above it nothing counts */
	{"2 0 1 impostor", "leaf impostor middle", "", TLS_DANE_NO_PATH, ASN_NO_SIGNER_E},
	{"2 0 1 impostor-middle", "leaf impostor-middle", "", TLS_DANE_NO_PATH, ASN_NO_SIGNER_E},
	{"2 1 1 middle", "weak middle", "", TLS_DANE_NO_PATH, RSA_KEY_SIZE_E},
	{"2 1 1 middle", "sha1 middle", "", TLS_DANE_NO_PATH, ASN_SIG_HASH_E},
	{"2 0 1 constrained", "outside constrained", "", TLS_DANE_NO_PATH, ASN_NAME_INVALID_E},
	{"2 0 1 stranger", "leaf middle stranger", "", TLS_DANE_NO_PATH, ASN_NO_SIGNER_E},
};

static void names_of(const char *text, char copy[256], struct tls_tlsa *dane)
{
	char *rest, *name;
	size_t count = 0;

	snprintf(copy, 256, "%s", text[0] ? text : "mail.example.org");
	for (name = strtok_r(copy, " ", &rest); name != NULL; name = strtok_r(NULL, " ", &rest))
		dane->names[count++] = name;
}

static void test_records(void)
{
	static uint8_t block[BLOCK_MAX];
	struct span sent[PATH_SENT_MAX];
	char copy[256];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int before = check_failures, error = 0;
		struct tls_tlsa dane = {.records = block, .length = records_of(cases[i].records, block)};
		names_of(cases[i].names, copy, &dane);
		size_t count = certificates_of(cases[i].sent, sent);
		CHECK_EQ(dane_check(sent, count, &dane, time(NULL), &error), cases[i].expected);
		if (cases[i].expected == TLS_DANE_NO_PATH || cases[i].expected == TLS_DANE_EXPIRED)
			CHECK_EQ(error, cases[i].error);
		if (check_failures != before)
			fprintf(stderr, "  %s: %s\n", cases[i].records, cases[i].sent);
	}
}

static void test_usable(void)
{
	static const struct {
		const char *records;
		unsigned usable;
	} table[] = {
		{"3 1 1 leaf", 1},
		{"0 1 1 leaf; 1 0 1 leaf", 0}, /* TLS, but nothing to prove (RFC 7672 2.2) */
		{"1 1 1 leaf; 2 1 1 leaf; 3 0 0 leaf", 2},
		{"3 1 1 +leaf; 3 1 2 +leaf; 3 0 0 +leaf", 0},
		{"3 2 1 leaf; 3 1 3 leaf; 4 1 1 leaf", 0},
	};
	static uint8_t block[BLOCK_MAX];

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		CHECK_EQ(tls_dane_usable(block, records_of(table[i].records, block)), table[i].usable);
	CHECK_EQ(tls_dane_usable(block, 0), 0);
	/* Cut anywhere, a block has no record more than before. */
	size_t length = records_of("3 1 1 leaf; 3 1 2 leaf", block);
	for (size_t n = 0; n < length; n++)
		CHECK_EQ(tls_dane_usable(block, n), n >= 2 + 3 + WC_SHA256_DIGEST_SIZE);
	/* Records too short to be any do not end the block. */
	size_t at = 0;
	memcpy(block, "\0\0\0\2\3\1", 6);
	at = 6;
	add(block, &at, 3, 1, 1, "0123456789abcdef0123456789abcdef", WC_SHA256_DIGEST_SIZE);
	CHECK_EQ(tls_dane_usable(block, at), 1);
}

/* In any certificate that is cut or changed the walk stays within, and says nothing rather than something else. */
static void test_key(void)
{
	static const char *const names[] = {"leaf", "rsa-leaf", "ed-leaf", "p384-leaf", "weak", "odd", "root"};
	uint8_t key[1024], copy[4096];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct span der = certificate(names[i]), found = dane_key(der);
		size_t length = read_file(names[i], "spki", key, sizeof(key));
		CHECK(span_equal(found, (struct span){key, length}));
		for (size_t n = 0; n < der.length; n++)
			CHECK_EQ(dane_key((struct span){der.at, n}).length, 0);
		for (size_t n = 0; n < der.length && der.length <= sizeof(copy); n++) {
			memcpy(copy, der.at, der.length);
			copy[n] ^= 0xff;
			found = dane_key((struct span){copy, der.length});
			CHECK(found.length == 0 || (found.at >= copy && found.at + found.length <= copy + der.length));
		}
	}
}

/* What is judged after a handshake that nobody else verifies. */
static void test_handshakes(void)
{
	static const struct {
		const char *records, *name, *text;
		enum tls_dane_result expected;
	} table[] = {
		{"3 1 1 leaf", "mail.example.org", "", TLS_DANE_EE},
		{"2 1 1 middle", "mail.example.org", "", TLS_DANE_TA},
		{"2 1 1 middle", "other.example.net", "certificate name mismatch: expected other.example.net",
		 TLS_DANE_NO_NAME},
		{"3 1 1 leaf2", "mail.example.org", "none of its certificates is one that its TLSA records name",
		 TLS_DANE_NO_MATCH},
		{"2 0 1 middle", "mail.example.org", "", TLS_DANE_TA},
	};
	static uint8_t block[BLOCK_MAX];
	char file[512], key[512], text[TLS_DANE_TEXT];
	static char pem[1 << 16];

	snprintf(file, sizeof(file), "%s/.dane.%d", chains, (int)getpid());
	snprintf(key, sizeof(key), "%s/leaf.key", chains);
	size_t length = read_file("leaf", "crt", (uint8_t *)pem, sizeof(pem));
	length += read_file("middle", "crt", (uint8_t *)pem + length, sizeof(pem) - length);
	FILE *out = fopen(file, "we");
	CHECK(out != NULL && fwrite(pem, 1, length, out) == length && fclose(out) == 0);
	struct tls_context *server =
		make((struct tls_context_config){.server = true, .certificate_file = file, .private_key_file = key});
	for (size_t i = 0; i < 2 * sizeof(table) / sizeof(table[0]); i++) {
		struct tls_context *client =
			make((struct tls_context_config){.tls12_only = i % 2 == 0, .tls13_only = i % 2 == 1});
		struct pair *pair = pair_new(client, server, "mail.example.org", NULL, &whole);
		CHECK(handshake(pair, &whole));
		struct tls_tlsa dane = {.records = block, .length = records_of(table[i / 2].records, block)};
		dane.names[0] = table[i / 2].name;
		CHECK_EQ(tls_session_dane(pair->client.session, &dane, text), table[i / 2].expected);
		CHECK_STR(text, table[i / 2].text);
		pair_free(pair);
		tls_context_free(client);
	}
	tls_context_free(server);
	unlink(file);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: %s CERTIFICATES-DIRECTORY CHAINS-DIRECTORY\n", argv[0]);
		return 64;
	}
	directory = argv[1];
	chains = argv[2];
	tls_global_init();
	RUN(test_key);
	RUN(test_usable);
	RUN(test_records);
	RUN(test_handshakes);
	tls_thread_end();
	return check_end();
}
