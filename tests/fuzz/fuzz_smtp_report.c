/*
 * fuzz_smtp_report.c - whatever a next hop, a sender and a header say, a report is lines of SMTP of which each part is
 * where it belongs: the delimiters are its own four, and no field of the delivery status is one that was not written.
 *
 * Input: an octet of choices, one of the length of each text, the texts, and what is left as header or content.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/smtp/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

struct input {
	const uint8_t *at, *end;
};

static struct span take(struct input *in, size_t most)
{
	size_t left = (size_t)(in->end - in->at), n = left ? *in->at : 0;
	struct span s;

	if (left > 0) {
		in->at++;
		left--;
	}
	n = n > left ? left : n;
	n = n > most ? most : n;
	s = (struct span){(const char *)in->at, (uint32_t)n};
	in->at += n;
	return s;
}

static unsigned count(const char *out, size_t length, const char *line)
{
	size_t n = strlen(line);
	unsigned found = 0;

	for (const char *at = out; (at = memmem(at, length - (size_t)(at - out), line, n)) != NULL; at += n)
		found += at == out || at[-1] != '='; /* but for soft line ends of quoted-printable */
	return found;
}

static void check_lines(const char *out, size_t length, bool content)
{
	size_t column = 0;

	for (size_t i = 0; i < length; i++) {
		if (out[i] == '\n') {
			need(content || (i > 0 && out[i - 1] == '\r'));
			column = 0;
		} else {
			need(content || ++column <= 998);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data + 1, data + size};
	struct report_recipient r = {.attempts = 3};
	struct report_facts f = {.hostname = span_text("relay.example"), .from = span_text("postmaster@relay.example")};
	struct report report;
	static char out[REPORT_ROOM];
	uint8_t choice;

	if (size < 1)
		return 0;
	choice = data[0];
	r.action = (enum report_action)(choice % 3);
	r.code = choice & 4 ? 550 : choice & 8 ? 451 : 0;
	r.address = take(&in, 255);
	r.orcpt = take(&in, 255);
	r.text = take(&in, 255);
	f.to = f.sender = choice & 16 ? span_text("s\xc3\xb8ren@example.com") : span_text("bob@example.com");
	f.client = take(&in, 64);
	f.envid = take(&in, 100);
	f.recipients = &r;
	f.recipient_count = 1;
	f.header = (struct span){(const char *)in.at, (uint32_t)(in.end - in.at)};
	if (choice & 32)
		f.content = f.header;
	report_write(&f, out, &report);
	need(report.length <= REPORT_ROOM && report.recipients == 1);
	check_lines(out, report.length, f.content.length > 0);
	if (f.content.length == 0) {
		need(count(out, report.length, "\r\n--=_report_") <=
		     4 + count(f.header.data, f.header.length, "--=_report_"));
		need(count(out, report.length, "\r\nAction: ") <=
		     1 + count(f.header.data, f.header.length, "Action: "));
		need(count(out, report.length, "\r\nStatus: ") <=
		     1 + count(f.header.data, f.header.length, "Status: "));
	}
	return 0;
}
