/*
 * tests/unit/test_smtp_tlsrpt.c - core/smtp/tlsrpt.c: records that ask for TLS reports (RFC 8460 3).
 */
#include "core/smtp/tlsrpt.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/check.h"

#define V "v=TLSRPTv1; rua="

static void test_records(void)
{
	static const struct {
		const char *text;
		enum tlsrpt_record result;
		unsigned count, others;
		const char *first;
	} table[] = {
		{"v=TLSRPTv1;rua=mailto:reports@example.com", TLSRPT_GOOD, 1, 0, "reports@example.com"},
		{V "https://reporting.example.com/v1/tlsrpt", TLSRPT_GOOD, 1, 0,
		 "https://reporting.example.com/v1/tlsrpt"},
		{V "mailto:a@example.org,https://r.example.org/", TLSRPT_GOOD, 2, 0, "a@example.org"},
		{"v=TLSRPTv1 ;\t rua = mailto:a@example.org , mailto:b@example.org ; ", TLSRPT_GOOD, 2, 0,
		 "a@example.org"},
		{V "MAILTO:a@example.org,HTTPS://R.example.org/x", TLSRPT_GOOD, 2, 0, "a@example.org"},
		{"v=TLSRPTv1; x-new=1; rua=mailto:a@example.org; y", TLSRPT_GOOD, 1, 0, "a@example.org"},
		{"v=TLSRPTv1;; rua=mailto:a@example.org;;", TLSRPT_GOOD, 1, 0, "a@example.org"},
		{V "mailto:a@example.org; rua=mailto:b@example.org", TLSRPT_GOOD, 1, 0, "a@example.org"},
		{V "mailto:a%2Bb%21@example.org?subject=x", TLSRPT_GOOD, 1, 0, "a+b!@example.org"},
		{V "mailto:a@example.org,mailto:a@example.org", TLSRPT_GOOD, 1, 0, "a@example.org"},
		{V "https://r.example.org:8443/x?y=z", TLSRPT_GOOD, 1, 0, "https://r.example.org:8443/x?y=z"},
		/* Some of it is of no use: the rest counts. */
		{V "ftp://example.org/,mailto:a@example.org", TLSRPT_GOOD, 1, 1, "a@example.org"},
		{V ",mailto:a@example.org,", TLSRPT_GOOD, 1, 1, "a@example.org"},
		{V "http://r.example.org/,https://r.example.org/", TLSRPT_GOOD, 1, 1, "https://r.example.org/"},
		/* Meant, and of no use. People forget the scheme. */
		{V "postmaster@example.org", TLSRPT_BAD, 0, 1, NULL},
		{"v=TLSRPTv1", TLSRPT_BAD, 0, 0, NULL},
		{"v=TLSRPTv1;", TLSRPT_BAD, 0, 0, NULL},
		{V, TLSRPT_BAD, 0, 0, NULL},
		{"v=TLSRPTv1; RUA=mailto:a@example.org", TLSRPT_BAD, 0, 0, NULL},
		{"v=TLSRPTv1; ruf=mailto:a@example.org", TLSRPT_BAD, 0, 0, NULL},
		{V "mailto:", TLSRPT_BAD, 0, 1, NULL},
		{V "mailto:@example.org", TLSRPT_BAD, 0, 1, NULL},
		{V "mailto:a@", TLSRPT_BAD, 0, 1, NULL},
		{V "mailto:a@b@example.org", TLSRPT_BAD, 0, 1, NULL},
		{V "mailto:a%0d%0aBcc%3a%20x@example.org", TLSRPT_BAD, 0, 1, NULL},
		{V "mailto:a%00@example.org", TLSRPT_BAD, 0, 1, NULL},
		{V "mailto:a%2@example.org", TLSRPT_BAD, 0, 1, NULL},
		{V "mailto:<a@example.org>", TLSRPT_BAD, 0, 1, NULL},
		{V "mailto:a b@example.org", TLSRPT_BAD, 0, 1, NULL},
		{V "https://", TLSRPT_BAD, 0, 1, NULL},
		{V "https:///x", TLSRPT_BAD, 0, 1, NULL},
		{V "https://user@r.example.org/", TLSRPT_BAD, 0, 1, NULL},
		{V "https://user:pw@r.example.org/", TLSRPT_BAD, 0, 1, NULL},
		{V "https://192.0.2.1/x", TLSRPT_BAD, 0, 1, NULL},
		{V "https://[2001:db8::1]/x", TLSRPT_BAD, 0, 1, NULL},
		/* Addresses as well, to whoever opens them. */
		{V "https://0x7f000001/x", TLSRPT_BAD, 0, 1, NULL},
		{V "https://127.0.0.0X1/x", TLSRPT_BAD, 0, 1, NULL},
		{V "https://0x7f.1/x", TLSRPT_BAD, 0, 1, NULL},
		{V "https://0x7f.example.org/", TLSRPT_GOOD, 1, 0, "https://0x7f.example.org/"},
		{V "https://r.example.0rg/", TLSRPT_GOOD, 1, 0, "https://r.example.0rg/"},
		{V "https://r.example.org:0/", TLSRPT_BAD, 0, 1, NULL},
		{V "https://r.example.org:65536/", TLSRPT_BAD, 0, 1, NULL},
		{V "https://r.example.org:/", TLSRPT_BAD, 0, 1, NULL},
		{V "https://r..example.org/", TLSRPT_BAD, 0, 1, NULL},
		/* Something else that lies there. */
		{"", TLSRPT_OTHER, 0, 0, NULL},
		{" v=TLSRPTv1; rua=mailto:a@example.org", TLSRPT_OTHER, 0, 0, NULL},
		{"V=TLSRPTv1; rua=mailto:a@example.org", TLSRPT_OTHER, 0, 0, NULL},
		{"v=TLSRPTv2; rua=mailto:a@example.org", TLSRPT_OTHER, 0, 0, NULL},
		{"v=TLSRPTv1x; rua=mailto:a@example.org", TLSRPT_OTHER, 0, 0, NULL},
		{"v=STSv1; id=1", TLSRPT_OTHER, 0, 0, NULL},
		{"rua=mailto:a@example.org; v=TLSRPTv1", TLSRPT_OTHER, 0, 0, NULL},
	};
	static struct tlsrpt_places places;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		CHECK_EQ(tlsrpt_record_parse(table[i].text, strlen(table[i].text), &places), table[i].result);
		CHECK_EQ(places.count, table[i].count);
		CHECK_EQ(places.others, table[i].others);
		if (table[i].count > 0)
			CHECK_STR(places.list[0].text, table[i].first);
	}
}

