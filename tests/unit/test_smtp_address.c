/*
 * test_smtp_address.c - mailboxes and host names: PAR-07, PAR-08, PAR-09, the forms of REL-01, LOP-04.
 */
#include "core/smtp/address.h"

#include "tests/unit/check.h"

static struct span span(const char *text)
{
	return (struct span){text, (uint32_t)strlen(text)};
}

static bool span_equals(struct span s, const char *text)
{
	return s.length == strlen(text) && memcmp(s.data, text, s.length) == 0;
}

/* PAR-08: what is accepted is split at the right "@" and carried as it is. */
static void test_par08_accepted(void)
{
	static const struct {
		const char *text, *local, *domain;
	} table[] = {
		{"a@b", "a", "b"},
		{"\"a b\"@d", "\"a b\"", "d"},
		{"\"a\\\"b\"@d", "\"a\\\"b\"", "d"},
		{"\"a@b\"@d", "\"a@b\"", "d"},
		{"\"a>b\"@d", "\"a>b\"", "d"},
		{"\"\"@d", "\"\"", "d"},
		{"\"\\\\\"@d", "\"\\\\\"", "d"},
		{"a+b@d", "a+b", "d"},
		{"-x@d", "-x", "d"},
		{"postmaster", "postmaster", ""},
		{"PostMaster", "PostMaster", ""},
		{"postmaster@d.example", "postmaster", "d.example"},
		{"u@xn--bcher-kva.example", "u", "xn--bcher-kva.example"},
		{"u@[192.0.2.1]", "u", "[192.0.2.1]"},
		{"u@[IPv6:2001:db8::1]", "u", "[IPv6:2001:db8::1]"},
		{"u@[ipv6:::ffff:192.0.2.1]", "u", "[ipv6:::ffff:192.0.2.1]"},
		{"u@VICTIM", "u", "VICTIM"},
		{"u@3com.example", "u", "3com.example"},
		/* REL-01: opaque local parts. */
		{"u%victim@ours", "u%victim", "ours"},
		{"u%victim@[192.0.2.1]", "u%victim", "[192.0.2.1]"},
		{"victim!u@ours", "victim!u", "ours"},
		{"\"u@victim\"@[192.0.2.1]", "\"u@victim\"", "[192.0.2.1]"},
		/* PAR-09: opaque too, expanded nowhere. */
		{"${run{x}}@localhost", "${run{x}}", "localhost"},
		{"`id`@d", "`id`", "d"},
		{"|cmd@d", "|cmd", "d"},
		{"%s%n@d", "%s%n", "d"},
	};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct address address;
		enum address_result result = address_parse(span(table[i].text), SMTP_SYNTAX_STRICT, &address);

		if (result != ADDRESS_OK)
			fprintf(stderr, "%s: ", table[i].text);
		CHECK_EQ(result, ADDRESS_OK);
		CHECK(span_equals(address.local, table[i].local));
		CHECK(span_equals(address.domain, table[i].domain));
	}
}

