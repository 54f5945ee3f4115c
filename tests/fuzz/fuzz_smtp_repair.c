/*
 * fuzz_smtp_repair.c - content of old devices: what was repaired has no bare LF, no CR but those it says, no line that
 * is longer than may be, and is the same however the stream was cut.
 *
 * Input: one octet that says what is to be done, one that says where it is cut, then content.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/smtp/repair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

struct made {
	uint8_t *out;
	size_t length, consumed;
	bool bare_cr, ended;
};

static struct made content(unsigned what, const uint8_t *in, size_t length, size_t step)
{
	struct made made = {.out = malloc(repair_room(length) + length * 8 / step + 8)};
	struct repair repair;

	need(made.out != NULL);
	repair_init(&repair, what);
	for (size_t i = 0; i < length; i += step) {
		size_t n = length - i < step ? length - i : step, written;
		written = repair_content(&repair, in + i, n, made.out + made.length);
		need(written <= repair_room(n));
		made.length += written;
	}
	made.bare_cr = repair.bare_cr;
	return made;
}

static struct made lines(unsigned what, const uint8_t *in, size_t length, size_t step)
{
	struct made made = {.out = malloc(repair_room(length) + 64)};
	struct repair repair;

	need(made.out != NULL);
	repair_init(&repair, what);
	while (made.consumed < length && !made.ended) {
		size_t n = length - made.consumed < step ? length - made.consumed : step, consumed, written;
		made.ended = repair_lines(&repair, in + made.consumed, n, &consumed, made.out + made.length,
					  repair_room(1) + step % 50, &written) == CONTENT_END;
		need(consumed > 0 && consumed <= n && written <= repair_room(1) + step % 50);
		made.consumed += consumed;
		made.length += written;
	}
	made.bare_cr = repair.bare_cr;
	return made;
}

static void look(const struct made *made, unsigned what, bool endings)
{
	size_t column = 0;

	for (size_t i = 0; i < made->length; i++) {
		bool lf = made->out[i] == '\n', cr = made->out[i] == '\r';
		need(!lf || (i > 0 && made->out[i - 1] == '\r'));
		if (cr && (i + 1 == made->length || made->out[i + 1] != '\n'))
			need(made->bare_cr);
		column = lf ? 0 : column + !cr;
		need(!(what & REPAIR_WRAP) || column <= REPAIR_HARD);
	}
	need(!made->ended || made->length == 0 || (endings && made->out[made->length - 1] == '\n'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct made whole, cut;
	unsigned what;
	size_t step;

	if (size < 2)
		return 0;
	what = data[0] & (REPAIR_ENDINGS | REPAIR_WRAP);
	step = 1u + data[1];
	data += 2;
	size -= 2;
	whole = content(what, data, size, size + 1);
	cut = content(what, data, size, step);
	need(whole.length == cut.length && memcmp(whole.out, cut.out, cut.length) == 0);
	need(whole.bare_cr == cut.bare_cr);
	look(&whole, what, true);
	free(whole.out);
	free(cut.out);
	whole = lines(what, data, size, size + 1);
	cut = lines(what, data, size, step);
	need(whole.length == cut.length && memcmp(whole.out, cut.out, cut.length) == 0);
	need(whole.bare_cr == cut.bare_cr && whole.ended == cut.ended && whole.consumed == cut.consumed);
	look(&whole, what, true);
	free(whole.out);
	free(cut.out);
	return 0;
}