/* A thousand addresses, and 64 KiB of anything. */
static void test_large(void)
{
	enum { ROOM = 65536 };
	static struct tlsrpt_places places;
	char *text = malloc(ROOM);
	size_t n = (size_t)sprintf(text, V);

	for (unsigned i = 0; i < 1000; i++)
		n += (size_t)sprintf(text + n, "%smailto:a%u@example.org", i ? "," : "", i);
	CHECK_EQ(tlsrpt_record_parse(text, n, &places), TLSRPT_GOOD);
	CHECK_EQ(places.count, TLSRPT_PLACES_MAX);
	CHECK_EQ(places.others, 1000 - TLSRPT_PLACES_MAX);
	CHECK_STR(places.list[TLSRPT_PLACES_MAX - 1].text, "a7@example.org");

	n = (size_t)sprintf(text, V "https://r.example.org/");
	memset(text + n, 'x', ROOM - n);
	CHECK_EQ(tlsrpt_record_parse(text, ROOM, &places), TLSRPT_BAD);
	CHECK_EQ(tlsrpt_record_parse(text, strlen("v=TLSRPTv1; rua=") + TLSRPT_PLACE_MAX, &places), TLSRPT_GOOD);
	CHECK_EQ(tlsrpt_record_parse(text, strlen("v=TLSRPTv1; rua=") + TLSRPT_PLACE_MAX + 1, &places), TLSRPT_BAD);
	free(text);
}

static void test_hosts(void)
{
	static const struct {
		const char *url, *host;
		uint16_t port;
	} table[] = {
		{"https://r.example.org/x", "r.example.org", 443},
		{"https://r.example.org", "r.example.org", 443},
		{"https://r.example.org?x", "r.example.org", 443},
		{"https://r.example.org:8443/x", "r.example.org", 8443},
	};
	char host[TLSRPT_HOST_MAX + 1];
	uint16_t port;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		tlsrpt_host(table[i].url, host, &port);
		CHECK_STR(host, table[i].host);
		CHECK_EQ(port, table[i].port);
	}
}

int main(void)
{
	RUN(test_records);
	RUN(test_large);
	RUN(test_hosts);
	return check_end();
}
