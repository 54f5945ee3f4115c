/* tests/unit/test_address_text.c - addresses and networks as text: tables of input and expected result. */
#include "core/base/address_text.h"

#include <arpa/inet.h>
#include <errno.h>

#include "tests/unit/check.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_split(void)
{
	static const struct {
		const char *text, *host;
		unsigned port; /* 0: refused */
		const char *problem;
	} cases[] = {
		{"127.0.0.1:25", "127.0.0.1", 25, NULL},
		{"[::1]:25", "::1", 25, NULL},
		{"[2001:db8::1]:65535", "2001:db8::1", 65535, NULL},
		{"contoso-com.mail.protection.outlook.com:25", "contoso-com.mail.protection.outlook.com", 25, NULL},
		{"mx:1", "mx", 1, NULL},
		{"", NULL, 0, "host:port"},
		{"mx", NULL, 0, "write host:port, as in mx:25"},
		{":25", NULL, 0, "host is missing"},
		{"mx:", NULL, 0, "1 to 65535"},
		{"mx:0", NULL, 0, "1 to 65535"},
		{"mx:65536", NULL, 0, "1 to 65535"},
		{"mx:99999999999999999999", NULL, 0, "1 to 65535"},
		{"mx:025", NULL, 0, "1 to 65535"},
		{"mx:+25", NULL, 0, "1 to 65535"},
		{"mx: 25", NULL, 0, "1 to 65535"},
		{"mx:25 ", NULL, 0, "1 to 65535"},
		{"::1:25", NULL, 0, "in brackets"},
		{"2001:db8::1", NULL, 0, "in brackets"},
		{"[::1]", NULL, 0, "[::1]:25"},
		{"[::1]25", NULL, 0, "[::1]:25"},
		{"[::1:25", NULL, 0, "[::1]:25"},
		{"[]:25", NULL, 0, "[::1]:25"},
		{"[127.0.0.1]:25", NULL, 0, "[::1]:25"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		char host[ADDRESS_TEXT_HOST_SIZE] = "";
		struct address_problem problem = {""};
		uint16_t port = 0;
		int result = address_text_split(cases[i].text, host, &port, &problem);
		CHECK_EQ(result, cases[i].port != 0 ? 0 : -EINVAL);
		CHECK_EQ(port, cases[i].port);
		if (result == 0) {
			CHECK_STR(host, cases[i].host);
		} else if (strstr(problem.text, cases[i].problem) == NULL) {
			CHECK_STR(problem.text, cases[i].problem);
		}
	}
}

static void test_split_length(void)
{
	char text[400], host[ADDRESS_TEXT_HOST_SIZE];
	struct address_problem problem;
	uint16_t port;

	memset(text, 'a', sizeof(text));
	strcpy(text + 255, ":25");
	CHECK_EQ(address_text_split(text, host, &port, &problem), 0);
	CHECK_EQ(strlen(host), 255);
	text[255] = 'a';
	strcpy(text + 256, ":25");
	CHECK_EQ(address_text_split(text, host, &port, &problem), -EINVAL);
	CHECK(strstr(problem.text, "too long") != NULL);
}

static void test_parse_and_format(void)
{
	static const struct {
		const char *text, *plain, *with_port;
	} cases[] = {
		{"192.0.2.1:25", "192.0.2.1", "192.0.2.1:25"},
		{"0.0.0.0:587", "0.0.0.0", "0.0.0.0:587"},
		{"[::]:587", "::", "[::]:587"},
		{"[2001:DB8:0:0::1]:25", "2001:db8::1", "[2001:db8::1]:25"},
		{"[::ffff:192.0.2.7]:25", "192.0.2.7", "192.0.2.7:25"},
		{"[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		 "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
		{"mx.example:25", NULL, NULL},
		{"[fe80::1%eth0]:25", NULL, NULL},
		{"127.1:25", NULL, NULL},
		{"127.0.0.01:25", NULL, NULL},
		{"0x7f.0.0.1:25", NULL, NULL},
		{"127.0.0.1", NULL, NULL},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ring_address address;
		struct address_problem problem = {""};
		char text[ADDRESS_TEXT_SIZE];
		int result = address_text_parse(cases[i].text, &address, &problem);
		if (cases[i].plain == NULL) {
			CHECK_EQ(result, -EINVAL);
			CHECK(strstr(problem.text, "write ") != NULL);
			continue;
		}
		CHECK_EQ(result, 0);
		CHECK_EQ(address_text_format(&address, text), strlen(cases[i].plain));
		CHECK_STR(text, cases[i].plain);
		CHECK_EQ(address_text_format_port(&address, text), strlen(cases[i].with_port));
		CHECK_STR(text, cases[i].with_port);
	}
}

static void test_socket_fields(void)
{
	struct ring_address address;

	CHECK(address_text_numeric("127.0.0.2", 2525, &address));
	CHECK_EQ(address.length, sizeof(struct sockaddr_in));
	CHECK_EQ(address.v4.sin_family, AF_INET);
	CHECK_EQ(address.v4.sin_port, htons(2525));
	CHECK_EQ(address.v4.sin_addr.s_addr, htonl(0x7f000002));
	CHECK(address_text_numeric("::1", 26, &address));
	CHECK_EQ(address.length, sizeof(struct sockaddr_in6));
	CHECK_EQ(address.v6.sin6_family, AF_INET6);
	CHECK_EQ(address.v6.sin6_port, htons(26));
	CHECK(!address_text_numeric("localhost", 25, &address));
	CHECK(!address_text_numeric("", 25, &address));

	struct ring_address local = {.length = sizeof(sa_family_t), .any.sa_family = AF_UNIX};
	char text[ADDRESS_TEXT_SIZE];
	CHECK_EQ(address_text_format(&local, text), 7);
	CHECK_STR(text, "unknown");
	CHECK_EQ(address_text_format_port(&local, text), 7);
	CHECK_STR(text, "unknown");
}

static void test_network_contains(void)
{
	static const struct {
		const char *network, *address;
		bool contains;
	} cases[] = {
		{"10.20.0.0/16", "10.20.0.0", true},
		{"10.20.0.0/16", "10.20.255.255", true},
		{"10.20.0.0/16", "10.21.0.0", false},
		{"10.20.0.0/16", "10.19.255.255", false},
		{"10.20.0.0/16", "::ffff:10.20.3.4", true},
		{"10.20.0.0/16", "::ffff:10.21.3.4", false},
		{"10.20.0.0/16", "::10.20.3.4", false},
		{"10.20.0.0/16", "a14::", false},
		{"192.0.2.128/25", "192.0.2.127", false},
		{"192.0.2.128/25", "192.0.2.128", true},
		{"192.0.2.4/30", "192.0.2.7", true},
		{"192.0.2.4/30", "192.0.2.8", false},
		{"192.0.2.9", "192.0.2.9", true},
		{"192.0.2.9", "192.0.2.8", false},
		{"192.0.2.9/32", "::ffff:192.0.2.9", true},
		{"0.0.0.0/0", "203.0.113.9", true},
		{"0.0.0.0/0", "::ffff:203.0.113.9", true},
		{"0.0.0.0/0", "2001:db8::1", false},
		{"2001:db8::/32", "2001:db8:ffff::1", true},
		{"2001:db8::/32", "2001:db9::1", false},
		{"2001:db8:8000::/33", "2001:db8:7fff::1", false},
		{"2001:db8:8000::/33", "2001:db8:8000::1", true},
		{"::1", "::1", true},
		{"::1/128", "::2", false},
		{"::1/128", "127.0.0.1", false},
		{"::/0", "2001:db8::1", true},
		{"::/0", "192.0.2.1", false},
		{"::/0", "::ffff:192.0.2.1", false},
		{"fe80::/10", "febf::1", true},
		{"fe80::/10", "fec0::1", false},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct network network;
		struct ring_address address;
		struct address_problem problem = {""};
		CHECK_EQ(network_parse(cases[i].network, &network, &problem), 0);
		CHECK(address_text_numeric(cases[i].address, 0, &address));
		if (network_contains(&network, &address) != cases[i].contains) {
			CHECK(false);
			fprintf(stderr, "%s in %s\n", cases[i].address, cases[i].network);
		}
	}
}

static void test_network_refused(void)
{
	static const struct {
		const char *network, *problem;
	} cases[] = {
		{"", "10.20.0.0/16"},
		{"/8", "10.20.0.0/16"},
		{"10.20/16", "10.20.0.0/16"},
		{"printers", "10.20.0.0/16"},
		{"10.20.0.0/", "prefix from 0 to 32"},
		{"10.20.0.0/33", "prefix from 0 to 32"},
		{"10.20.0.0/-1", "prefix from 0 to 32"},
		{"10.20.0.0/08", "prefix from 0 to 32"},
		{"10.20.0.0/8/8", "prefix from 0 to 32"},
		{"10.20.0.0/255.255.0.0", "prefix from 0 to 32"},
		{"2001:db8::/129", "prefix from 0 to 128"},
		{"10.20.0.5/16", "write 10.20.0.0/16 for the network or 10.20.0.5 for the one address"},
		{"192.0.2.1/31", "write 192.0.2.0/31"},
		{"10.0.0.0/0", "write 0.0.0.0/0"},
		{"2001:db8::1/64", "write 2001:db8::/64"},
		{"2001:db8:4000::/33", "write 2001:db8::/33"},
		{"::ffff:10.20.0.0/112", "write 10.20.0.0/16"},
		{"::ffff:10.20.0.1", "write 10.20.0.1/32"},
		{"::ffff:0:0/96", "write 0.0.0.0/0"},
		{"fe80::1%eth0/64", "10.20.0.0/16"},
		{"a.name.that.is.longer.than.any.address.could.ever.be.example", "10.20.0.0/16"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct network network;
		struct address_problem problem = {""};
		CHECK_EQ(network_parse(cases[i].network, &network, &problem), -EINVAL);
		if (strstr(problem.text, cases[i].problem) == NULL)
			CHECK_STR(problem.text, cases[i].problem);
	}
}

static void test_inward(void)
{
	static const struct {
		const char *text;
		bool inward;
	} table[] = {
		{"0.0.0.0", true},
		{"9.255.255.255", false},
		{"10.0.0.0", true},
		{"10.255.255.255", true},
		{"11.0.0.0", false},
		{"100.63.255.255", false},
		{"100.64.0.1", true},
		{"127.255.255.254", true},
		{"128.0.0.1", false},
		{"169.254.169.254", true},
		{"172.15.255.255", false},
		{"172.16.0.1", true},
		{"172.31.255.255", true},
		{"172.32.0.0", false},
		{"192.168.0.1", true},
		{"192.169.0.1", false},
		{"223.255.255.255", false},
		{"224.0.0.1", true},
		{"255.255.255.255", true},
		{"::", true},
		{"::1", true},
		{"::ffff:10.1.2.3", true},
		{"::ffff:192.0.2.1", false},
		{"2001:db8::1", false},
		{"fc00::1", true},
		{"fdff::1", true},
		{"fe7f::1", false},
		{"fe80::1", true},
		{"fec0::1", true},
		{"ff02::1", true},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct ring_address address;
		CHECK(address_text_numeric(table[i].text, 25, &address));
		CHECK_EQ(address_text_inward(&address), table[i].inward);
	}
}

int main(void)
{
	RUN(test_split);
	RUN(test_split_length);
	RUN(test_parse_and_format);
	RUN(test_socket_fields);
	RUN(test_network_contains);
	RUN(test_network_refused);
	RUN(test_inward);
	return check_end();
}
