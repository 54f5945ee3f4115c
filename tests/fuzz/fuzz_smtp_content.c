/*
 * fuzz_smtp_content.c - the content machines against the plain reference, for cuts and rooms taken from the input.
 *
 * Input: two octets of seed, then the stream. Oracles: scanner and reference agree in every figure; the encoder
 * stops exactly at the first octet SMG-03 forbids, never lets out half a line end, and scanning what it wrote
 * gives its input back; the BDAT scanner and the BDAT check agree with the reference.
 */
#include <stdlib.h>

#include "tests/unit/content_reference.h"

enum { INPUT_MAX = 8192 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t expected[2 * INPUT_MAX + 8], actual[2 * INPUT_MAX + 8], again[2 * INPUT_MAX + 8];
static uint32_t seed;

static void need(bool condition)
{
	if (!condition)
		abort();
}

/* Small sizes often, block sizes and beyond sometimes. */
static size_t draw(size_t least, size_t most)
{
	size_t n;

	seed = seed * 1664525 + 1013904223;
	n = least + (seed >> 16) % ((seed >> 8) % 3 ? 12 : 400);
	return n < most ? n : most;
}

/* Runs the scanner with drawn pieces and rooms; returns the content's length. */
static size_t scan(struct content_scanner *scanner, const uint8_t *in, size_t length, uint8_t *out, size_t *taken,
		   bool *ended)
{
	size_t n = 0;

	content_scanner_init(scanner);
	*taken = 0;
	*ended = false;
	while (*taken < length && !*ended) {
		size_t consumed, written, room = draw(4, 500);

		*ended = content_scan_data(scanner, in + *taken, draw(1, length - *taken), &consumed, out + n, room,
					   &written) == CONTENT_END;
		need(written <= room && (consumed > 0 || *ended));
		n += written;
		*taken += consumed;
	}
	return n;
}

static void check_data(const uint8_t *in, size_t length)
{
	static uint8_t room[INPUT_MAX + 1024];
	struct reference r = reference_data(in, length, expected);
	struct content_scanner scanner;
	size_t taken, n;
	bool ended;

	n = scan(&scanner, in, length, room, &taken, &ended);
	need(ended == r.ended && taken == r.consumed && n == r.length);
	need(memcmp(room, expected, n) == 0);
	need(scanner.faults == r.faults && scanner.eight_bit == r.eight_bit && scanner.hops == r.hops);
}

static void check_chunks(const uint8_t *in, size_t length)
{
	struct content_scanner scanner;
	struct content_encoder checker;
	size_t clean = reference_violation(in, length);
	bool ok = true;

	content_scanner_init(&scanner);
	content_encoder_init(&checker);
	for (size_t taken = 0; taken < length;) {
		size_t n = draw(1, length - taken);

		content_scan_chunk(&scanner, in + taken, n);
		ok = content_encode_check(&checker, in + taken, n);
		taken += n;
		need(ok == (clean >= taken));
	}
	content_scan_finish(&scanner);
	need(scanner.faults == reference_faults(in, length, true));
	need(scanner.eight_bit == reference_high(in, length) && scanner.hops == reference_hops(in, length));
}

/* What went out, closed and scanned as a next hop would, is what went in. */
static void check_round_trip(struct content_encoder *encoder, const uint8_t *in, size_t length, size_t n)
{
	static uint8_t back[2 * INPUT_MAX + 1024];
	struct content_scanner scanner;
	size_t end = content_encode_end(encoder, actual + n), taken, got;
	bool ended;

	if (length > 0 && in[length - 1] == '\r') {
		need(end == 0);
		return;
	}
	need(end > 0);
	got = scan(&scanner, actual, n + end, back, &taken, &ended);
	need(ended && taken == n + end && scanner.faults == 0);
	need(got == length + (end == 5 ? 2 : 0) && memcmp(back, in, length) == 0);
}

static void check_encoder(const uint8_t *in, size_t length)
{
	struct content_encoder encoder;
	size_t clean = reference_violation(in, length), taken = 0, n = 0;
	bool ok = true;

	content_encoder_init(&encoder);
	while (ok && taken < length) {
		size_t consumed, written, room = draw(2, 500);

		ok = content_encode(&encoder, in + taken, draw(1, length - taken), &consumed, again, room, &written);
		need(written <= room);
		memcpy(actual + n, again, written);
		taken += consumed;
		n += written;
	}
	need(ok == (clean == length) && taken == clean);
	need(n == reference_encode(in, clean, expected) && memcmp(actual, expected, n) == 0);
	need(reference_violation(actual, n) == n && (n == 0 || actual[n - 1] != '\r'));
	if (ok)
		check_round_trip(&encoder, in, length, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > INPUT_MAX)
		return 0;
	seed = (uint32_t)data[0] << 8 | data[1];
	check_data(data + 2, size - 2);
	check_chunks(data + 2, size - 2);
	check_encoder(data + 2, size - 2);
	return 0;
}
