/*
 * test_smtp_content.c - the boundaries of a message (SMG-01..04, SMG-06, LOP-01), and that the blocks of
 * content.c do what the plain reference says for every cut of the stream and any room.
 */
#include "core/smtp/content.h"

#include <stdlib.h>

#include "tests/unit/check.h"
#include "tests/unit/content_reference.h"

enum { STREAM_MAX = 200000 };

struct text {
	const char *data;
	size_t length;
};

#define T(literal)                                                                                                     \
	{                                                                                                              \
		literal, sizeof(literal) - 1                                                                           \
	}

static uint8_t expected[STREAM_MAX], actual[2 * STREAM_MAX], encoded[2 * STREAM_MAX];
static uint64_t seed = 88172645463325252u;

static unsigned below(unsigned bound)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 33) % bound;
}

/* How a stream is cut: pieces of `piece` octets (0: random), the first one of `first`; room likewise. */
struct cut {
	size_t first, piece, room;
};

struct outcome {
	bool ended;
	size_t consumed, length;
	struct content_scanner scanner;
};

static size_t cut_next(const struct cut *cut, size_t at, size_t left)
{
	size_t n = at == 0 && cut->first ? cut->first : cut->piece ? cut->piece : 1 + below(200);

	return n < left ? n : left;
}

static struct outcome scan(const uint8_t *in, size_t length, const struct cut *cut)
{
	struct outcome o = {0};

	content_scanner_init(&o.scanner);
	while (o.consumed < length && !o.ended) {
		size_t piece = cut_next(cut, o.consumed, length - o.consumed), done = 0;

		while (done < piece && !o.ended) {
			size_t room = cut->room ? cut->room : 4 + below(150), consumed, written;
			uint8_t *heap = malloc(room); /* so that the address sanitizer sees its end */

			o.ended = content_scan_data(&o.scanner, in + o.consumed + done, piece - done, &consumed, heap,
						    room, &written) == CONTENT_END;
			CHECK(written <= room);
			memcpy(actual + o.length, heap, written);
			free(heap);
			o.length += written;
			done += consumed;
			CHECK(consumed > 0 || o.ended);
			if (consumed == 0)
				break;
		}
		o.consumed += done;
	}
	return o;
}

static bool same(const uint8_t *in, size_t length, const struct cut *cut)
{
	struct reference r = reference_data(in, length, expected);
	struct outcome o = scan(in, length, cut);

	return o.ended == r.ended && o.consumed == r.consumed && o.length == r.length &&
	       memcmp(actual, expected, r.length) == 0 && o.scanner.faults == r.faults &&
	       o.scanner.eight_bit == r.eight_bit && o.scanner.hops == r.hops;
}

/* One piece, octet by octet, and a cut at every offset. */
static void check_cuts(const uint8_t *in, size_t length)
{
	CHECK(same(in, length, &(struct cut){.piece = length, .room = STREAM_MAX}));
	CHECK(same(in, length, &(struct cut){.piece = 1, .room = 4}));
	CHECK(same(in, length, &(struct cut){0}));
	for (size_t at = 1; at < length; at++)
		CHECK(same(in, length, &(struct cut){.first = at, .piece = length, .room = STREAM_MAX}));
}

static const struct text befores[] = {
	T("\r\n"),   T("\n"),   T("\r"), T("\r\r\n"), T("\n\r"), T("\r\n\0"),
	T("\0\r\n"), T("\0\n"), T("\v"), T("\f"),     T("\x85"), T("\xe2\x80\xa8"),
};
static const struct text afters[] = {
	T("\r\n"),   T("\n"), T("\r"),     T("\r\r\n"), T("\n\r"), T("\0\r\n"), T(" \r\n"),        T("\t\r\n"),
	T("\r\0\n"), T("\0"), T("\r\n\0"), T("\v"),     T("\f"),   T("\x85"),   T("\xe2\x80\xa8"),
};
static const char second[] = "MAIL FROM:<evil@a>\r\nRCPT TO:<v@b>\r\nDATA\r\nSubject: 2\r\n\r\nforged\r\n.\r\n";

