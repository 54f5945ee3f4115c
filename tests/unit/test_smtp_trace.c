/*
 * test_smtp_trace.c - message ids, and a Received header that nothing can be injected into (LOP-04).
 */
#include "core/smtp/trace.h"

#include <stdio.h>
#include <time.h>

#include "tests/unit/check.h"

static struct span span(const char *text)
{
	return (struct span){text, (uint32_t)strlen(text)};
}

static const char *received(const char *helo, const char *peer, uint64_t seconds)
{
	static char out[TRACE_MAX + 1];
	struct trace trace = {
		.helo = span(helo),
		.peer = span(peer),
		.hostname = span("relay.example.org"),
		.protocol = "ESMTP",
		.id = {0, 1},
		.wall_ns = seconds * UINT64_C(1000000000) + 999999999,
	};

	out[trace_received(&trace, out)] = '\0';
	return out;
}

#define TAIL "\r\n\tby relay.example.org (postrider) with ESMTP id 00000000000000000000000001;\r\n\t"

static void test_header(void)
{
	CHECK_STR(received("client.example", "192.0.2.1", 1795468606),
		  "Received: from client.example ([192.0.2.1])" TAIL "Mon, 23 Nov 2026 21:16:46 +0000\r\n");
	CHECK_STR(received("[IPv6:2001:db8::1]", "2001:db8::1", 0),
		  "Received: from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])" TAIL "Thu, 01 Jan 1970 00:00:00 +0000\r\n");
}

static void test_lop04_injection(void)
{
	static const char *const names[] = {"a\r\nX: y", "a\nb", "a>b", "a(b", "a b", "\x80", "", "a\"b"};
	static const char address[] = "Received: from [192.0.2.1] ([192.0.2.1])\r\n";
	static char big[10001];

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		CHECK(strncmp(received(names[i], "192.0.2.1", 0), address, sizeof address - 1) == 0);
	memset(big, 'a', sizeof big - 1);
	CHECK(strncmp(received(big, "192.0.2.1", 0), address, sizeof address - 1) == 0);
	CHECK(strstr(received("a b", "2001:db8::1", 0), "from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])\r\n") != NULL);
	CHECK(strstr(received("a b", "", 0), "from unknown (unknown)\r\n") != NULL);
	CHECK(strstr(received("h", "1.2.3.4]\r\nX: y", 0), "from h (unknown)\r\n") != NULL);
	CHECK(strstr(received("h", big, 0), "from h (unknown)\r\n") != NULL);
	CHECK(strstr(received("h", "", 0), "from h (unknown)\r\n") != NULL);
	memset(big, 'a', 255); /* the longest valid name fits */
	for (int i = 60; i < 255; i += 60)
		big[i] = '.';
	big[255] = '\0';
	CHECK(strstr(received(big, "2001:db8:1111:2222:3333:4444:5555:6666", 0), big) != NULL);
}

/* Against the C library, over the whole span: leap days, centuries, ends of years. */
static void test_dates(void)
{
	static const uint64_t edges[] = {951782399,  951782400,  951868799,  951868800,
					 4107542399, 4107542400, 13574563199};

	for (uint64_t i = 0; i < 40000; i++) {
		uint64_t seconds = i < sizeof edges / sizeof edges[0] ? edges[i] : i * 86399 * 4;
		time_t t = (time_t)seconds;
		struct tm tm;
		char want[64];

		strftime(want, sizeof want, "\t%a, %d %b %Y %H:%M:%S +0000\r\n", gmtime_r(&t, &tm));
		CHECK(strstr(received("h", "192.0.2.1", seconds), want) != NULL);
	}
}

static int compare(struct message_id a, struct message_id b)
{
	char text_a[MESSAGE_ID_TEXT], text_b[MESSAGE_ID_TEXT];
	int order = a.high != b.high ? (a.high < b.high ? -1 : 1) : a.low != b.low ? (a.low < b.low ? -1 : 1) : 0;
	int text_order;

	message_id_text(a, text_a);
	message_id_text(b, text_b);
	text_order = memcmp(text_a, text_b, sizeof text_a);
	CHECK_EQ((text_order > 0) - (text_order < 0), order);
	return order;
}

/* Growing, also while the clock stands, jumps back, or more ids are wanted than the counter has. */
static void test_id_order(void)
{
	struct message_id_source source;
	struct message_id last = {0, 0}, next;
	uint64_t now = UINT64_C(1795468606000000000);

	message_id_source_init(&source, 3, 0xdeadbeef);
	for (unsigned i = 0; i < 300000; i++) {
		if (i % 1000 == 0)
			now += 1000;
		if (i == 150000)
			now -= UINT64_C(3600000000000);
		next = message_id_next(&source, i < 100000 ? now : now - i % 7);
		CHECK(compare(last, next) < 0);
		CHECK_EQ(next.low >> 48, 3);
		CHECK_EQ(next.low & 0xffffffff, 0xdeadbeef);
		last = next;
	}
}

