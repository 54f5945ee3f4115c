/*
 * fuzz_smtp_header.c - a field of a header: within its bounds, on one line, and cut where the room ends.
 *
 * Input: one octet of capacity, then content.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/smtp/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *content, *out, whole[256];
	size_t capacity, length, n, m;

	if (size < 1)
		return 0;
	capacity = data[0];
	length = size - 1;
	content = malloc(length + 3);
	out = malloc(capacity + 1);
	need(content && out);
	memcpy(content, data + 1, length);
	content = realloc(content, length ? length : 1);
	n = header_value(content, length, "message-id", out, capacity);
	need(n <= capacity && !memchr(out, '\r', n) && !memchr(out, '\n', n));
	need(n == 0 || (out[0] != ' ' && out[0] != '\t' && out[n - 1] != ' ' && out[n - 1] != '\t'));
	/* A smaller room gives the beginning of what a larger one gives. */
	m = header_value(content, length, "message-id", whole, sizeof(whole));
	need(n <= m && memcmp(out, whole, n) == 0);
	/* What is found is there without what stands behind its line's end. */
	if (m > 0) {
		content = realloc(content, length + 4);
		need(content != NULL);
		memcpy(content + length, "\r\n\r\n", 4);
		need(header_value(content, length + 4, "message-id", whole, sizeof(whole)) >= m);
	}
	free(content);
	free(out);
	return 0;
}
