/*
 * tests/unit/test_smtp_sasl_server.c - core/smtp/sasl_server.c: talks, as clients and devices were seen to hold them.
 */
#include "core/smtp/sasl_server.h"

#include <stdlib.h>

#include "core/smtp/base64.h"
#include "tests/unit/check.h"

enum { HEARD_SIZE = 1200 };
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What the server says, separated by spaces; at the end "user/password", or why not. */
static void hold(const char *const *lines, char *heard)
{
	static const char *const ends[] = {
		[SASL_SERVER_NOBODY] = "nobody",        [SASL_SERVER_CANCELLED] = "cancelled",
		[SASL_SERVER_NOT_BASE64] = "no-base64", [SASL_SERVER_MALFORMED] = "malformed",
		[SASL_SERVER_UNKNOWN] = "unknown",
	};
	struct sasl_password password = {.length = 0};
	struct sasl_server s;
	enum sasl_server_go go = sasl_server_begin(&s, span_text(lines[0]), &password);

	heard[0] = '\0';
	for (unsigned i = 1; go == SASL_SERVER_ASK && lines[i]; i++) {
		sprintf(heard + strlen(heard), "[%s] ", sasl_server_prompt(&s));
		go = sasl_server_line(&s, span_text(lines[i]), &password);
	}
	if (go == SASL_SERVER_ASK)
		sprintf(heard + strlen(heard), "[%s]", sasl_server_prompt(&s));
	else if (go == SASL_SERVER_GIVEN)
		snprintf(heard + strlen(heard), HEARD_SIZE - 100, "%s/%s", s.user, password.text);
	else
		strcat(heard, ends[go]);
	CHECK(go != SASL_SERVER_GIVEN || (s.user_length == strlen(s.user) && password.length == strlen(password.text)));
}

#define USER "VXNlcm5hbWU6"
#define PASSWORD "UGFzc3dvcmQ6"

static void test_talks(void)
{
	static const struct {
		const char *lines[4], *heard;
	} table[] = {
		/* RFC 4954 4, RFC 4616 4 */
		{{"PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm"}, "tim/tanstaaftanstaaf"},
		{{"PLAIN", "AHRpbQB0YW5zdGFhZnRhbnN0YWFm"}, "[] tim/tanstaaftanstaaf"},
		{{"PLAIN", "*"}, "[] cancelled"},
		{{"LOGIN", "dGlt", "cGFzcw=="}, "[" USER "] [" PASSWORD "] tim/pass"},
		{{"LOGIN", "*"}, "[" USER "] cancelled"},
		{{"LOGIN", "dGlt", "*"}, "[" USER "] [" PASSWORD "] cancelled"},
		/* Copiers, backup programs and .NET: the name behind LOGIN; in any case. */
		{{"LOGIN dGlt", "cGFzcw=="}, "[" PASSWORD "] tim/pass"},
		{{"login dGlt", "cGFzcw=="}, "[" PASSWORD "] tim/pass"},
		{{"plain", "AHRpbQBwYXNz"}, "[] tim/pass"},
		{{"Plain  AHRpbQBwYXNz "}, "tim/pass"},
		/* The user as authorization identity, in any case; another one. */
		{{"PLAIN dGltAHRpbQBwYXNz"}, "tim/pass"},
		{{"PLAIN VElNAHRpbQBwYXNz"}, "tim/pass"},
		{{"PLAIN dG9tAHRpbQBwYXNz"}, "nobody"},
		{{"PLAIN dGltbQB0aW0AcGFzcw=="}, "nobody"},
		/* One NUL; one at the end, which was a string's. */
		{{"PLAIN dGltAHBhc3M="}, "tim/pass"},
		{{"PLAIN AHRpbQBwYXNzAA=="}, "tim/pass"},
		{{"LOGIN", "dGltAA==", "cGFzcwA="}, "[" USER "] [" PASSWORD "] tim/pass"},
		/* Without padding, as its base64 is sometimes made for addresses of pages; blanks around it. */
		{{"PLAIN dGltAHBhc3M"}, "tim/pass"},
		{{"LOGIN", "dGlt", "cGFzcw"}, "[" USER "] [" PASSWORD "] tim/pass"},
		{{"LOGIN", " dGlt\t", " cGFzcw==  "}, "[" USER "] [" PASSWORD "] tim/pass"},
		/* Nothing: a library that asks again, and one that has only half of it configured. */
		{{"LOGIN =", "cGFzcw=="}, "[" PASSWORD "] nobody"},
		{{"LOGIN", "", "cGFzcw=="}, "[" USER "] [" PASSWORD "] nobody"},
		{{"LOGIN dGlt", ""}, "[" PASSWORD "] nobody"},
		{{"LOGIN dGlt", "="}, "[" PASSWORD "] no-base64"},
		{{"PLAIN ="}, "malformed"},
		{{"PLAIN", ""}, "[] malformed"},
		{{"PLAIN AAA="}, "nobody"},
		{{"PLAIN AAB4"}, "nobody"},
		{{"PLAIN AHgA"}, "nobody"},
		{{"PLAIN AHgAAA=="}, "nobody"},
		{{"PLAIN eAB4AA=="}, "nobody"}, /* one NUL, and one at the end: it might be two of the form with two */
		{{"PLAIN AHRpbQBwYQBzcw=="}, "nobody"},
		{{"LOGIN dAB0", "cGFzcw=="}, "[" PASSWORD "] nobody"},
		/* No base64. */
		{{"PLAIN tim"}, "malformed"}, /* it is */
		{{"PLAIN a"}, "no-base64"},
		{{"PLAIN !!!!"}, "no-base64"},
		{{"PLAIN AHRp bQBwYXNz"}, "no-base64"},
		{{"PLAIN A==="}, "no-base64"},
		{{"PLAIN =AHR"}, "no-base64"},
		{{"PLAIN AHRpbQBwYXNz*"}, "no-base64"},
		{{"LOGIN tim@example.org"}, "no-base64"},
		{{"LOGIN", "tim@example.org"}, "[" USER "] no-base64"},
		{{"PLAIN **"}, "no-base64"},
		/* Others' mechanisms; names that only begin like one. */
		{{"CRAM-MD5"}, "unknown"},
		{{"XOAUTH2 dGlt"}, "unknown"},
		{{"PLAINTEXT AHRpbQBwYXNz"}, "unknown"},
		{{"PLAI"}, "unknown"},
		{{""}, "unknown"},
		{{"="}, "unknown"},
		{{"*"}, "unknown"},
	};
	char heard[HEARD_SIZE];

	for (size_t i = 0; i < COUNT(table); i++) {
		hold(table[i].lines, heard);
		if (strcmp(heard, table[i].heard) != 0)
			fprintf(stderr, "talk %zu (%s): %s\n", i, table[i].lines[0], heard);
		CHECK_STR(heard, table[i].heard);
	}
}

