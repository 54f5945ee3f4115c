/*
 * tests/fuzz/fuzz_tls_hello.c - what is read of a ClientHello (tls/hello.h).
 *
 * Whatever comes: what is whole stays so and says the same when more comes behind it, what is bad stays bad, a name is
 * one, and in records of another size it is the same hello.
 */
#include "tls/hello.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

static void look_at(const struct tls_hello *hello)
{
	need(memchr(hello->name, '\0', sizeof(hello->name)) != NULL);
	for (const char *c = hello->name; *c != '\0'; c++)
		need(strchr("abcdefghijklmnopqrstuvwxyz0123456789-_.", *c) != NULL);
	need(hello->suite_count <= TLS_HELLO_SUITES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t cut[6 * 65536];
	struct tls_hello hello, other;
	size_t at = 0;

	if (size < 1 || size > 65535)
		return 0;
	enum tls_hello_state state = tls_hello_read(data, size, &hello);
	look_at(&hello);
	for (size_t n = size / 2; n < size; n += 1 + size / 8) {
		enum tls_hello_state before = tls_hello_read(data, n, &other);
		look_at(&other);
		need(before == TLS_HELLO_MORE || before == state);
		need(before == TLS_HELLO_MORE || memcmp(&other, &hello, sizeof(hello)) == 0);
	}
	/* As the content of one handshake, in pieces of the first octet's size and in larger ones. */
	size_t piece = 1 + data[0];
	if (size - 1 > 16000)
		return 0;
	for (size_t i = 1; i < size; i += piece) {
		size_t n = size - i < piece ? size - i : piece;
		memcpy(cut + at, "\x16\x03\x01", 3);
		cut[at + 3] = (uint8_t)(n >> 8);
		cut[at + 4] = (uint8_t)n;
		memcpy(cut + at + 5, data + i, n);
		at += 5 + n;
	}
	if (at > TLS_HELLO_RECORDS_MAX)
		return 0;
	state = tls_hello_read(cut, at, &hello);
	memcpy(cut, "\x16\x03\x01", 3);
	cut[3] = (uint8_t)((size - 1) >> 8);
	cut[4] = (uint8_t)(size - 1);
	memcpy(cut + 5, data + 1, size - 1);
	if (size > 1) {
		need(tls_hello_read(cut, 4 + size, &other) == state);
		need(memcmp(&other, &hello, sizeof(hello)) == 0);
	}
	return 0;
}