static size_t stream_make(uint8_t *out, const struct text *before, const struct text *after)
{
	size_t n = 0;

	n += (size_t)sprintf((char *)out, "From: a@b\r\nReceived: x\r\n\r\nbody");
	memcpy(out + n, before->data, before->length);
	n += before->length;
	out[n++] = '.';
	memcpy(out + n, after->data, after->length);
	n += after->length;
	memcpy(out + n, second, sizeof second - 1);
	return n + sizeof second - 1;
}

static bool holds(const uint8_t *in, size_t length, const char *what)
{
	return memmem(in, length, what, strlen(what)) != NULL;
}

/* What the scanner accepts without fault must pass the encoder (SMG-03), and what it refuses must not. */
static void check_encoder(const struct outcome *o)
{
	struct content_encoder encoder;
	size_t consumed, written, end;
	bool ok;

	content_encoder_init(&encoder);
	ok = content_encode(&encoder, actual, o->length, &consumed, encoded, sizeof encoded, &written);
	CHECK_EQ(ok, o->scanner.faults == 0);
	CHECK_EQ(reference_violation(encoded, written), written);
	if (!ok)
		return;
	end = content_encode_end(&encoder, encoded + written);
	CHECK_EQ(end, 3);
	written += end;
	/* The terminator comes exactly once, and it is the end. */
	CHECK(written >= 5 && memcmp(encoded + written - 5, "\r\n.\r\n", 5) == 0);
	CHECK(!holds(encoded, written - 1, "\r\n.\r\n"));
}

static void test_smg01_matrix(void)
{
	unsigned early = 0, sequences = 0;

	for (size_t b = 0; b < sizeof befores / sizeof befores[0]; b++) {
		for (size_t a = 0; a < sizeof afters / sizeof afters[0]; a++) {
			uint8_t in[512];
			size_t length = stream_make(in, &befores[b], &afters[a]);
			size_t dot = 30 + befores[b].length; /* behind "body" and `before` */
			struct outcome o = scan(in, length, &(struct cut){.piece = length, .room = 512});
			const struct text *before = &befores[b];
			bool control = before->length >= 2 &&
				       memcmp(before->data + before->length - 2, "\r\n", 2) == 0 &&
				       afters[a].length >= 2 && memcmp(afters[a].data, "\r\n", 2) == 0;

			CHECK_EQ(in[dot], '.');
			CHECK(o.ended);
			CHECK_EQ(o.consumed, control ? dot + 3 : length);
			if (!control) /* the forged envelope is content of the one message */
				CHECK(holds(actual, o.length, "MAIL FROM:<evil@a>"));
			CHECK_EQ(o.scanner.hops, 1);
			check_encoder(&o);
			check_cuts(in, length);
			early += o.consumed < length;
			sequences++;
		}
	}
	CHECK_EQ(sequences, 180);
	CHECK_EQ(early, 6);
}

