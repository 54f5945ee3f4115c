/*
 * fuzz_smtp_xclient.c - what a proxy says of its client: what is kept is printed ASCII within its bounds, whatever
 * comes, and says the same when it is said again.
 */
#include <stdlib.h>
#include <string.h>

#include "core/smtp/xclient.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

static void check_text(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		need(text[i] >= ' ' && text[i] <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xclient told, again;
	/* In memory of its own, so that reading behind it shows. */
	char *copy = malloc(size ? size : 1);
	bool good;

	memcpy(copy, data, size);
	good = xclient_parse((struct span){copy, (uint32_t)size}, &told);
	need(good == xclient_parse((struct span){copy, (uint32_t)size}, &again));
	free(copy);
	if (!good)
		return 0;
	need(memcmp(&told, &again, sizeof(told)) == 0);
	check_text(told.helo, told.helo_length);
	check_text(told.login, told.login_length);
	need(told.helo_said == XCLIENT_SAID || told.helo_length == 0);
	need(told.login_said == XCLIENT_SAID || told.login_length == 0);
	if (told.address_said == XCLIENT_SAID)
		need(told.address.any.sa_family == AF_INET || told.address.any.sa_family == AF_INET6);
	return 0;
}
