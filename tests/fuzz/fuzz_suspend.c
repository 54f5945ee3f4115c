/*
 * fuzz_suspend.c - a line of the file of suspended destinations: what is read is within its bounds, and is said again
 * as the same.
 */
#include <stdlib.h>
#include <string.h>

#include "core/deliver/suspend.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[SUSPEND_LINE], again[SUSPEND_LINE], out[SUSPEND_LINE];
	struct suspension one, two;
	char *copy = malloc(size);
	size_t length;

	if (size > 0)
		memcpy(copy, data, size);
	if (suspension_read(copy, size, text, &one)) {
		need(strlen(one.destination) < SUSPEND_NAME && strlen(one.reason) < SUSPEND_TEXT_MAX);
		length = suspension_write(&one, out);
		need(length <= SUSPEND_LINE && out[length - 1] == '\n');
		need(suspension_read(out, length - 1, again, &two));
		need(one.since_wall_ns == two.since_wall_ns && one.until_wall_ns == two.until_wall_ns);
		need(strcmp(one.destination, two.destination) == 0 && strcmp(one.domain, two.domain) == 0);
		need(strcmp(one.who, two.who) == 0 && strcmp(one.reason, two.reason) == 0);
	}
	free(copy);
	return 0;
}
