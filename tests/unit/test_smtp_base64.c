/*
 * test_smtp_base64.c - there and back, and what is none.
 */
#include "core/smtp/base64.h"

#include "tests/unit/check.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* RFC 4648 10. */
static const struct {
	const char *plain, *encoded;
} vectors[] = {
	{"", ""},
	{"f", "Zg=="},
	{"fo", "Zm8="},
	{"foo", "Zm9v"},
	{"foob", "Zm9vYg=="},
	{"fooba", "Zm9vYmE="},
	{"foobar", "Zm9vYmFy"},
	{"\xff\xfe\xfd\xfb", "//79+w=="},
};

static void test_vectors(void)
{
	for (size_t i = 0; i < COUNT(vectors); i++) {
		size_t length = strlen(vectors[i].plain), size = strlen(vectors[i].encoded);
		char encoded[16];
		uint8_t plain[16];

		CHECK_EQ(base64_encode(vectors[i].plain, length, encoded), size);
		CHECK_EQ(BASE64_LENGTH(length), size);
		CHECK(memcmp(encoded, vectors[i].encoded, size) == 0);
		CHECK_EQ(base64_decode(vectors[i].encoded, size, plain), length);
		CHECK(memcmp(plain, vectors[i].plain, length) == 0);
	}
}

static void test_none(void)
{
	static const char *const bad[] = {"Z",    "Zg",   "Zg=",  "Zg=a",     "====", "Z===",  "Zm9v\n",
					  "Z g=", "Zm-v", "Zm_v", "Zg==Zm9v", "=Zg=", "Zm9v=", "Zm\xf6v"};

	for (size_t i = 0; i < COUNT(bad); i++) {
		uint8_t plain[16];
		if (base64_decode(bad[i], strlen(bad[i]), plain) >= 0) {
			fprintf(stderr, "taken: \"%s\"\n", bad[i]);
			CHECK(false);
		}
	}
	CHECK_EQ(base64_decode("Zm9\0", 4, (uint8_t[3]){0}), -1);
}

int main(void)
{
	RUN(test_vectors);
	RUN(test_none);
	return check_end();
}
