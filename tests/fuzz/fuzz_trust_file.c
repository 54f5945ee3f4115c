/*
 * fuzz_trust_file.c - who has signed in from where: whatever is read is what would be written for it, to the octet; and
 * the key's file.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/agents/trust_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct trust trusts[TRUST_FILE_MAX], again[TRUST_FILE_MAX];
	static char text[TRUST_FILE_SIZE];
	uint64_t check, other;
	size_t count, same, n;
	uint8_t key[TRUST_KEY_SIZE];
	char key_text[TRUST_KEY_TEXT];
	int r = trust_file_parse((const char *)data, size, &check, trusts, &count);

	need(r == 0 || (r == -EBADMSG && count == 0));
	if (r == 0) {
		n = trust_file_format(check, trusts, count, text);
		/* Only numbers that begin with zeros are written otherwise. */
		need(n <= size && n <= TRUST_FILE_SIZE);
		need(trust_file_parse(text, n, &other, again, &same) == 0);
		need(other == check && same == count && memcmp(trusts, again, count * sizeof(*trusts)) == 0);
	}
	if (trust_key_parse((const char *)data, size, key) == 0) {
		trust_key_format(key, key_text);
		need(memcmp(data, key_text, sizeof(key_text)) == 0);
	}
	return 0;
}