static void test_smg02_named(void)
{
	static const struct {
		const char *name;
		struct text text;
		unsigned faults;
	} table[] = {
		{"LF.LF", T("\n.\n"), CONTENT_BARE_LF},
		{"LF.CRLF", T("\n.\r\n"), CONTENT_BARE_LF},
		{"CRLF.LF", T("\r\n.\n"), CONTENT_BARE_LF},
		{"CR.CR", T("\r.\r"), CONTENT_BARE_CR},
		{"CR.CRLF", T("\r.\r\n"), CONTENT_BARE_CR},
		{"CR.LF", T("\r.\n"), CONTENT_BARE_CR | CONTENT_BARE_LF},
		{"LF.CR", T("\n.\r"), CONTENT_BARE_CR | CONTENT_BARE_LF},
		{"CRLF.CR", T("\r\n.\r"), CONTENT_BARE_CR},
		{"CRLF NUL.CRLF", T("\r\n\0.\r\n"), CONTENT_NUL},
		{"CRLF.NUL CRLF", T("\r\n.\0\r\n"), CONTENT_NUL},
		{"CRLF.CRCRLF", T("\r\n.\r\r\n"), CONTENT_BARE_CR},
		{"CRCRLF.CRCRLF", T("\r\r\n.\r\r\n"), CONTENT_BARE_CR},
	};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		uint8_t in[512];
		struct content_scanner chunk;
		struct outcome o;
		size_t length = (size_t)sprintf((char *)in, "a: b\r\n\r\nbody");

		memcpy(in + length, table[i].text.data, table[i].text.length);
		length += table[i].text.length;
		memcpy(in + length, second, sizeof second - 1);
		length += sizeof second - 1;
		o = scan(in, length, &(struct cut){.piece = length, .room = 512});
		CHECK(o.ended);
		CHECK_EQ(o.consumed, length);
		if (o.scanner.faults != table[i].faults)
			fprintf(stderr, "%s: ", table[i].name);
		CHECK_EQ(o.scanner.faults, table[i].faults);
		check_encoder(&o);
		check_cuts(in, length);

		/* SMG-04: the same sequence in BDAT, cut in two chunks at every offset, shows the same faults. */
		for (size_t at = 0; at <= length; at++) {
			content_scanner_init(&chunk);
			content_scan_chunk(&chunk, in, at);
			content_scan_chunk(&chunk, in + at, length - at);
			content_scan_finish(&chunk);
			CHECK_EQ(chunk.faults, reference_faults(in, length, true));
		}
	}
}

/* A CRLF.CRLF in a chunk is content, and a DATA next hop gets it stuffed (SMG-04). */
static void test_smg04_chunk_is_content(void)
{
	static const char in[] = "a: b\r\n\r\nx\r\n.\r\nMAIL FROM:<evil@a>\r\n.\r\nno line end";
	static const char out[] = "a: b\r\n\r\nx\r\n..\r\nMAIL FROM:<evil@a>\r\n..\r\nno line end\r\n.\r\n";
	struct content_scanner scanner;
	struct content_encoder encoder;
	size_t consumed, written;

	content_scanner_init(&scanner);
	for (size_t i = 0; i < sizeof in - 1; i++)
		content_scan_chunk(&scanner, (const uint8_t *)in + i, 1);
	content_scan_finish(&scanner);
	CHECK_EQ(scanner.faults, 0);
	content_encoder_init(&encoder);
	CHECK(content_encode(&encoder, (const uint8_t *)in, sizeof in - 1, &consumed, encoded, sizeof encoded,
			     &written));
	written += content_encode_end(&encoder, encoded + written);
	CHECK_EQ(written, sizeof out - 1);
	CHECK(memcmp(encoded, out, sizeof out - 1) == 0);

	content_scanner_init(&scanner);
	content_scan_chunk(&scanner, (const uint8_t *)"x\r", 2);
	CHECK_EQ(scanner.faults, 0);
	content_scan_finish(&scanner);
	CHECK_EQ(scanner.faults, CONTENT_BARE_CR);
	content_scanner_init(&scanner);
	content_scan_finish(&scanner); /* BDAT 0 LAST (SMG-06) */
	CHECK_EQ(scanner.faults, 0);
}

static void test_smg06_legal(void)
{
	static const struct {
		const char *in, *content;
		size_t left; /* octets behind the end: the next command */
	} table[] = {
		{".\r\nQUIT\r\n", "", 6},
		{"..\r\n...\r\n.x\r\n.\r\n", ".\r\n..\r\nx\r\n", 0},
		{"a: b\r\n.\r\nMAIL FROM:<x@y>\r\n", "a: b\r\n", 17},
		{"\r\n.\r\n.\r\n", "\r\n", 3},
		{"x.\r\n.\r\n", "x.\r\n", 0},
		{"x\r\n. \r\n.\r\n", "x\r\n \r\n", 0},
	};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		const uint8_t *in = (const uint8_t *)table[i].in;
		size_t length = strlen(table[i].in);
		struct outcome o = scan(in, length, &(struct cut){.piece = length, .room = 64});

		CHECK(o.ended);
		CHECK_EQ(o.scanner.faults, 0);
		CHECK_EQ(length - o.consumed, table[i].left);
		CHECK_EQ(o.length, strlen(table[i].content));
		CHECK(memcmp(actual, table[i].content, o.length) == 0);
		check_cuts(in, length);
	}
}

