/*
 * tls/suites.c - the cipher suites that are offered and taken, and no others.
 *
 * TLS 1.3 first. For TLS 1.2 only ephemeral key exchange; the CBC suites come last, for peers that know no others.
 * Which AEAD leads depends on which is fast here.
 *
 * The numbers are kept beside the names because the library's own check is not enough: its client takes suites that it
 * never offered, anonymous ones among them (guard.c).
 */
#include "tls/internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct suite {
	const char *name; /* wolfSSL's */
	uint16_t number;  /* IANA's */
};

static const struct suite aead_aes_first[] = {
	{"TLS13-AES128-GCM-SHA256", 0x1301},     {"TLS13-CHACHA20-POLY1305-SHA256", 0x1303},
	{"TLS13-AES256-GCM-SHA384", 0x1302},     {"ECDHE-ECDSA-AES128-GCM-SHA256", 0xc02b},
	{"ECDHE-RSA-AES128-GCM-SHA256", 0xc02f}, {"ECDHE-ECDSA-AES256-GCM-SHA384", 0xc02c},
	{"ECDHE-RSA-AES256-GCM-SHA384", 0xc030}, {"ECDHE-ECDSA-CHACHA20-POLY1305", 0xcca9},
	{"ECDHE-RSA-CHACHA20-POLY1305", 0xcca8},
};

static const struct suite aead_chacha_first[] = {
	{"TLS13-CHACHA20-POLY1305-SHA256", 0x1303}, {"TLS13-AES128-GCM-SHA256", 0x1301},
	{"TLS13-AES256-GCM-SHA384", 0x1302},        {"ECDHE-ECDSA-CHACHA20-POLY1305", 0xcca9},
	{"ECDHE-RSA-CHACHA20-POLY1305", 0xcca8},    {"ECDHE-ECDSA-AES128-GCM-SHA256", 0xc02b},
	{"ECDHE-RSA-AES128-GCM-SHA256", 0xc02f},    {"ECDHE-ECDSA-AES256-GCM-SHA384", 0xc02c},
	{"ECDHE-RSA-AES256-GCM-SHA384", 0xc030},
};

static const struct suite cbc[] = {
	{"ECDHE-ECDSA-AES128-SHA256", 0xc023}, {"ECDHE-RSA-AES128-SHA256", 0xc027},
	{"ECDHE-ECDSA-AES256-SHA384", 0xc024}, {"ECDHE-RSA-AES256-SHA384", 0xc028},
	{"ECDHE-ECDSA-AES128-SHA", 0xc009},    {"ECDHE-RSA-AES128-SHA", 0xc013},
	{"ECDHE-ECDSA-AES256-SHA", 0xc00a},    {"ECDHE-RSA-AES256-SHA", 0xc014},
};

enum { AEAD_COUNT = sizeof(aead_aes_first) / sizeof(aead_aes_first[0]), CBC_COUNT = sizeof(cbc) / sizeof(cbc[0]) };
static_assert(sizeof(aead_aes_first) == sizeof(aead_chacha_first), "the same suites in another order");

static size_t append(char *list, size_t size, size_t length, const struct suite *suites, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int n = snprintf(list + length, size - length, "%s%s", length > 0 ? ":" : "", suites[i].name);
		length += (size_t)n;
		assert(length < size);
	}
	return length;
}

bool tls_suites_set(WOLFSSL_CTX *wolf, bool aes_first)
{
	char list[1024];
	size_t length = append(list, sizeof(list), 0, aes_first ? aead_aes_first : aead_chacha_first, AEAD_COUNT);

	append(list, sizeof(list), length, cbc, CBC_COUNT);
	return wolfSSL_CTX_set_cipher_list(wolf, list) == WOLFSSL_SUCCESS;
}

static bool contains(const struct suite *suites, size_t count, unsigned number)
{
	for (size_t i = 0; i < count; i++) {
		if (suites[i].number == number)
			return true;
	}
	return false;
}

bool tls_suites_contain(unsigned number)
{
	return contains(aead_aes_first, AEAD_COUNT, number) || contains(cbc, CBC_COUNT, number);
}

/* Those that old clients offer and this library does not have. */
static const struct suite old[] = {
	{"TLS_RSA_WITH_RC4_128_MD5", 0x0004},          {"TLS_RSA_WITH_RC4_128_SHA", 0x0005},
	{"TLS_RSA_WITH_DES_CBC_SHA", 0x0009},          {"TLS_RSA_WITH_3DES_EDE_CBC_SHA", 0x000a},
	{"TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA", 0x0016}, {"TLS_RSA_WITH_AES_128_CBC_SHA", 0x002f},
	{"TLS_DHE_RSA_WITH_AES_128_CBC_SHA", 0x0033},  {"TLS_RSA_WITH_AES_256_CBC_SHA", 0x0035},
	{"TLS_DHE_RSA_WITH_AES_256_CBC_SHA", 0x0039},  {"TLS_RSA_WITH_AES_128_CBC_SHA256", 0x003c},
	{"TLS_RSA_WITH_AES_256_CBC_SHA256", 0x003d},   {"TLS_RSA_WITH_AES_128_GCM_SHA256", 0x009c},
	{"TLS_RSA_WITH_AES_256_GCM_SHA384", 0x009d},   {"TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", 0xc012},
};

const char *tls_version_text(unsigned version)
{
	static const char *const names[] = {"SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3"};

	return version >> 8 == 3 && (version & 0xff) < sizeof(names) / sizeof(names[0]) ? names[version & 0xff]
											: "unknown";
}

static const char *suite_text(unsigned number, char room[8])
{
	for (size_t i = 0; i < sizeof(old) / sizeof(old[0]); i++) {
		if (old[i].number == number)
			return old[i].name;
	}
	const char *known =
		wolfSSL_get_cipher_name_iana_from_suite((unsigned char)(number >> 8), (unsigned char)number);
	if (known != NULL && strncmp(known, "TLS_", 4) == 0)
		return known;
	snprintf(room, 8, "0x%04x", number & 0xffff);
	return room;
}

void tls_suites_text(const uint16_t *numbers, size_t count, char *text, size_t size)
{
	static const char more[] = ",...";
	size_t length = 0;
	char room[8];

	text[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		const char *name = suite_text(numbers[i], room);
		if (length + strlen(name) + 1 + sizeof(more) > size) {
			snprintf(text + length, size - length, "%s", more);
			return;
		}
		length += (size_t)snprintf(text + length, size - length, "%s%s", i > 0 ? "," : "", name);
	}
}
