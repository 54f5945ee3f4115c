/*
 * bench/source_content.c - the prepared message of the load generator.
 *
 * The head is copied into the output and two numbers are written into the copy; the body is only copied. So
 * a message costs two memcpy() whatever its size. Content is exactly --size octets, or the head and one short
 * line when that is less. Every line ends in CRLF and none begins with a dot: DATA and BDAT carry the same.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/source.h"
#include "core/base/clock.h"

enum { BODY_LINE = 78 }; /* with CRLF */

static size_t find(const struct buffer *text, const char *what)
{
	const uint8_t *at = memmem(text->data, text->length, what, strlen(what));
	assert(at);
	return (size_t)(at - text->data);
}

static void make_head(struct source_content *content, const struct source_options *options)
{
	struct buffer head = {0};
	char date[64];
	char run[24];
	struct tm utc;
	time_t now = (time_t)(clock_wall_ns() / CLOCK_NS_PER_S);
	gmtime_r(&now, &utc);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &utc);
	/* Runs that repeat a sequence must not repeat its Message-ID. */
	snprintf(run, sizeof(run), "%llx", (unsigned long long)clock_wall_ns());
	buffer_print(&head, COMMON_SEQUENCE_HEADER "000000000000\r\n");
	buffer_print(&head, "Message-ID: <000000000000.%s@source.invalid>\r\n", run);
	buffer_print(&head, "Date: %s\r\n", date);
	buffer_print(&head, "From: <%s>\r\n", options->sender[0] ? options->sender : "source@source.invalid");
	buffer_print(&head, "To: <%s>\r\n", options->recipient);
	buffer_print(&head, "Subject: load\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n");
	content->sequence_at[0] = find(&head, COMMON_SEQUENCE_HEADER) + strlen(COMMON_SEQUENCE_HEADER);
	content->sequence_at[1] = find(&head, "Message-ID: <") + strlen("Message-ID: <");
	content->head = head.data;
	content->head_length = head.length;
}

static void make_body(struct source_content *content, uint64_t size)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t length = size > content->head_length + 3 ? (size_t)size - content->head_length : 3;
	content->body = malloc(length);
	if (!content->body)
		common_fail(COMMON_EXIT_ENVIRONMENT, "no memory for messages of %llu octets", (unsigned long long)size);
	content->body_length = length;
	for (size_t i = 0; i < length; i++) {
		size_t column = i % BODY_LINE;
		content->body[i] = (uint8_t)letters[(i * 7 + i / BODY_LINE) % (sizeof(letters) - 1)];
		if (column == BODY_LINE - 2)
			content->body[i] = '\r';
		else if (column == BODY_LINE - 1)
			content->body[i] = '\n';
	}
	/* The last line ends where the size says; a CRLF that would be cut in two gives way to text. */
	if (content->body[length - 3] == '\r')
		content->body[length - 3] = 'x';
	content->body[length - 2] = '\r';
	content->body[length - 1] = '\n';
}

static void make_recipients(struct source_content *content, const struct source_options *options)
{
	struct buffer lines = {0};
	const char *at = strrchr(options->recipient, '@');
	int local = at ? (int)(at - options->recipient) : (int)strlen(options->recipient);
	content->recipient_ends = calloc(options->recipients, sizeof(content->recipient_ends[0]));
	if (!content->recipient_ends)
		common_fail(COMMON_EXIT_ENVIRONMENT, "out of memory");
	for (unsigned i = 0; i < options->recipients; i++) {
		buffer_print(&lines, "RCPT TO:<%.*s", local, options->recipient);
		if (i > 0)
			buffer_print(&lines, "-%u", i + 1);
		if (options->domains)
			buffer_print(&lines, "@d000000.%s>\r\n", at + 1);
		else
			buffer_print(&lines, "%s>\r\n", at ? at : "");
		content->recipient_ends[i] = lines.length;
	}
	content->recipients = (char *)lines.data;
	content->domains = options->domains;
	content->digits_back = options->domains ? strlen(at + 1) + strlen("000000.>\r\n") : 0;
}

void source_recipients_copy(const struct source_content *content, unsigned first, unsigned end, uint64_t sequence,
			    uint8_t *out)
{
	size_t start = first ? content->recipient_ends[first - 1] : 0;
	char digits[12];

	memcpy(out, content->recipients + start, content->recipient_ends[end - 1] - start);
	if (!content->domains)
		return;
	snprintf(digits, sizeof(digits), "%06u", (unsigned)(sequence % content->domains) + 1);
	for (unsigned i = first; i < end; i++)
		memcpy(out + (content->recipient_ends[i] - start - content->digits_back), digits, 6);
}

void source_content_init(struct source_content *content, const struct source_options *options)
{
	make_head(content, options);
	make_body(content, options->size);
	make_recipients(content, options);
}

void source_content_free(struct source_content *content)
{
	free(content->head);
	free(content->body);
	free(content->recipients);
	free(content->recipient_ends);
}
