/*
 * fuzz_smtp_proxy.c - the PROXY protocol's headers, whatever a balancer says.
 *
 * - octet by octet the answer is "more" until it is another one, which then stays, whatever follows
 * - more than PROXY_HEAD_MAX octets are never asked for
 */
#include <stdlib.h>
#include <string.h>

#include "core/smtp/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_header header = {.length = 0}, first = {.length = 0};
	enum proxy_result result = PROXY_MORE, before;

	for (size_t n = 0; n <= size && n <= PROXY_HEAD_MAX + 20; n++) {
		/* In memory of its own, so that reading behind it shows. */
		uint8_t *copy = malloc(n ? n : 1);
		memcpy(copy, data, n);
		before = result;
		result = proxy_parse(copy, n, &header);
		free(copy);
		need(result != PROXY_MORE || n < PROXY_HEAD_MAX);
		need(before == PROXY_MORE || result == before);
		if (before == PROXY_MORE && result != PROXY_MORE)
			first = header;
		if (result == PROXY_TOLD || result == PROXY_OWN) {
			need(header.length == first.length && header.length >= 15 && header.length <= 16 + 65535);
			/* The end of what was needed is no later than the header's. */
			need(before != PROXY_MORE || header.length >= n);
		}
		if (result == PROXY_TOLD)
			need(header.client.any.sa_family == AF_INET || header.client.any.sa_family == AF_INET6);
	}
	return 0;
}
