/*
 * fuzz_dns_exchangers.c - the data of MX records, several one behind the other, each with its length before it: what is
 * taken is a name without an octet that could end or forge anything, and the order holds.
 */
#include <stdlib.h>
#include <string.h>

#include "core/agents/dns_exchangers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dns_exchangers_question q;
	struct dns_exchanger one;

	q.count = 0;
	while (size > 0) {
		size_t length = data[0] < size ? data[0] : size - 1;
		uint8_t *copy = malloc(length + 1);
		need(copy != NULL);
		memcpy(copy, data + 1, length);
		if (dns_exchanger_parse(copy, length, &one)) {
			need(strlen(one.name) <= DNS_NAME_MAX);
			need(strspn(one.name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
			     strlen(one.name));
			dns_exchangers_add(&q, &one);
		}
		free(copy);
		data += length + 1;
		size -= length + 1;
	}
	need(q.count <= DNS_EXCHANGERS_MAX);
	for (unsigned i = 1; i < q.count; i++)
		need(q.list[i - 1].preference <= q.list[i].preference);
	return 0;
}
