/*
 * tests/fuzz/fuzz_tls_dane.c - octets as TLSA records and as the certificates that they are compared with: the walk to
 * the key stays within, what matches is usable, and a record that names the key which the walk found does match.
 *
 * The input is a list of pieces, each behind its length in two octets, as a block of records is. The first is the
 * block, the others are what a host has shown.
 */
#include "tls/certificate.h"
#include "tls/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <wolfssl/wolfcrypt/sha256.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	tls_global_init();
	return 0;
}

static bool take(const uint8_t **data, size_t *size, struct span *piece)
{
	size_t length;

	if (*size < 2)
		return false;
	length = (size_t)((*data)[0] << 8 | (*data)[1]);
	*data += 2;
	*size -= 2;
	length = length < *size ? length : *size;
	*piece = (struct span){*data, length};
	*data += length;
	*size -= length;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span block, sent[PATH_SENT_MAX + 2];
	uint8_t ours[2 + 3 + WC_SHA256_DIGEST_SIZE] = {0, 3 + WC_SHA256_DIGEST_SIZE, 3, 1, 1};
	struct tls_tlsa dane = {.names = {"mail.example.org", "example.org", NULL}};
	size_t count = 0;
	int error;

	if (!take(&data, &size, &block))
		return 0;
	while (count < PATH_SENT_MAX + 2 && take(&data, &size, &sent[count])) {
		struct span key = dane_key(sent[count]);
		assert(key.length == 0 ||
		       (key.at >= sent[count].at && key.at + key.length <= sent[count].at + sent[count].length));
		count++;
	}
	dane.records = block.at;
	dane.length = block.length;
	enum tls_dane_result result = dane_check(sent, count, &dane, 1800000000, &error);
	assert(!tls_dane_matched(result) || tls_dane_usable(block.at, block.length) > 0);
	bool no_path = result == TLS_DANE_NO_PATH || result == TLS_DANE_EXPIRED;
	assert(no_path == (error != 0) || result == TLS_DANE_TA || result == TLS_DANE_NO_NAME);
	/* A record that names the first key matches, alone. */
	if (count == 0 || dane_key(sent[0]).length == 0)
		return 0;
	wc_Sha256Hash(dane_key(sent[0]).at, (word32)dane_key(sent[0]).length, ours + 5);
	dane.records = ours;
	dane.length = sizeof(ours);
	assert(tls_dane_usable(ours, sizeof(ours)) == 1);
	assert(dane_check(sent, count, &dane, 1800000000, &error) == TLS_DANE_EE);
	ours[5] ^= 1;
	assert(dane_check(sent, count, &dane, 1800000000, &error) == TLS_DANE_NO_MATCH);
	return 0;
}