static void test_refused(void)
{
	static const struct {
		const char *text;
		enum address_result result;
	} table[] = {
		{"", ADDRESS_SYNTAX},
		{"@d", ADDRESS_SYNTAX},
		{"a@", ADDRESS_SYNTAX},
		{"a", ADDRESS_SYNTAX},
		{"a@@b", ADDRESS_SYNTAX},
		{"@", ADDRESS_SYNTAX},
		{".a@d", ADDRESS_SYNTAX},
		{"a.@d", ADDRESS_SYNTAX},
		{"a..b@d", ADDRESS_SYNTAX},
		{"a b@d", ADDRESS_SYNTAX},
		{"\"a@d", ADDRESS_SYNTAX},
		{"\"a\\", ADDRESS_SYNTAX},
		{"\"", ADDRESS_SYNTAX},
		{"\"a\"b@d", ADDRESS_SYNTAX},
		{"\"a\tb\"@d", ADDRESS_SYNTAX},
		{"\"a\"", ADDRESS_SYNTAX},
		{"a@-d", ADDRESS_SYNTAX},
		{"a@d-", ADDRESS_SYNTAX},
		{"a@d-.e", ADDRESS_SYNTAX},
		{"a@d..e", ADDRESS_SYNTAX},
		{"a@.d", ADDRESS_SYNTAX},
		{"a@d_e", ADDRESS_SYNTAX},
		{"a@[192.0.2]", ADDRESS_SYNTAX},
		{"a@[192.0.2.256]", ADDRESS_SYNTAX},
		{"a@[2001:db8::1]", ADDRESS_SYNTAX},
		{"a@[IPv6:2001:db8::1", ADDRESS_SYNTAX},
		{"a@[IPv6:fe80::1%eth0]", ADDRESS_SYNTAX},
		{"a@[]", ADDRESS_SYNTAX},
		{"a@[IPv6:]", ADDRESS_SYNTAX},
		/* REL-01. */
		{"\"u@victim\"", ADDRESS_SYNTAX},
		{"\"u%victim\"", ADDRESS_SYNTAX},
		{"u@victim@ours", ADDRESS_SYNTAX},
		{"u@victim@[192.0.2.1]", ADDRESS_SYNTAX},
		{"victim!u", ADDRESS_SYNTAX},
		{"u@victim.", ADDRESS_SYNTAX},
		{"u@victim#@ours", ADDRESS_SYNTAX},
		{"u@ours,u@victim", ADDRESS_SYNTAX},
		{"u@ours><u@victim", ADDRESS_SYNTAX},
		{"u@ours\r\nRCPT TO:<u@victim>", ADDRESS_SYNTAX},
		{"u@ours victim", ADDRESS_SYNTAX},
		{";cmd;", ADDRESS_SYNTAX},
		{";cmd;@d", ADDRESS_SYNTAX},
		/* PAR-07: overlong, surrogate, truncated, U+202E, a full-width dot. */
		{"\xc0\xae@d", ADDRESS_EIGHT_BIT},
		{"\xed\xa0\x80@d", ADDRESS_EIGHT_BIT},
		{"a@d\xe2\x80", ADDRESS_EIGHT_BIT},
		{"a\xe2\x80\xae@d", ADDRESS_EIGHT_BIT},
		{"u@victim\xef\xbc\x8e"
		 "com",
		 ADDRESS_EIGHT_BIT},
		{"\xff", ADDRESS_EIGHT_BIT},
	};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct address address;

		if (address_parse(span(table[i].text), SMTP_SYNTAX_STRICT, &address) != table[i].result)
			fprintf(stderr, "%s: ", table[i].text);
		CHECK_EQ(address_parse(span(table[i].text), SMTP_SYNTAX_STRICT, &address), table[i].result);
		CHECK_EQ(address.local.length, 0);
	}
}

/* "a" * local "@" and a domain of exactly `domain` octets. */
static enum address_result sized(size_t local, size_t domain)
{
	static char text[1024];
	struct address address;

	memset(text, 'a', sizeof text);
	text[local] = '@';
	for (size_t i = 60; i + 1 < domain; i += 60)
		text[local + 1 + i] = '.';
	return address_parse((struct span){text, (uint32_t)(local + 1 + domain)}, SMTP_SYNTAX_STRICT, &address);
}

static void test_par08_sizes(void)
{
	struct address address;
	char nul[] = "u@ours\0.victim", label[70] = "a@";

	CHECK_EQ(sized(64, 10), ADDRESS_OK);
	CHECK_EQ(sized(65, 10), ADDRESS_TOO_LONG);
	CHECK_EQ(sized(1, 255), ADDRESS_OK);
	CHECK_EQ(sized(1, 256), ADDRESS_TOO_LONG);
	CHECK_EQ(address_parse((struct span){nul, sizeof nul - 1}, SMTP_SYNTAX_STRICT, &address), ADDRESS_SYNTAX);
	memset(label + 2, 'd', 63);
	CHECK_EQ(address_parse((struct span){label, 65}, SMTP_SYNTAX_STRICT, &address), ADDRESS_OK);
	label[65] = 'd';
	CHECK_EQ(address_parse((struct span){label, 66}, SMTP_SYNTAX_STRICT, &address), ADDRESS_SYNTAX);
}

