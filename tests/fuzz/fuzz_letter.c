/*
 * fuzz_letter.c - a message as programs write it to sendmail. What is made of it is lines that end in CRLF, without NUL
 * and CR elsewhere, and has no Bcc; made again of that it stays as it is. Addresses are words.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/tools/letter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

static void check_text(const struct letter *letter)
{
	bool header = true;

	for (size_t at = 0; at < letter->length;) {
		const char *line = letter->text + at, *end = memchr(line, '\n', letter->length - at);
		need(end && end > line && end[-1] == '\r');
		size_t n = (size_t)(end - line) - 1;
		need(!memchr(line, '\r', n) && !memchr(line, '\0', n));
		header = header && n > 0;
		need(!header || n < 4 || strncasecmp(line, "bcc:", 4) != 0);
		at += n + 2;
	}
}

static bool on_address(void *context, const char *address)
{
	need(*address != '\0');
	++*(unsigned *)context;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct letter_wishes wishes = {
		.dots = size > 0 && data[0] & 1, .from = "me@example.net", .date = "now", .message_id = "<1@x>"};
	struct letter letter, again;
	unsigned count = 0;

	need(letter_make((const char *)data, size, &wishes, &letter));
	check_text(&letter);
	wishes.dots = false;
	need(letter_make(letter.text, letter.length, &wishes, &again));
	need(again.length == letter.length && memcmp(again.text, letter.text, letter.length) == 0);
	need(again.eight_bit == letter.eight_bit);
	need(letter_addresses(letter.recipients, letter.recipients_length, on_address, &count));
	need(letter_addresses((const char *)data, size, on_address, &count));
	letter_free(&again);
	letter_free(&letter);
	return 0;
}
