/*
 * fuzz_device_file.c - what is known of devices: whatever is read is what would be written for it.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/agents/device_file.h"
#include "core/config/device_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

static bool again(void *context, const char *name, size_t length, const struct device_facts *facts)
{
	char one[DEVICE_LINE_MAX], other[DEVICE_LINE_MAX];

	(void)device_file_line("x", facts, one);
	(void)device_file_line("x", context, other);
	need(strcmp(one, other) == 0);
	return true;
}

static bool on_device(void *context, const char *name, size_t length, const struct device_facts *facts)
{
	char text[3 * DEVICE_LINE_MAX], whole[DEVICE_NAME_MAX + 1];
	unsigned hours;
	size_t n;

	need(length > 0 && length <= DEVICE_NAME_MAX && !memchr(name, '\n', length));
	memcpy(whole, name, length);
	whole[length] = '\0';
	n = device_file_head(0, text);
	n += device_file_line(whole, facts, text + n);
	need(text[n - 1] == '\n');
	n += device_file_end(1, text + n);
	need(device_file_parse(text, n, &hours, again, (void *)facts) == 0);
	(void)rhythm_bound(&facts->rhythm);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned hours = 0;
	int r = device_file_parse((const char *)data, size, &hours, on_device, NULL);

	need(r == 0 || r == -EBADMSG);
	need(hours <= RHYTHM_PERIOD);
	return 0;
}
