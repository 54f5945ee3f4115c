/*
 * tests/unit/test_forwarded.c - core/control/forwarded: who asks is the last one that no proxy of ours is, and what
 * somebody has invented before it changes nothing.
 */
#include "core/control/forwarded.h"

#include <string.h>

#include "tests/unit/check.h"

static struct sign_in_proxy proxy_of(const char *const *texts, size_t count, struct network *networks)
{
	struct sign_in_proxy proxy = {.from = networks, .from_count = count};
	struct address_problem problem;

	for (size_t i = 0; i < count; i++)
		CHECK_EQ(network_parse(texts[i], &networks[i], &problem), 0);
	return proxy;
}

static const struct {
	enum sign_in_address_header header;
	const char *text, *client; /* NULL: it is wrong */
} rows[] = {
	{SIGN_IN_X_FORWARDED_FOR, "", "10.0.0.1"},
	{SIGN_IN_X_FORWARDED_FOR, "  ", "10.0.0.1"},
	{SIGN_IN_X_FORWARDED_FOR, "192.0.2.1", "192.0.2.1"},
	{SIGN_IN_X_FORWARDED_FOR, " 192.0.2.1 ", "192.0.2.1"},
	/* What stands before is anybody's invention. */
	{SIGN_IN_X_FORWARDED_FOR, "127.0.0.1, 192.0.2.1", "192.0.2.1"},
	{SIGN_IN_X_FORWARDED_FOR, "198.51.100.7, 192.0.2.1", "192.0.2.1"},
	{SIGN_IN_X_FORWARDED_FOR, "<script>, 192.0.2.1", "192.0.2.1"},
	{SIGN_IN_X_FORWARDED_FOR, ",,,192.0.2.1", "192.0.2.1"},
	{SIGN_IN_X_FORWARDED_FOR, "\", 192.0.2.1", "192.0.2.1"},
	{SIGN_IN_X_FORWARDED_FOR, "\"198.51.100.7\\, 192.0.2.1", "192.0.2.1"},
	/* Proxies of ours behind one another. */
	{SIGN_IN_X_FORWARDED_FOR, "198.51.100.7, 192.0.2.1, 10.9.9.9, fd00::1", "192.0.2.1"},
	{SIGN_IN_X_FORWARDED_FOR, "10.1.1.1, 10.9.9.9", "10.1.1.1"},
	/* Forms that are in use. */
	{SIGN_IN_X_FORWARDED_FOR, "192.0.2.1:4711", "192.0.2.1"},
	{SIGN_IN_X_FORWARDED_FOR, "2001:db8::1", "2001:db8::1"},
	{SIGN_IN_X_FORWARDED_FOR, "[2001:db8::1]", "2001:db8::1"},
	{SIGN_IN_X_FORWARDED_FOR, "[2001:db8::1]:4711", "2001:db8::1"},
	{SIGN_IN_X_FORWARDED_FOR, "::ffff:192.0.2.1", "192.0.2.1"},
	{SIGN_IN_X_FORWARDED_FOR, "192.0.2.9, ::ffff:10.0.0.7", "192.0.2.9"},
	{SIGN_IN_X_FORWARDED_FOR, "192.0.2.1, unknown", "10.0.0.1"},
	{SIGN_IN_X_FORWARDED_FOR, "192.0.2.1,", NULL},
	{SIGN_IN_X_FORWARDED_FOR, "192.0.2.1, ,10.0.0.3", NULL},
	{SIGN_IN_X_FORWARDED_FOR, "192.0.2.256", NULL},
	{SIGN_IN_X_FORWARDED_FOR, "0xc0.0.2.1", NULL},
	{SIGN_IN_X_FORWARDED_FOR, "127.1", NULL},
	{SIGN_IN_X_FORWARDED_FOR, "fe80::1%eth0", NULL},
	{SIGN_IN_X_FORWARDED_FOR, "[192.0.2.1]", NULL},
	{SIGN_IN_X_FORWARDED_FOR, "[2001:db8::1", NULL},
	{SIGN_IN_X_FORWARDED_FOR, "[2001:db8::1]x", NULL},
	{SIGN_IN_X_FORWARDED_FOR, "192.0.2.1:", NULL},
	{SIGN_IN_X_FORWARDED_FOR, "client.example.org", NULL},
	{SIGN_IN_X_FORWARDED_FOR, "192.0.2.1 198.51.100.7", NULL},
	{SIGN_IN_X_FORWARDED_FOR, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL},
	/* RFC 7239 */
	{SIGN_IN_FORWARDED, "for=192.0.2.1", "192.0.2.1"},
	{SIGN_IN_FORWARDED, "For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"},
	{SIGN_IN_FORWARDED, "for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"},
	{SIGN_IN_FORWARDED, "for=192.0.2.43, for=198.51.100.17", "198.51.100.17"},
	{SIGN_IN_FORWARDED, "for=192.0.2.43, for=10.2.2.2;by=_x", "192.0.2.43"},
	{SIGN_IN_FORWARDED, "for=\"198.51.100.9, for=192.0.2.1\", for=192.0.2.2", "192.0.2.2"},
	{SIGN_IN_FORWARDED, "host=\"a,b\\\"c;for=10.1.1.1\";for=192.0.2.3", "192.0.2.3"},
	{SIGN_IN_FORWARDED, "for=unknown", "10.0.0.1"},
	{SIGN_IN_FORWARDED, "for=_gazonk", "10.0.0.1"},
	{SIGN_IN_FORWARDED, "for=192.0.2.1, for=\"_SEVKISEK\"", "10.0.0.1"},
	{SIGN_IN_FORWARDED, "for=\"192.0.2.1:_port\"", "192.0.2.1"},
	{SIGN_IN_FORWARDED, "proto=https", NULL},
	{SIGN_IN_FORWARDED, "192.0.2.1", NULL},
	{SIGN_IN_FORWARDED, "for=", NULL},
	{SIGN_IN_FORWARDED, "for=\"\"", NULL},
	{SIGN_IN_FORWARDED, "for=\"192.0.2.1", NULL},
	{SIGN_IN_FORWARDED, "for=192.0.2.1;for=192.0.2.2", NULL},
	/* A quotation mark that is left open before what the proxy adds. */
	{SIGN_IN_FORWARDED, "for=198.51.100.7;x=\", for=192.0.2.1", NULL},
	{SIGN_IN_FORWARDED, "for=198.51.100.7;x=\", for=\"[2001:db8::1]\"", NULL},
	{SIGN_IN_FORWARDED, "for=198.51.100.7;x=\"\\, for=192.0.2.1", NULL},
	{SIGN_IN_FORWARDED, "for=198.51.100.7;x=\", for=192.0.2.1;host=\"a\\\"\"", NULL},
	{SIGN_IN_FORWARDED, "for=192.0.2.1;;proto", NULL},
};