/* Every fault, dot and terminator at every place of a block, before and behind ordinary blocks. */
static void test_block_edges(void)
{
	static const char *const pieces[] = {"\r\n.\r\n", "\r\n.\r", "\r\n.",   "\r\n..", "\r", "\n",
					     "\n.\r\n",   "\r\r\n",  "\r.\r\n", "\x80",   ".",  "\r\n.\r\r\n.\r\n"};
	uint8_t in[400];

	for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
		for (size_t at = 0; at < 200; at++) {
			memset(in, 'x', sizeof in);
			memcpy(in + at, pieces[p], strlen(pieces[p]));
			CHECK(same(in, sizeof in, &(struct cut){.piece = sizeof in, .room = STREAM_MAX}));
			CHECK(same(in, sizeof in, &(struct cut){.first = at, .piece = 400, .room = STREAM_MAX}));
			CHECK(same(in, at + strlen(pieces[p]), &(struct cut){.piece = 400, .room = 100}));
			in[at] = 0;
			CHECK(same(in, sizeof in, &(struct cut){.piece = sizeof in, .room = STREAM_MAX}));
		}
	}
}

/* Mostly ordinary lines, sometimes anything. */
static size_t random_stream(uint8_t *out, size_t length, unsigned odd)
{
	static const char few[] = "\r\n.\r\n.\r\n.\0\x80x";

	for (size_t i = 0; i < length; i++)
		out[i] = below(odd) == 0 ? (uint8_t)few[below(sizeof few - 1)] : (uint8_t)(' ' + below(90));
	for (size_t i = 40; i + 3 < length; i += 20 + below(80))
		memcpy(out + i, "\r\n..", below(4) ? 2 : 4);
	return length;
}

static void test_random_streams(void)
{
	uint8_t in[3000];

	for (unsigned round = 0; round < 3000; round++) {
		size_t length = random_stream(in, 1 + below(sizeof in), round % 3 ? 3 + below(400) : 100000);

		CHECK(same(in, length, &(struct cut){0}));
		CHECK(same(in, length, &(struct cut){.piece = length, .room = STREAM_MAX}));
	}
}

static void check_encode(const uint8_t *in, size_t length, size_t piece, size_t room)
{
	struct content_encoder encoder, checker;
	size_t clean = reference_violation(in, length), want = reference_encode(in, clean, expected);
	size_t taken = 0, put = 0, consumed, written;
	bool ok = true;

	content_encoder_init(&encoder);
	content_encoder_init(&checker);
	while (ok && taken < length) {
		size_t n = piece ? piece : 1 + below(200), space = room ? room : 2 + below(200);

		n = n < length - taken ? n : length - taken;
		ok = content_encode(&encoder, in + taken, n, &consumed, encoded + put, space, &written);
		CHECK(written <= space);
		CHECK_EQ(content_encode_check(&checker, in + taken, consumed), true);
		taken += consumed;
		put += written;
	}
	CHECK_EQ(ok, clean == length);
	CHECK_EQ(taken, clean);
	CHECK_EQ(put, want);
	CHECK(memcmp(encoded, expected, want) == 0);
	if (!ok) {
		uint8_t end[5];

		CHECK_EQ(content_encode_end(&encoder, end), 0);
		CHECK_EQ(content_encode_check(&checker, in + taken, length - taken), false);
		CHECK_EQ(content_encode(&encoder, in, 1, &consumed, encoded, 10, &written), false);
		CHECK_EQ(written, 0);
	}
}

