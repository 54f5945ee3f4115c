/*
 * test_smtp_xclient.c - what stands behind XCLIENT: attributes in any order and case, values as xtext, the words for
 * what is not known; what is wrong is wrong as a whole. Each line is in memory of its own, so that AddressSanitizer
 * sees an octet too far.
 */
#include "core/smtp/xclient.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/address_text.h"
#include "tests/unit/check.h"

static bool parse(const char *text, size_t length, struct xclient *out)
{
	char *copy = malloc(length ? length : 1);
	bool good;

	memcpy(copy, text, length);
	good = xclient_parse((struct span){copy, (uint32_t)length}, out);
	free(copy);
	return good;
}

/* "-": not said, "?": not known. */
static const char *told(uint8_t said, const char *text, size_t length, char out[300])
{
	if (said != XCLIENT_SAID)
		return said == XCLIENT_NOTHING ? "-" : "?";
	memcpy(out, text, length);
	out[length] = '\0';
	return out;
}

static void test_values(void)
{
	static const struct {
		const char *text, *address, *helo, *login, *protocol; /* address NULL: it is wrong */
	} table[] = {
		{"ADDR=192.0.2.1", "192.0.2.1", "-", "-", "-"},
		{"NAME=spike.porcupine.org ADDR=168.100.189.2", "168.100.189.2", "-", "-", "-"},
		{"addr=IPV6:2001:db8::1 Helo=a", "2001:db8::1", "a", "-", "-"},
		{"ADDR=ipv6:2001:DB8::1", "2001:db8::1", "-", "-", "-"},
		/* nginx before 1.5 has no prefix. */
		{"ADDR=2001:db8::1", "2001:db8::1", "-", "-", "-"},
		/* REL-02: the address that it is. */
		{"ADDR=IPV6:::ffff:10.0.0.1", "10.0.0.1", "-", "-", "-"},
		{"ADDR=[UNAVAILABLE] LOGIN=[unavailable] HELO=[TEMPUNAVAIL] PROTO=[UNAVAILABLE]", "?", "?", "?", "?"},
		{"NAME=[UNAVAILABLE] ADDR=192.0.2.1 PORT=[UNAVAILABLE]", "192.0.2.1", "-", "-", "-"},
		{"PROTO=ESMTP HELO=h", "-", "h", "-", "ESMTP"},
		{"PROTO=smtp HELO=h", "-", "h", "-", "SMTP"},
		{"LOGIN=alice+40example.com", "-", "-", "alice@example.com", "-"},
		{"LOGIN=alice@example.com", "-", "-", "alice@example.com", "-"},
		{"LOGIN=a+3Db+2bc", "-", "-", "a=b+c", "-"},
		{"HELO=my+20printer", "-", "my printer", "-", "-"},
		{"HELO=[192.0.2.7]", "-", "[192.0.2.7]", "-", "-"},
		{"ADDR=192.0.2.1  PORT=65535 ", "192.0.2.1", "-", "-", "-"},
		{"DESTADDR=192.0.2.9 DESTPORT=25", "-", "-", "-", "-"},
		{"DESTADDR=IPV6:::1 DESTPORT=0", "-", "-", "-", "-"},
		/* Wrong. */
		{"", NULL, "", "", ""},
		{"   ", NULL, "", "", ""},
		{"ADDR", NULL, "", "", ""},
		{"ADDR=", NULL, "", "", ""},
		{"=192.0.2.1", NULL, "", "", ""},
		{"ADDR=192.0.2.1 ADDR=192.0.2.1", NULL, "", "", ""},
		{"ADDR=192.0.2.1 addr=[UNAVAILABLE]", NULL, "", "", ""},
		{"ADDR=192.0.2.256", NULL, "", "", ""},
		{"ADDR=192.0.2.1/8", NULL, "", "", ""},
		{"ADDR=IPV6:192.0.2.1", NULL, "", "", ""},
		{"ADDR=IPV6:", NULL, "", "", ""},
		{"ADDR=fe80::1%eth0", NULL, "", "", ""},
		{"ADDR=[192.0.2.1]", NULL, "", "", ""},
		{"ADDR=localhost", NULL, "", "", ""},
		{"ADDR=192.0.2.1+00", NULL, "", "", ""},
		{"PORT=65536", NULL, "", "", ""},
		{"PORT=-1", NULL, "", "", ""},
		{"PROTO=HTTP", NULL, "", "", ""},
		{"FOO=bar", NULL, "", "", ""},
		{"XADDR=192.0.2.1", NULL, "", "", ""},
		{"ADD=192.0.2.1", NULL, "", "", ""},
		/* PAR-03 */
		{"HELO=a+0D+0AQUIT", NULL, "", "", ""},
		{"LOGIN=a+00", NULL, "", "", ""},
		{"LOGIN=a+7F", NULL, "", "", ""},
		{"LOGIN=a+C3+A9", NULL, "", "", ""},
		{"LOGIN=a+ZZ", NULL, "", "", ""},
		{"LOGIN=a+0d", NULL, "", "", ""},
		{"LOGIN=a+4", NULL, "", "", ""},
		{"LOGIN=a+", NULL, "", "", ""},
		{"LOGIN=a=b", NULL, "", "", ""},
		{"HELO=two words", NULL, "", "", ""},
		{"HELO=a\tb", NULL, "", "", ""},
		{"HELO=a\x80", NULL, "", "", ""},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char address[ADDRESS_TEXT_SIZE] = "", text[300];
		struct xclient x;
		bool good = parse(table[i].text, strlen(table[i].text), &x);

		if (good != (table[i].address != NULL))
			fprintf(stderr, "%s\n", table[i].text);
		CHECK_EQ(good, table[i].address != NULL);
		if (!good || !table[i].address)
			continue;
		if (x.address_said == XCLIENT_SAID)
			address_text_format(&x.address, address);
		CHECK(strcmp(told(x.address_said, address, strlen(address), text), table[i].address) == 0);
		CHECK(strcmp(told(x.helo_said, x.helo, x.helo_length, text), table[i].helo) == 0);
		CHECK(strcmp(told(x.login_said, x.login, x.login_length, text), table[i].login) == 0);
		CHECK(strcmp(told(x.protocol_said, x.esmtp ? "ESMTP" : "SMTP", x.esmtp ? 5 : 4, text),
			     table[i].protocol) == 0);
	}
}

/* As long as may be, and one more. */
static void test_lengths(void)
{
	char line[600];

	for (size_t n = XCLIENT_TEXT_MAX - 1; n <= XCLIENT_TEXT_MAX + 1; n++) {
		struct xclient x;
		memcpy(line, "LOGIN=", 6);
		memset(line + 6, 'a', n);
		CHECK_EQ(parse(line, 6 + n, &x), n <= XCLIENT_TEXT_MAX);
		memcpy(line, " HELO=", 6);
		CHECK_EQ(parse(line, 6 + n, &x), n <= XCLIENT_TEXT_MAX);
		memcpy(line, " NAME=", 6);
		CHECK_EQ(parse(line, 6 + n, &x), n <= XCLIENT_TEXT_MAX);
	}
}

int main(void)
{
	RUN(test_values);
	RUN(test_lengths);
	return check_end();
}
