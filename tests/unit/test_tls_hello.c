/*
 * tests/unit/test_tls_hello.c - tls/hello.c: what is read of a ClientHello, whole, cut anywhere, in small records, and
 * of one that is damaged (STL-10).
 */
#include "tls/hello.h"

#include "tests/unit/check.h"

static uint8_t octets[40000];
static size_t length;

static void put(unsigned value, unsigned size)
{
	while (size-- > 0)
		octets[length++] = (uint8_t)(value >> 8 * size);
}

static void put_octets(const void *data, size_t size)
{
	memcpy(octets + length, data, size);
	length += size;
}

/* A hello in one record: extensions as they are given, NULL: none at all. */
static void make(unsigned version, const uint16_t *suites, unsigned count, const void *extensions, size_t size)
{
	size_t body = 2 + 32 + 1 + 2 + 2 * count + 2 + (extensions ? 2 + size : 0);

	length = 0;
	put(22, 1);
	put(0x0301, 2);
	put((unsigned)body + 4, 2);
	put(1, 1);
	put((unsigned)body, 3);
	put(version, 2);
	memset(octets + length, 0x5a, 32);
	length += 32;
	put(0, 1);
	put(2 * count, 2);
	for (unsigned i = 0; i < count; i++)
		put(suites[i], 2);
	put(0x0100, 2);
	if (!extensions)
		return;
	put((unsigned)size, 2);
	put_octets(extensions, size);
}

#define MODERN                                                                                                         \
	"\0\0\0\x18\0\x16\0\0\x13"                                                                                     \
	"MX2.Example.test.ab"                                                                                          \
	"\0\x0d\0\x08\0\x06\x04\x03\x08\x04\x04\x01"                                                                   \
	"\0\x0a\0\x06\0\x04\0\x19\0\x1d"                                                                               \
	"\0\x2b\0\x07\x06\x0a\x0a\x03\x04\x03\x03"
static const uint16_t suites[] = {0x1a1a, 0x1301, 0xc02b, 0xc02f, 0x00ff};

static void check_modern(const struct tls_hello *hello)
{
	CHECK_STR(hello->name, "mx2.example.test.ab");
	CHECK_EQ(hello->version, 0x0304);
	CHECK(hello->ecdsa_p256 && !hello->ecdsa_p384 && hello->rsa && hello->rsa_pss && hello->signatures_given);
	CHECK(hello->ecdhe_ecdsa && hello->ecdhe_rsa && hello->groups_given && hello->group_known);
	CHECK_EQ(hello->suite_count, 3);
	CHECK_EQ(hello->suites[0], 0x1301);
}

static void test_whole(void)
{
	static const uint16_t old[] = {0x0005, 0x000a, 0x002f};
	struct tls_hello hello;

	make(0x0303, suites, 5, MODERN, sizeof(MODERN) - 1);
	CHECK_EQ(tls_hello_read(octets, length, &hello), TLS_HELLO_WHOLE);
	check_modern(&hello);
	make(0x0301, old, 3, NULL, 0);
	CHECK_EQ(tls_hello_read(octets, length, &hello), TLS_HELLO_WHOLE);
	CHECK_EQ(hello.version, 0x0301);
	CHECK_STR(hello.name, "");
	CHECK(!hello.signatures_given && !hello.ecdhe_rsa && !hello.ecdhe_ecdsa);
	CHECK_EQ(hello.suite_count, 3);
	make(0x0303, suites, 5, "", 0);
	CHECK_EQ(tls_hello_read(octets, length, &hello), TLS_HELLO_WHOLE);
	CHECK_EQ(hello.version, 0x0303);
}

/* Cut anywhere there is more to come; in records of any size it is the same; what comes behind it changes nothing. */
static void test_pieces(void)
{
	static uint8_t cut[40000];
	struct tls_hello hello, whole;

	make(0x0303, suites, 5, MODERN, sizeof(MODERN) - 1);
	for (size_t n = 0; n < length; n++)
		CHECK_EQ(tls_hello_read(octets, n, &hello), TLS_HELLO_MORE);
	CHECK_EQ(tls_hello_read(octets, length, &whole), TLS_HELLO_WHOLE);
	for (size_t piece = 1; piece < 40; piece++) {
		size_t at = 0;
		for (size_t i = 5; i < length; i += piece) {
			size_t n = length - i < piece ? length - i : piece;
			memcpy(cut + at, "\x16\x03\x01\x00", 4);
			cut[at + 4] = (uint8_t)n;
			memcpy(cut + at + 5, octets + i, n);
			at += 5 + n;
			CHECK_EQ(tls_hello_read(cut, at, &hello), i + n < length ? TLS_HELLO_MORE : TLS_HELLO_WHOLE);
		}
		CHECK(memcmp(&hello, &whole, sizeof(hello)) == 0);
		memcpy(cut + at, "\x17\x03\x01\x00\x20", 5);
		CHECK_EQ(tls_hello_read(cut, at + 5, &hello), TLS_HELLO_WHOLE);
	}
}