static void test_rows(void)
{
	static const char *const from[] = {"10.0.0.0/8", "127.0.0.1", "fd00::/8"};
	struct network networks[3];
	struct sign_in_proxy proxy = proxy_of(from, 3, networks);
	struct ring_address peer, client;
	char text[ADDRESS_TEXT_SIZE];

	CHECK(address_text_numeric("10.0.0.1", 0, &peer));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *problem;
		proxy.address_header = rows[i].header;
		problem = forwarded_client(&proxy, rows[i].text, &peer, &client);
		(void)address_text_format(&client, text);
		if ((problem == NULL) != (rows[i].client != NULL) ||
		    (rows[i].client && strcmp(text, rows[i].client) != 0))
			printf("row %zu: %s: %s, %s\n", i, rows[i].text, text, problem ? problem : "taken");
		CHECK((problem == NULL) == (rows[i].client != NULL));
		if (rows[i].client)
			CHECK_STR(text, rows[i].client);
	}
}

/* A list of nothing but proxies of ours has its end. */
static void test_very_many(void)
{
	static const char *const from[] = {"10.0.0.0/8"};
	struct network networks[1];
	struct sign_in_proxy proxy = proxy_of(from, 1, networks);
	struct ring_address peer, client;
	static char text[20 * FORWARDED_MAX];

	CHECK(address_text_numeric("10.0.0.1", 0, &peer));
	for (unsigned i = 0; i < FORWARDED_MAX; i++)
		strcat(text, i ? ",10.0.0.2" : "10.0.0.2");
	CHECK(forwarded_client(&proxy, text, &peer, &client) == NULL);
	strcat(text, ",10.0.0.2");
	CHECK(forwarded_client(&proxy, text, &peer, &client) != NULL);
}

static void test_from(void)
{
	static const char *const from[] = {"10.0.0.0/8", "fd00::/8"};
	struct network networks[2];
	struct sign_in_proxy proxy = proxy_of(from, 2, networks), none = {.from_count = 0};
	struct ring_address address;

	CHECK(address_text_numeric("10.255.0.1", 0, &address) && forwarded_from(&proxy, &address));
	CHECK(!forwarded_from(&none, &address));
	CHECK(address_text_numeric("::ffff:10.0.0.1", 0, &address) && forwarded_from(&proxy, &address));
	CHECK(address_text_numeric("11.0.0.1", 0, &address) && !forwarded_from(&proxy, &address));
	CHECK(address_text_numeric("fe00::1", 0, &address) && !forwarded_from(&proxy, &address));
}

int main(void)
{
	RUN(test_rows);
	RUN(test_very_many);
	RUN(test_from);
	return check_end();
}
