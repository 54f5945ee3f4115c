/*
 * tests/unit/test_converting.c - an attempt's content in pieces, looked at a part at a time and then made anew.
 */
#include "core/deliver/converting.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/check.h"

enum { PIECE = 3 * TURNS_OCTETS + 4000, PIECES = 3 };

static const char head_text[] = "From: box@contoso.com\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n\r\n";
static uint8_t pieces[PIECES][PIECE];
enum { OLD_HEAD = 2000 };

/* Lines with a letter each, wherever a part may be cut. */
static void fill(void)
{
	static const char line[] = "text of some length \xc3\xa9 and more\r\n";
	size_t n = 0;

	for (unsigned i = 0; i < PIECES; i++) {
		for (size_t k = 0; k < PIECE; k++, n++)
			pieces[i][k] = (uint8_t)line[n % (sizeof(line) - 1)];
	}
}

/* Nobody waits for more than a part, however large the pieces are. */
static void test_looked_at_by_parts(void)
{
	const struct exchange_head head = {(const uint8_t *)head_text, sizeof(head_text) - 1, OLD_HEAD};
	struct converting *v = converting_new();
	const uint64_t stored = (uint64_t)PIECE * PIECES;
	uint64_t made = 0;
	int64_t growth = 0;
	size_t written;

	fill();
	for (unsigned i = 0; i < PIECES; i++) {
		const struct exchange_head *its = i == 0 ? &head : NULL;
		unsigned parts = 1;
		while (!converting_look(v, its, pieces[i], PIECE)) {
			CHECK(converting_part(v, its, PIECE) <= TURNS_OCTETS);
			parts++;
		}
		CHECK_EQ(parts, 4);
		CHECK_EQ(v->offset, 0);
	}
	CHECK_EQ(v->octets, stored + head.size - head.replaced);
	CHECK_EQ(converting_looked(v, false, stored, &growth), SEVEN_BIT_CONVERT);
	for (unsigned i = 0; i < PIECES; i++) {
		const struct exchange_head *its = i == 0 ? &head : NULL;
		enum converting_made result;
		unsigned parts = 0;
		do {
			result = converting_make(v, its, pieces[i], PIECE, i == PIECES - 1, &written);
			for (size_t k = 0; k < written; k++)
				CHECK(v->out[k] < 0x80);
			made += written;
			parts++;
		} while (result == CONVERTING_PART);
		CHECK_EQ(result, CONVERTING_WHOLE);
		CHECK_EQ(parts, 4);
	}
	CHECK_EQ(made, stored + (uint64_t)growth);
	converting_free(v);
}

/* A piece of which the head leaves nothing. */
static void test_head_alone(void)
{
	const struct exchange_head head = {(const uint8_t *)head_text, sizeof(head_text) - 1, 10};
	struct converting *v = converting_new();

	CHECK(converting_look(v, &head, (const uint8_t *)"0123456789", 10));
	CHECK_EQ(v->octets, head.size);
	CHECK(converting_look(v, NULL, (const uint8_t *)"\xc3\xa9\r\n", 4));
	CHECK_EQ(v->octets, head.size + 4);
	converting_free(v);
}

int main(void)
{
	RUN(test_looked_at_by_parts);
	RUN(test_head_alone);
	return check_end();
}