static void test_id_unique(void)
{
	struct message_id_source a, b, c;

	message_id_source_init(&a, 0, 7);
	message_id_source_init(&b, 1, 7);
	message_id_source_init(&c, 0, 8); /* the same shard after a restart at the same nanosecond */
	struct message_id x = message_id_next(&a, 5), y = message_id_next(&b, 5), z = message_id_next(&c, 5);
	CHECK(compare(x, y) != 0);
	CHECK(compare(x, z) != 0);
	CHECK(compare(y, z) != 0);
}

static void test_id_text(void)
{
	static const struct message_id ids[] = {
		{0, 0},          {UINT64_MAX, UINT64_MAX}, {0, 1}, {1, 0}, {0x0123456789abcdef, 0xfedcba9876543210},
		{0, UINT64_MAX},
	};
	struct message_id out;
	char text[MESSAGE_ID_TEXT];

	for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
		message_id_text(ids[i], text);
		CHECK_EQ(message_id_parse(text, sizeof text, &out), 0);
		CHECK(out.high == ids[i].high && out.low == ids[i].low);
		for (size_t k = 0; k < sizeof text; k++)
			text[k] = (char)(text[k] >= 'A' ? text[k] | 0x20 : text[k]);
		CHECK_EQ(message_id_parse(text, sizeof text, &out), 0);
		CHECK(out.high == ids[i].high && out.low == ids[i].low);
	}
	message_id_text(ids[1], text);
	CHECK(memcmp(text, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", sizeof text) == 0);
	CHECK_EQ(message_id_parse("8ZZZZZZZZZZZZZZZZZZZZZZZZZ", 26, &out), -1);
	CHECK_EQ(message_id_parse("7ZZZZZZZZZZZZZZZZZZZZZZZZ", 25, &out), -1);
	CHECK_EQ(message_id_parse("7ZZZZZZZZZZZZZZZZZZZZZZZZZZ", 27, &out), -1);
	CHECK_EQ(message_id_parse("7ZZZZZZZZZZZZZ/ZZZZZZZZZZZ", 26, &out), -1);
	CHECK_EQ(message_id_parse("7ZZZZZZZZZZZZZ\0ZZZZZZZZZZZ", 26, &out), -1);
	CHECK_EQ(message_id_parse("7ZZZZZZZZZZZZZUZZZZZZZZZZZ", 26, &out), -1);
	CHECK_EQ(message_id_parse("", 0, &out), -1);
}

/* LOP-01: what this relay wrote is known again, in whatever lines others have put it, and nothing else is. */
static void test_own(void)
{
	static const struct {
		const char *field;
		unsigned own;
	} table[] = {
		{"Received: from a (b)\r\n\tby relay.example.org (postrider) with ESMTP id "
		 "00000000000000000000000001;\r\n\tx",
		 1},
		{"RECEIVED : from a by RELAY.example.org\r\n (postrider)\r\n with\r\n\tESMTPSA  id "
		 "01KJK3V3N3ZJ2K8WQX5T7Y0ABC; Mon",
		 1},
		{"Received: from by by other", 0},
		{"Received: from a by relay.example.org with ESMTP id 00000000000000000000000001;", 0},
		{"Received: from a by relay.example.org (postrider) with ESMTP id 0000000000000000000000001;", 0},
		{"Received: from a by relay.example.org (postrider) with ESMTP id 00000000000000000000000001", 0},
		{"Received: from a by relay.example.org. (postrider) with ESMTP id 00000000000000000000000001;", 0},
		{"Received: from a by relay2.example.org (postrider) with ESMTP id 00000000000000000000000001;", 0},
		{"Received: by", 0},
		{"Received:", 0},
		{"X-Received: by relay.example.org (postrider) with ESMTP id 00000000000000000000000001;", 0},
		{"Subject: x\r\n Received: by relay.example.org (postrider) with ESMTP id 00000000000000000000000001;",
		 0},
	};
	char content[1024];

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		int n = snprintf(content, sizeof(content), "To: b\r\n%s\r\n%s\r\n\r\n%s\r\n", table[i].field,
				 table[i].field, table[0].field);
		CHECK_EQ(trace_own(content, (size_t)n, span("relay.example.org")), 2 * table[i].own);
	}
	/* What is written is what is looked for. */
	CHECK_EQ(trace_own(received("a", "192.0.2.1", 0), strlen(received("a", "192.0.2.1", 0)),
			   span("relay.example.org")),
		 1);
	CHECK_EQ(trace_own("", 0, span("relay.example.org")), 0);
}

int main(void)
{
	RUN(test_header);
	RUN(test_lop04_injection);
	RUN(test_dates);
	RUN(test_id_order);
	RUN(test_id_unique);
	RUN(test_id_text);
	RUN(test_own);
	return check_end();
}