/* What is more than the grammar allows, and means nothing to who carries it. */
static void test_tolerant(void)
{
	static const struct {
		const char *text;
		enum address_result result;
	} table[] = {
		{"first..last@d", ADDRESS_OK}, {".a@d", ADDRESS_OK},
		{"a.@d", ADDRESS_OK},          {"a@my_host.d", ADDRESS_OK},
		{"a@_dmarc.d", ADDRESS_OK},    {"a@[192.0.2.1]", ADDRESS_OK},
		{".@d", ADDRESS_SYNTAX},       {"..@d", ADDRESS_SYNTAX},
		{"a@d..e", ADDRESS_SYNTAX},    {"a@.d", ADDRESS_SYNTAX},
		{"u@victim.", ADDRESS_SYNTAX}, {"a@-d", ADDRESS_SYNTAX},
		{"a b@d", ADDRESS_SYNTAX},     {"a,b@d", ADDRESS_SYNTAX},
		{"a@b@d", ADDRESS_SYNTAX},     {"a@d\xe2\x80", ADDRESS_EIGHT_BIT},
	};
	char long_one[300];
	struct address address;

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		if (address_parse(span(table[i].text), SMTP_SYNTAX_TOLERANT, &address) != table[i].result)
			fprintf(stderr, "%s: ", table[i].text);
		CHECK_EQ(address_parse(span(table[i].text), SMTP_SYNTAX_TOLERANT, &address), table[i].result);
	}
	memset(long_one, 'a', sizeof long_one);
	long_one[252] = '@';
	CHECK_EQ(address_parse((struct span){long_one, 254}, SMTP_SYNTAX_TOLERANT, &address), ADDRESS_OK);
	CHECK_EQ(address.local.length, 252);
	CHECK(address_local_valid((struct span){long_one, 65}, SMTP_SYNTAX_TOLERANT));
	CHECK(!address_local_valid((struct span){long_one, 65}, SMTP_SYNTAX_STRICT));
	CHECK(!address_local_valid(span(""), SMTP_SYNTAX_TOLERANT));
	CHECK(!address_local_valid(span("a@b"), SMTP_SYNTAX_TOLERANT));
}

/* Every octet alone: only atext makes a local part, only letters and digits a domain. */
static void test_single_octets(void)
{
	for (unsigned c = 0; c < 256; c++) {
		char local[] = {(char)c, '@', 'd'}, domain[] = {'a', '@', (char)c};
		struct address address;
		bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
		bool atext = alnum || (c && strchr("!#$%&'*+-/=?^_`{|}~", (int)c));

		CHECK_EQ(address_parse((struct span){local, 3}, SMTP_SYNTAX_STRICT, &address) == ADDRESS_OK, atext);
		CHECK_EQ(address_parse((struct span){domain, 3}, SMTP_SYNTAX_STRICT, &address) == ADDRESS_OK, alnum);
	}
}

static void test_lop04_helo(void)
{
	static const struct {
		const char *name;
		bool valid;
	} table[] = {
		{"host.example", true},
		{"PRINTER", true},
		{"my_printer", true},
		{"-", true},
		{"printer-", true},
		{"host.example.", true},
		{"192.0.2.1", true},
		{"[192.0.2.1]", true},
		{"[IPv6:2001:db8::1]", true},
		{"", false},
		{".", false},
		{"a..b", false},
		{".a", false},
		{"a b", false},
		{"a\tb", false},
		{"a\rb", false},
		{"a\nb", false},
		{"a>b", false},
		{"a(b", false},
		{"a@b", false},
		{"a\x80", false},
		{"[192.0.2.1", false},
		{"[host]", false},
		{"2001:db8::1", false},
	};
	char big[300];

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		if (address_helo_valid(span(table[i].name)) != table[i].valid)
			fprintf(stderr, "%s: ", table[i].name);
		CHECK_EQ(address_helo_valid(span(table[i].name)), table[i].valid);
	}
	memset(big, 'a', sizeof big);
	for (size_t i = 50; i < sizeof big; i += 50)
		big[i] = '.';
	CHECK(address_helo_valid((struct span){big, 255}));
	CHECK(!address_helo_valid((struct span){big, 256}));
	CHECK(!address_helo_valid((struct span){"a\0b", 3}));
	CHECK(!address_helo_valid((struct span){"[1.2.3.4\0]", 10}));
}

int main(void)
{
	RUN(test_par08_accepted);
	RUN(test_refused);
	RUN(test_par08_sizes);
	RUN(test_tolerant);
	RUN(test_single_octets);
	RUN(test_lop04_helo);
	return check_end();
}
