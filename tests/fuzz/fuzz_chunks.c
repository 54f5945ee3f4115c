/*
 * fuzz_chunks.c - a message's octets by DATA, and in chunks of any sizes by BDAT (RFC 3030): it is accepted or refused
 * for the same, what is stored is the same but for an end of line that DATA adds, and nothing in a chunk is a command.
 *
 * The first octet says how many follow that are sizes of chunks; what is left is the message.
 */
#include "tests/fuzz/session_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void says(const void *data, size_t length)
{
	arrives(data, length);
	quiet();
}

static void says_text(const char *text)
{
	says(text, strlen(text));
}

/* A session up to the content. */
static void begin_message(void)
{
	listener.tls = CONFIG_LISTENER_TLS_OFF;
	listener.auth = CONFIG_LISTENER_AUTH_OFF;
	listener.proxy_count = 0;
	stored.kept = true;
	stored.length = 0;
	begin(CLIENT);
	quiet();
	says_text("EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<a@a>\r\n");
}

/* What the last reply but that to QUIT says. */
static unsigned end_message(void)
{
	unsigned code;
	const char *last;

	says_text("QUIT\r\n");
	need(line.length > 20 && line.fin);
	last = memrchr(line.output, '\n', line.length - 1);
	need(last && memcmp(last + 1, "221 ", 4) == 0);
	last = memrchr(line.output, '\n', (size_t)(last - line.output) - 1);
	need(last);
	code = (unsigned)atoi(last + 1);
	end(0);
	quiet();
	need(!line.t);
	finish();
	stored.kept = false;
	return code;
}

static unsigned by_data(const uint8_t *content, size_t length)
{
	static uint8_t stuffed[2 * HELD_MAX + 8];
	size_t n = 0;

	for (size_t i = 0; i < length; i++) {
		bool at_line = i == 0 || (i > 1 && content[i - 1] == '\n' && content[i - 2] == '\r');
		if (at_line && content[i] == '.')
			stuffed[n++] = '.';
		stuffed[n++] = content[i];
	}
	if (length > 0 && (length < 2 || content[length - 1] != '\n' || content[length - 2] != '\r')) {
		stuffed[n++] = '\r';
		stuffed[n++] = '\n';
	}
	memcpy(stuffed + n, ".\r\n", 3);
	begin_message();
	says_text("DATA\r\n");
	for (size_t at = 0; at < n + 3; at += HELD_MAX / 2)
		says(stuffed + at, n + 3 - at < HELD_MAX / 2 ? n + 3 - at : HELD_MAX / 2);
	return end_message();
}

/* Chunks as long as the octets of `sizes` say; each arrives with its command, or behind it. */
static unsigned by_chunks(const uint8_t *content, size_t length, const uint8_t *sizes, size_t count)
{
	static uint8_t out[2 * HELD_MAX];
	size_t at = 0, n;

	begin_message();
	for (size_t i = 0; i == 0 || at < length || i < count; i++, at += n) {
		bool last;
		int head;

		n = i < count ? (size_t)sizes[i] * (i % 3 ? 1 : 100) : length;
		n = n < length - at ? n : length - at;
		if (n > config.spool.message_size_max)
			n = config.spool.message_size_max;
		last = at + n == length && i + 1 >= count;
		head = snprintf((char *)out, sizeof(out), "BDAT %zu%s\r\n", n, last ? " LAST" : "");
		memcpy(out + head, content + at, n);
		if (i % 2) {
			says(out, (size_t)head + n);
		} else {
			says(out, (size_t)head);
			says(content + at, n);
		}
	}
	return end_message();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t first[sizeof(stored.content)];
	size_t count = size > 0 && data[0] < size ? data[0] : 0, length, kept;
	const uint8_t *sizes = data + (size > 0), *content = sizes + count;
	unsigned one, other;

	if (size > HELD_MAX / 2)
		return 0;
	length = size > 0 ? size - 1 - count : 0;
	one = by_data(content, length);
	kept = stored.length;
	memcpy(first, stored.content, kept);
	other = by_chunks(content, length, sizes, count);
	/* A chunk that was refused is followed by 503. What is too large is so for one of several reasons, and perhaps
	 * only with the end of line that DATA adds. */
	need(one == other || (one >= 500 && other == 503) ||
	     (length + 2 > config.spool.message_size_max && (one >= 500 || other == 250)));
	if (one != 250 || other != 250)
		return 0;
	need(kept == stored.length || kept == stored.length + 2);
	need(memcmp(first, stored.content, stored.length) == 0);
	return 0;
}