static void test_smg03_encoder(void)
{
	uint8_t in[3000];

	for (unsigned round = 0; round < 3000; round++) {
		size_t length = random_stream(in, 1 + below(sizeof in), round % 3 ? 3 + below(4000) : 1000000);

		check_encode(in, length, 0, 0);
		check_encode(in, length, length, 2 * STREAM_MAX);
	}
	for (size_t at = 0; at < 200; at++) { /* one violation at each place of a block */
		static const char *const pieces[] = {"\r", "\n", "\n\r", "\r\r\n", "\r\n", "\r\n.", "\r\n.\r\n.\r\n"};

		for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
			memset(in, 'y', 300);
			memcpy(in + at, pieces[p], strlen(pieces[p]));
			check_encode(in, 300, 300, 1000);
			check_encode(in, at + strlen(pieces[p]), 300, 1000);
			check_encode(in, 300, 1, 2);
			in[at] = 0;
			check_encode(in, 300, 300, 1000);
		}
	}
}

static void test_smg03_end(void)
{
	static const struct {
		const char *in, *out;
	} table[] = {{"", ".\r\n"}, {"x", "x\r\n.\r\n"}, {"x\r\n", "x\r\n.\r\n"}, {".", "..\r\n.\r\n"}, {"x\r", "x"}};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct content_encoder encoder;
		size_t consumed, written;
		uint8_t out[64];

		content_encoder_init(&encoder);
		CHECK(content_encode(&encoder, (const uint8_t *)table[i].in, strlen(table[i].in), &consumed, out,
				     sizeof out, &written));
		written += content_encode_end(&encoder, out + written);
		CHECK_EQ(written, strlen(table[i].out));
		CHECK(memcmp(out, table[i].out, written) == 0);
	}
}

/* LOP-01: 99, 100, 101 trace lines; folded, lower case; a megabyte of them does not wrap the counter. */
static void test_lop01_hops(void)
{
	static const struct {
		const char *text;
		unsigned hops;
	} table[] = {
		{"Received: a\r\n\tb\r\n c\r\nReceived: d\r\n\r\n", 2},
		{"received: a\r\nRECEIVED:b\r\nReCeIvEd : c\r\n\r\n", 3},
		{"X-Received: a\r\nReceivedx: b\r\nReceived\r\nReceive: c\r\n Received: d\r\n\r\n", 0},
		{"Received: a\r\n\r\nReceived: body\r\n", 1},
		{"\r\nReceived: body\r\n", 0},
		{"Received: a\nReceived: b\n\nReceived: body\n", 2},
		{"Received: a\r\r\nReceived: b\r\r\n\r\r\nReceived: body\r\r\n", 2},
		{"..Received: a\r\n.Received: unstuffed\r\n\r\n", 1},
		/* A body: nothing can be folded before the first field. */
		{" x\r\nReceived: body\r\n\r\n", 0},
		{".\tx\r\nReceived: body\r\n\r\n", 0},
	};
	static uint8_t big[STREAM_MAX];

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		const uint8_t *in = (const uint8_t *)table[i].text;
		size_t length = strlen(table[i].text);

		CHECK_EQ(scan(in, length, &(struct cut){.piece = length, .room = 512}).scanner.hops, table[i].hops);
		check_cuts(in, length);
	}
	for (unsigned hops = 99; hops <= 101; hops++) {
		size_t n = 0;

		for (unsigned i = 0; i < hops; i++)
			n += (size_t)sprintf((char *)big + n, "Received: from h%u\r\n\tby x;\r\n", i);
		n += (size_t)sprintf((char *)big + n, "Subject: s\r\n\r\nReceived: in the body\r\n");
		CHECK_EQ(scan(big, n, &(struct cut){0}).scanner.hops, hops);
		CHECK_EQ(scan(big, n, &(struct cut){.piece = n, .room = STREAM_MAX}).scanner.hops, hops);
	}
	struct content_scanner scanner;
	content_scanner_init(&scanner);
	for (unsigned i = 0; i < 100000; i++)
		content_scan_chunk(&scanner, (const uint8_t *)"Received:x\r\n", 12);
	CHECK_EQ(scanner.hops, UINT16_MAX);
}

int main(void)
{
	RUN(test_smg01_matrix);
	RUN(test_smg02_named);
	RUN(test_smg03_encoder);
	RUN(test_smg03_end);
	RUN(test_smg04_chunk_is_content);
	RUN(test_smg06_legal);
	RUN(test_block_edges);
	RUN(test_random_streams);
	RUN(test_lop01_hops);
	return check_end();
}