/* A response of `user` octets, NUL, and `password` octets, in base64. */
static char *plain_of(size_t user, size_t password)
{
	size_t length = user + password + 2;
	char *octets = malloc(length), *text = malloc(BASE64_LENGTH(length) + 1);

	memset(octets, 'x', length);
	octets[0] = octets[user + 1] = '\0';
	text[base64_encode(octets, length, text)] = '\0';
	free(octets);
	return text;
}

static void test_lengths(void)
{
	static const struct {
		size_t user, password;
		enum sasl_server_go go;
	} table[] = {
		{1, 1, SASL_SERVER_GIVEN},
		{SASL_SERVER_USER_MAX, SASL_SERVER_PASSWORD_MAX, SASL_SERVER_GIVEN},
		{SASL_SERVER_USER_MAX + 1, 1, SASL_SERVER_NOBODY},
		{1, SASL_SERVER_PASSWORD_MAX + 1, SASL_SERVER_NOBODY},
		{256, 512, SASL_SERVER_NOBODY},
		{100, 1400, SASL_SERVER_NOBODY},
		{100, 9000, SASL_SERVER_NOBODY},
	};
	struct sasl_password password;
	struct sasl_server s;

	for (size_t i = 0; i < COUNT(table); i++) {
		char *text = plain_of(table[i].user, table[i].password);
		CHECK_EQ(sasl_server_begin(&s, span_text("PLAIN"), &password), SASL_SERVER_ASK);
		CHECK_EQ(sasl_server_line(&s, span_text(text), &password), table[i].go);
		/* Too long a name as if it were one: the password is asked for. */
		CHECK_EQ(sasl_server_begin(&s, span_text("LOGIN"), &password), SASL_SERVER_ASK);
		CHECK_EQ(sasl_server_line(&s, span_text(text), &password), SASL_SERVER_ASK);
		CHECK_STR(sasl_server_prompt(&s), PASSWORD);
		CHECK_EQ(sasl_server_line(&s, span_text("cGFzcw=="), &password), SASL_SERVER_NOBODY);
		free(text);
	}
}

int main(void)
{
	RUN(test_talks);
	RUN(test_lengths);
	return check_end();
}
