/*
 * fuzz_forwarded.c - what a proxy says of where it was asked from: whatever stands before what it has added itself
 * changes nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/address_text.h"
#include "core/control/forwarded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

static void ask(const struct sign_in_proxy *proxy, const char *text, const struct ring_address *peer)
{
	static const char *const added[] = {",192.0.2.1", ",for=192.0.2.1"};
	char one[ADDRESS_TEXT_SIZE], other[ADDRESS_TEXT_SIZE];
	struct ring_address client, again;
	const char *problem = forwarded_client(proxy, text, peer, &client);
	size_t length = strlen(text), quotes = 0;
	char *longer = malloc(length + 20);

	(void)address_text_format(&client, one);
	need(problem == forwarded_client(proxy, text, peer, &again));
	(void)address_text_format(&again, other);
	need(strcmp(one, other) == 0);
	/* A quoted string that does not end would take what follows. */
	for (size_t i = 0; i < length; i++)
		quotes += text[i] == '"' || text[i] == '\\';
	if (quotes == 0) {
		memcpy(longer, text, length);
		strcpy(longer + length, added[proxy->address_header]);
		need(forwarded_client(proxy, longer, peer, &client) == NULL);
		(void)address_text_format(&client, one);
		need(strcmp(one, "192.0.2.1") == 0);
	}
	free(longer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct network from[2];
	struct address_problem problem;
	struct sign_in_proxy proxy = {.from = from, .from_count = 2};
	struct ring_address peer;
	char *text = malloc(size + 1);

	need(network_parse("10.0.0.0/8", &from[0], &problem) == 0 &&
	     network_parse("fd00::/8", &from[1], &problem) == 0);
	need(address_text_numeric("10.0.0.1", 0, &peer));
	memcpy(text, data, size);
	text[size] = '\0';
	proxy.address_header = SIGN_IN_X_FORWARDED_FOR;
	ask(&proxy, text, &peer);
	proxy.address_header = SIGN_IN_FORWARDED;
	ask(&proxy, text, &peer);
	free(text);
	return 0;
}
