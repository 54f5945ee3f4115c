/*
 * micro_content.c - what the content machines cost: ns per message of 4 KiB and GB/s, best and middle of rounds.
 *
 * Text of 76 columns as mail programs make it, behind a short header; the same buffers each time, so this is
 * the cost with warm caches. `micro_content [rounds]`.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/smtp/content.h"

enum { MESSAGE = 4096, BIG = 1 << 20, REPEAT = 2000, ROUNDS_MAX = 1000 };

static uint8_t input[BIG + 64], output[2 * BIG];
static volatile uint64_t sink; /* so that no work can be left out */

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Header and lines of 76 columns and CRLF, exactly `size` octets with the last line complete, then the end. */
static size_t message_make(uint8_t *out, size_t size)
{
	static const char header[] = "Received: from client.example ([192.0.2.1])\r\n\tby relay.example;\r\n"
				     "From: a@example.org\r\nTo: b@example.net\r\nSubject: measurement\r\n\r\n";
	size_t n = sizeof header - 1;

	memcpy(out, header, n);
	for (size_t column = 0; n < size - 2; column = column == 77 ? 0 : column + 1)
		out[n++] = column < 76 ? (uint8_t)("Lorem. ipsum dolor sit amet "[column % 28]) : "\r\n"[column - 76];
	memcpy(out + n, "\r\n.\r\n", 5);
	return n + 2;
}

static void run_scan(size_t size)
{
	struct content_scanner scanner;
	size_t consumed, written;

	content_scanner_init(&scanner);
	sink += content_scan_data(&scanner, input, size + 3, &consumed, output, sizeof output, &written) == CONTENT_END;
	sink += written + scanner.faults;
}

static void run_chunk(size_t size)
{
	struct content_scanner scanner;

	content_scanner_init(&scanner);
	content_scan_chunk(&scanner, input, size);
	content_scan_finish(&scanner);
	sink += scanner.faults;
}

static void run_encode(size_t size)
{
	struct content_encoder encoder;
	size_t consumed, written;

	content_encoder_init(&encoder);
	sink += content_encode(&encoder, input, size, &consumed, output, sizeof output, &written);
	sink += written;
}

static void run_check(size_t size)
{
	struct content_encoder encoder;

	content_encoder_init(&encoder);
	sink += content_encode_check(&encoder, input, size);
}

static void run_copy(size_t size)
{
	memcpy(output, input, size);
	sink += output[size / 2];
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(const char *name, void (*run)(size_t), size_t size, unsigned rounds)
{
	static double times[ROUNDS_MAX];
	unsigned repeat = size > MESSAGE ? REPEAT / 100 : REPEAT;

	for (unsigned r = 0; r < rounds; r++) {
		double start = now_ns();

		for (unsigned i = 0; i < repeat; i++)
			run(size);
		times[r] = (now_ns() - start) / repeat;
	}
	qsort(times, rounds, sizeof times[0], compare);
	printf("%-8s %8zu octets  best %10.1f ns %6.2f GB/s   median %10.1f ns %6.2f GB/s\n", name, size, times[0],
	       (double)size / times[0], times[rounds / 2], (double)size / times[rounds / 2]);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(size_t);
	} cases[] = {
		{"scan", run_scan},   {"chunk", run_chunk}, {"encode", run_encode},
		{"check", run_check}, {"memcpy", run_copy},
	};
	unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 200;

	if (rounds < 1 || rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: micro_content [rounds, 1 to %d]\n", ROUNDS_MAX);
		return 64;
	}
	for (size_t size = MESSAGE; size <= BIG; size *= BIG / MESSAGE) {
		size_t made = message_make(input, size);

		for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
			measure(cases[i].name, cases[i].run, made, rounds);
	}
	return 0;
}
