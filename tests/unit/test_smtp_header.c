/* tests/unit/test_smtp_header.c - a field of a message's header, as the log shows it (RFC 5322 2.2, 4.5.8). */
#include "core/smtp/header.h"

#include <stdlib.h>

#include "tests/unit/check.h"

static const struct {
	const char *content, *value;
} table[] = {
	{"Message-ID: <a@b>\r\n\r\n", "<a@b>"},
	{"Message-Id:<a@b>\r\n\r\n", "<a@b>"},
	{"MESSAGE-ID \t:\t <a@b> \t\r\n", "<a@b>"},
	{"From: x\r\nMessage-ID: <a@b>\r\nTo: y\r\n\r\nbody", "<a@b>"},
	/* Folded: before the value, in it, behind it. */
	{"Message-ID:\r\n <a@b>\r\n\r\n", "<a@b>"},
	{"Message-ID:\r\n\t <a@b>\r\nTo: y\r\n", "<a@b>"},
	{"Message-ID: <a\r\n @b>\r\n\r\n", "<a @b>"},
	{"Message-ID: <a@b>\r\n \r\n\r\n", "<a@b>"},
	/* The first one counts. */
	{"Message-ID: <1>\r\nMessage-ID: <2>\r\n\r\n", "<1>"},
	/* Whatever it is, it is what searching will be done for. */
	{"Message-ID: a b c\r\n\r\n", "a b c"},
	{"Message-ID: <\x80\x01>\r\n\r\n", "<\x80\x01>"},
	{"Message-ID: <a@b>\n\n", "<a@b>"},
	{"Message-ID: <a\r@\n b>\r\r\n\r\n", "<a@ b>"},
	/* None. */
	{"", ""},
	{"\r\nMessage-ID: <a@b>\r\n", ""},
	{"\nMessage-ID: <a@b>\r\n", ""},
	{"From: x\r\n\r\nMessage-ID: <a@b>\r\n", ""},
	{"From: x\r\n Message-ID: <a@b>\r\n\r\n", ""},
	{"X-Message-ID: <a@b>\r\n\r\n", ""},
	{"Message-IDs: <a@b>\r\n\r\n", ""},
	{"Message-I: <a@b>\r\n\r\n", ""},
	{"Message-ID\r\n: <a@b>\r\n\r\n", ""},
	{"Message-ID: \r\n\r\n", ""},
	{"Message-ID:\r\n\r\n<a@b>\r\n", ""},
	/* The beginning of a message: what is not whole is not told as if it were. */
	{"Message-ID: <a@b>", ""},
	{"Message-ID: <a\r\n @b", ""},
	{"Message-", ""},
};

static void test_table(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		size_t length = strlen(table[i].content);
		char out[64], *content = malloc(length + !length); /* so that a sanitizer sees reads behind the end */
		size_t n;

		memcpy(content, table[i].content, length);
		n = header_value(content, length, "message-id", out, sizeof(out) - 1);
		out[n] = '\0';
		CHECK_STR(out, table[i].value);
		free(content);
	}
}

static void test_cut(void)
{
	static const char content[] = "Message-ID: <0123456789>\r\n\r\n";
	char out[8] = "........";

	CHECK_EQ(header_value(content, strlen(content), "message-id", out, 4), 4);
	CHECK(memcmp(out, "<012....", 8) == 0);
	CHECK_EQ(header_value(content, strlen(content), "message-id", out, 0), 0);
}

int main(void)
{
	RUN(test_table);
	RUN(test_cut);
	return check_end();
}
