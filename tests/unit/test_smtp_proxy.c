/*
 * tests/unit/test_smtp_proxy.c - core/smtp/proxy.c: headers as balancers send them, and what is none.
 */
#include "core/smtp/proxy.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "tests/unit/check.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define INET "\300\0\2\1\300\0\2\2\4\1\0\31"
#define INET6 "\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\1\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\2\4\1\0\31"
#define TEXT(s) s, sizeof(s) - 1
#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

struct header {
	const char *octets;
	size_t length;
	enum proxy_result result;
	size_t whole;       /* length that the header says */
	const char *client; /* address and port */
};

static const struct header headers[] = {
	/* ---- version 1 ---- */
	{TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 1025 25\r\n"), PROXY_TOLD, 40, "192.0.2.1 1025"},
	{TEXT("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), PROXY_TOLD, 56, "255.255.255.255 65535"},
	{TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 0 0\r\n"), PROXY_TOLD, 36, "192.0.2.1 0"},
	{TEXT("PROXY TCP6 2001:db8::1 2001:db8::2 1025 25\r\n"), PROXY_TOLD, 44, "2001:db8::1 1025"},
	{TEXT("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
	      "65535\r\n"),
	 PROXY_TOLD, 104, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe 65535"},
	{TEXT("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 25\r\n"), PROXY_TOLD, 51, "::ffff:192.0.2.1 1"},
	{TEXT("PROXY UNKNOWN\r\n"), PROXY_OWN, 15, NULL},
	{TEXT("PROXY UNKNOWN ffff:: what ever\r\n"), PROXY_OWN, 32, NULL},
	{TEXT("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
	      "65535\r\n"),
	 PROXY_OWN, 107, NULL},
	{TEXT("PROXY UNKNOWN \0\r\n"), PROXY_OWN, 17, NULL},
	{TEXT("PROXY UNKNOWN " HUNDRED "\r\n"), PROXY_WRONG, 0, NULL},
	{TEXT("PROXY TCP4 " HUNDRED), PROXY_WRONG, 0, NULL},
	{TEXT("PROXY UNKNOWNS\r\n"), PROXY_WRONG, 0, NULL},
	{TEXT("PROXY UNKNOWN\n"), PROXY_WRONG, 0, NULL},
	{TEXT("PROXY\r\n"), PROXY_WRONG, 0, NULL},
	{TEXT("PROXY \r\n"), PROXY_WRONG, 0, NULL},
	{TEXT("PROXY \n"), PROXY_WRONG, 0, NULL},
	{TEXT("PROXY TCP4\r\n"), PROXY_WRONG, 0, NULL},
	{TEXT("PROXY TCP5 192.0.2.1 192.0.2.2 1025 25\r\n"), PROXY_WRONG, 0, NULL},
	{TEXT("PROXY UDP4 192.0.2.1 192.0.2.2 1025 25\r\n"), PROXY_WRONG, 0, NULL},
	{TEXT("PROXY tcp4 192.0.2.1 192.0.2.2 1025 25\r\n"), PROXY_WRONG, 0, NULL},
	{TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 1025 25\n"), PROXY_WRONG, 0, NULL},
	{TEXT("PROXY TCP4  192.0.2.1 192.0.2.2 1025 25\r\n"), PROXY_WRONG, 0, NULL},
	{TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 1025 25 \r\n"), PROXY_WRONG, 0, NULL},
	{TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 1025 25 x\r\n"), PROXY_WRONG, 0, NULL},
	{TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 1025\r\n"), PROXY_WRONG, 0, NULL},
	{TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 1025 \r\n"), PROXY_WRONG, 0, NULL},
	{TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 01025 25\r\n"), PROXY_WRONG, 0, NULL},
	{TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 65536 25\r\n"), PROXY_WRONG, 0, NULL},
	{TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 4294967297 25\r\n"), PROXY_WRONG, 0, NULL},
	{TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 -1 25\r\n"), PROXY_WRONG, 0, NULL},
	{TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 1025 2x\r\n"), PROXY_WRONG, 0, NULL},
	{TEXT("PROXY TCP4 192.0.2.01 192.0.2.2 1025 25\r\n"), PROXY_WRONG, 0, NULL},
	{TEXT("PROXY TCP4 192.0.2.256 192.0.2.2 1025 25\r\n"), PROXY_WRONG, 0, NULL},
	{TEXT("PROXY TCP4 192.0.2.1\0 192.0.2.2 1025 25\r\n"), PROXY_WRONG, 0, NULL},
	{TEXT("PROXY TCP4 2001:db8::1 2001:db8::2 1025 25\r\n"), PROXY_WRONG, 0, NULL},
	{TEXT("PROXY TCP6 192.0.2.1 192.0.2.2 1025 25\r\n"), PROXY_WRONG, 0, NULL},
	{TEXT("PROXY TCP6 fe80::1%eth0 fe80::2 1025 25\r\n"), PROXY_WRONG, 0, NULL},
	{TEXT("PROXY TCP4 192.0.2.1 mail.example.org 1025 25\r\n"), PROXY_WRONG, 0, NULL},
	{TEXT("PROXY\tTCP4 192.0.2.1 192.0.2.2 1025 25\r\n"), PROXY_WRONG, 0, NULL},
	{TEXT("proxy TCP4 192.0.2.1 192.0.2.2 1025 25\r\n"), PROXY_WRONG, 0, NULL},
	{TEXT(" PROXY TCP4 192.0.2.1 192.0.2.2 1025 25\r\n"), PROXY_WRONG, 0, NULL},
	{TEXT("EHLO client.example.net\r\n"), PROXY_WRONG, 0, NULL},
	{TEXT("\26\3\1"), PROXY_WRONG, 0, NULL},
	{TEXT("PX"), PROXY_WRONG, 0, NULL},
	/* ---- version 2 ---- */
	{TEXT(SIGNATURE "\41\21\0\14" INET), PROXY_TOLD, 28, "192.0.2.1 1025"},
	{TEXT(SIGNATURE "\41\41\0\44" INET6), PROXY_TOLD, 52, "2001:db8::1 1025"},
	/* TLVs: a checksum that is wrong, more than there are, nonsense. */
	{TEXT(SIGNATURE "\41\21\0\23" INET "\3\0\4\1\2\3\4"), PROXY_TOLD, 35, "192.0.2.1 1025"},
	{TEXT(SIGNATURE "\41\21\0\17" INET "\40\377\377"), PROXY_TOLD, 31, "192.0.2.1 1025"},
	{TEXT(SIGNATURE "\41\21\377\377" INET), PROXY_TOLD, 16 + 65535, "192.0.2.1 1025"},
	{TEXT(SIGNATURE "\41\41\0\377" INET6), PROXY_TOLD, 16 + 255, "2001:db8::1 1025"},
	/* A question after our health; a client over a Unix socket, and one of whom nothing is said. */
	{TEXT(SIGNATURE "\40\0\0\0"), PROXY_OWN, 16, NULL},
	{TEXT(SIGNATURE "\40\21\0\14" INET), PROXY_OWN, 28, NULL},
	{TEXT(SIGNATURE "\40\377\0\3abc"), PROXY_OWN, 19, NULL},
	{TEXT(SIGNATURE "\41\0\0\0"), PROXY_OWN, 16, NULL},
	{TEXT(SIGNATURE "\41\0\0\3abc"), PROXY_OWN, 19, NULL},
	{TEXT(SIGNATURE "\41\61\0\330"), PROXY_OWN, 16 + 216, NULL},
	{TEXT(SIGNATURE "\41\61\0\327"), PROXY_WRONG, 0, NULL},
	/* Shorter than its addresses; other versions, commands, families, protocols. */
	{TEXT(SIGNATURE "\41\21\0\13"), PROXY_WRONG, 0, NULL},
	{TEXT(SIGNATURE "\41\21\0\0"), PROXY_WRONG, 0, NULL},
	{TEXT(SIGNATURE "\41\41\0\43"), PROXY_WRONG, 0, NULL},
	{TEXT(SIGNATURE "\41\41\0\14" INET), PROXY_WRONG, 0, NULL},
	{TEXT(SIGNATURE "\21"), PROXY_WRONG, 0, NULL},
	{TEXT(SIGNATURE "\61"), PROXY_WRONG, 0, NULL},
	{TEXT(SIGNATURE "\42"), PROXY_WRONG, 0, NULL},
	{TEXT(SIGNATURE "\41\22\0\14" INET), PROXY_WRONG, 0, NULL},
	{TEXT(SIGNATURE "\41\1\0\14" INET), PROXY_WRONG, 0, NULL},
	{TEXT(SIGNATURE "\41\20\0\14" INET), PROXY_WRONG, 0, NULL},
	{TEXT(SIGNATURE "\41\101\0\14" INET), PROXY_WRONG, 0, NULL},
	{TEXT("\r\n\r\n\0\r\nQUIT\r"), PROXY_WRONG, 0, NULL},
	{TEXT("\r\n\r\n\r"), PROXY_WRONG, 0, NULL},
	{TEXT("\r\nPROXY"), PROXY_WRONG, 0, NULL},
};

/* In memory of its own, so that reading behind it shows. */
static enum proxy_result parse(const char *octets, size_t length, struct proxy_header *out)
{
	uint8_t *copy = malloc(length ? length : 1);

	memcpy(copy, octets, length);
	enum proxy_result result = proxy_parse(copy, length, out);
	free(copy);
	return result;
}

static void address(const struct ring_address *client, char text[64])
{
	bool v4 = client->any.sa_family == AF_INET;
	const void *octets = v4 ? (const void *)&client->v4.sin_addr : (const void *)&client->v6.sin6_addr;

	CHECK_EQ(client->length, v4 ? sizeof(client->v4) : sizeof(client->v6));
	CHECK(inet_ntop(client->any.sa_family, octets, text, 50) != NULL);
	sprintf(text + strlen(text), " %u", ntohs(v4 ? client->v4.sin_port : client->v6.sin6_port));
}

static void test_headers(void)
{
	char text[64];

	for (size_t i = 0; i < COUNT(headers); i++) {
		const struct header *h = &headers[i];
		struct proxy_header out = {.length = 0};
		enum proxy_result result = parse(h->octets, h->length, &out);
		if (result != h->result)
			fprintf(stderr, "header %zu\n", i);
		CHECK_EQ(result, h->result);
		if (result != PROXY_WRONG)
			CHECK_EQ(out.length, h->whole);
		if (result == PROXY_TOLD && h->client) {
			address(&out.client, text);
			CHECK_STR(text, h->client);
		}
	}
}

/* Cut at every octet: more is wanted, or it is known by then what comes of it, and that stays so; what stands behind
 * it changes nothing. */
static void test_cut(void)
{
	for (size_t i = 0; i < COUNT(headers); i++) {
		const struct header *h = &headers[i];
		enum proxy_result result = PROXY_MORE, before;
		struct proxy_header out;
		char longer[400];
		for (size_t n = 0; n <= h->length; n++) {
			before = result;
			result = parse(h->octets, n, &out);
			CHECK(before == PROXY_MORE || before == result);
			CHECK(n > 0 || result == PROXY_MORE);
			CHECK(result != PROXY_MORE || n < PROXY_HEAD_MAX);
		}
		CHECK_EQ(result, h->result);
		if (result == PROXY_WRONG || h->length + 9 > sizeof(longer))
			continue;
		memcpy(longer, h->octets, h->length);
		memcpy(longer + h->length, "EHLO a\r\n", 9);
		CHECK_EQ(parse(longer, h->length + 8, &out), h->result);
		CHECK_EQ(out.length, h->whole);
	}
}

int main(void)
{
	RUN(test_headers);
	RUN(test_cut);
	return check_end();
}