static void test_bad(void)
{
	static const struct {
		const char *octets;
		size_t length;
		enum tls_hello_state state;
	} rows[] = {
		{"E", 1, TLS_HELLO_BAD},
		{"\x15\x03\x01\x00\x02\x02\x28", 7, TLS_HELLO_BAD},
		{"\x16", 1, TLS_HELLO_MORE},
		{"\x16\x03\x01\x00\x00", 5, TLS_HELLO_BAD},                 /* an empty record */
		{"\x16\x03\x01\xff\xff", 5, TLS_HELLO_BAD},                 /* a record too long */
		{"\x16\x02\x00\x00\x10", 5, TLS_HELLO_BAD},                 /* no version of it */
		{"\x16\x03\x01\x00\x10\x02", 6, TLS_HELLO_BAD},             /* a ServerHello */
		{"\x16\x03\x01\x00\x10\x01\x01\x00\x00", 9, TLS_HELLO_BAD}, /* 64 KiB announced */
		{"\x16\x03\x01\x00\x10\x01\x00\x40\x00", 9, TLS_HELLO_MORE},
		{"\x16\x03\x01\x00\x04\x01\x00\x00\x00", 9, TLS_HELLO_BAD}, /* empty */
		{"\x80\x2e\x01\x03\x01", 5, TLS_HELLO_BAD},                 /* SSL 2 */
	};
	static const struct {
		const char *extensions;
		size_t size;
	} damaged[] = {
		{"\0", 1},
		{"\0\0\0", 3},
		{"\0\0\0\5\0\3\0\0\1", 9}, /* a name that goes beyond */
		{"\0\0\0\4\0\1\0\0", 8},   /* a list that is too short for its entry */
		{"\0\x0d\0\3\0\1\4", 7},   /* half a scheme */
		{"\0\x0d\0\4\0\4\4\3", 8}, /* a list beyond its extension */
		{"\0\x0a\0\3\0\1\0", 7},   /* half a group */
		{"\0\x2b\0\2\1\3", 6},     /* half a version */
		{"\0\x2b\0\0", 4},
	};
	struct tls_hello hello;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK_EQ(tls_hello_read((const uint8_t *)rows[i].octets, rows[i].length, &hello), rows[i].state);
	for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
		make(0x0303, suites, 5, damaged[i].extensions, damaged[i].size);
		CHECK_EQ(tls_hello_read(octets, length, &hello), TLS_HELLO_BAD);
		CHECK_EQ(hello.suite_count, 3); /* what there was is there to be told */
	}
	/* Records that bring nothing of it for ever end, and a hello as long as may be does not. */
	make(0x0303, suites, 5, "", 0);
	octets[6] = 0;
	octets[7] = 0x40;
	octets[8] = 0;
	octets[3] = 0x40;
	octets[4] = 0;
	CHECK_EQ(tls_hello_read(octets, TLS_HELLO_RECORDS_MAX + 100, &hello), TLS_HELLO_BAD);
}

/* STL-10: names that are none are none, and nothing of them is kept. */
static void test_names(void)
{
	static const struct {
		const char *sent;
		size_t size;
		const char *name;
	} rows[] = {
		{"a", 1, "a"},    {"A.b-C_9", 7, "a.b-c_9"}, {"a\0b", 3, ""}, {"a\r\nb", 4, ""},
		{"a\\", 2, ""},   {"\xc3\xa4.de", 5, ""},    {"a b", 3, ""},  {"", 0, ""},
		{"[::1]", 5, ""}, {"mx.\"test", 8, ""},
	};
	struct tls_hello hello;
	uint8_t extension[400];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = rows[i].size;
		memcpy(extension, "\0\0\0\0\0\0\0\0\0", 9);
		extension[3] = (uint8_t)(n + 5);
		extension[5] = (uint8_t)(n + 3);
		extension[8] = (uint8_t)n;
		memcpy(extension + 9, rows[i].sent, n);
		make(0x0303, suites, 5, extension, 9 + n);
		CHECK_EQ(tls_hello_read(octets, length, &hello), TLS_HELLO_WHOLE);
		CHECK_STR(hello.name, rows[i].name);
	}
	for (size_t n = 250; n < 300; n++) {
		memcpy(extension, "\0\0\1\0\1\0\0\1\0", 9);
		extension[2] = (uint8_t)((n + 5) >> 8);
		extension[3] = (uint8_t)(n + 5);
		extension[4] = (uint8_t)((n + 3) >> 8);
		extension[5] = (uint8_t)(n + 3);
		extension[7] = (uint8_t)(n >> 8);
		extension[8] = (uint8_t)n;
		memset(extension + 9, 'x', n);
		make(0x0303, suites, 5, extension, 9 + n);
		CHECK_EQ(tls_hello_read(octets, length, &hello), TLS_HELLO_WHOLE);
		CHECK_EQ(strlen(hello.name), n < 256 ? n : 0);
	}
}

int main(void)
{
	RUN(test_whole);
	RUN(test_pieces);
	RUN(test_bad);
	RUN(test_names);
	return check_end();
}
