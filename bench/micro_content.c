/*
 * micro_content.c - what the content machines cost for a message of 4 KiB and for 1 MiB.
 *
 * Text of 76 columns as mail programs make it, behind a short header; the same buffers each time, so this is
 * the cost with warm caches. memcpy is the yardstick beside them.
 */
#include <stdint.h>
#include <string.h>

#include "bench/micro.h"
#include "core/smtp/content.h"

enum { MESSAGE = 4096, BIG = 1 << 20, REPEAT = 1000, REPEAT_BIG = 4 };

static uint8_t input[BIG + 64], output[2 * BIG];

/* Header and lines of 76 columns and CRLF, exactly `octets` with the last line complete, then the end. */
static void message_make(const struct micro_operation *operation)
{
	static const char header[] = "Received: from client.example ([192.0.2.1])\r\n\tby relay.example;\r\n"
				     "From: a@example.org\r\nTo: b@example.net\r\nSubject: measurement\r\n\r\n";
	size_t n = sizeof header - 1, text = operation->octets - 2;

	memcpy(input, header, n);
	for (size_t column = 0; n < text; column = column == 77 ? 0 : column + 1)
		input[n++] = column < 76 ? (uint8_t)("Lorem. ipsum dolor sit amet "[column % 28]) : "\r\n"[column - 76];
	memcpy(input + n, "\r\n.\r\n", 5);
}

static void run_scan(const struct micro_operation *operation, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct content_scanner scanner;
		size_t consumed, written;

		content_scanner_init(&scanner);
		micro_sink += content_scan_data(&scanner, input, operation->octets + 3, &consumed, output,
						sizeof output, &written) == CONTENT_END;
		micro_sink += written + scanner.faults;
	}
}

static void run_chunk(const struct micro_operation *operation, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct content_scanner scanner;

		content_scanner_init(&scanner);
		content_scan_chunk(&scanner, input, operation->octets);
		content_scan_finish(&scanner);
		micro_sink += scanner.faults;
	}
}

static void run_encode(const struct micro_operation *operation, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct content_encoder encoder;
		size_t consumed, written;

		content_encoder_init(&encoder);
		micro_sink +=
			content_encode(&encoder, input, operation->octets, &consumed, output, sizeof output, &written);
		micro_sink += written;
	}
}

static void run_check(const struct micro_operation *operation, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct content_encoder encoder;

		content_encoder_init(&encoder);
		micro_sink += content_encode_check(&encoder, input, operation->octets);
	}
}

static void run_memcpy(const struct micro_operation *operation, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		memcpy(output, input, operation->octets);
		micro_sink += output[i % MESSAGE];
	}
}

#define SIZES(label, function, ...)                                                                                    \
	{.name = "content." label "-4k",                                                                               \
	 .octets = MESSAGE,                                                                                            \
	 .repeat = REPEAT,                                                                                             \
	 .run = function,                                                                                              \
	 .setup = message_make,                                                                                        \
	 __VA_ARGS__},                                                                                                 \
	{                                                                                                              \
		.name = "content." label "-1m", .octets = BIG, .repeat = REPEAT_BIG, .run = function,                  \
		.setup = message_make, __VA_ARGS__                                                                     \
	}

int main(int argc, char **argv)
{
	static const struct micro_operation operations[] = {
		SIZES("scan", run_scan),
		SIZES("chunk", run_chunk),
		SIZES("encode", run_encode),
		SIZES("check", run_check),
		SIZES("memcpy", run_memcpy, .uncounted = "it is the C library's, and a yardstick for time"),
	};

	micro_start(argc, argv, "");
	micro_run(operations, sizeof operations / sizeof operations[0]);
	return 0;
}
