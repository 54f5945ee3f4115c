/*
 * test_bundle_hidden.c - words that are to be in no text that leaves: in whatever form they stand there, and nothing
 * else is touched.
 */
#include "core/agents/bundle_hidden.h"

#include <stdlib.h>
#include <string.h>

#include "core/config/schema_auth.h"
#include "tests/unit/check.h"

static const struct {
	const char *secrets, *text, *out;
} rows[] = {
	{"", "nothing is hidden\n", "nothing is hidden\n"},
	{"hunter2\n", "a hunter2 and hunter2hunter2", "a [left out] and [left out][left out]"},
	{"hunter2", "hunter2", "[left out]"},
	/* What is shorter would be found everywhere. */
	{"abc\n", "abcdef", "abcdef"},
	{"abcd\r\n", "abcdef", "[left out]ef"},
	/* As JSON has it. */
	{"a\"b\\c", "{\"x\":\"a\\\"b\\\\c\"} a\"b\\c", "{\"x\":\"[left out]\"} [left out]"},
	/* Parts of a line that are no words of language. */
	{"copier:$y$j9T$abcdefgh:x\n", "the hash $y$j9T$abcdefgh of copier", "the hash [left out] of copier"},
	{"{ \"private_key\": \"MIIEvQIBADANBg\" }", "private_key MIIEvQIBADANBg", "private_key [left out]"},
	/* Of a longer one nothing is left where another one is a part of it, whichever was known first. */
	{"summer\nsummer2024!\n", "it is summer2024! in summer", "it is [left out] in [left out]"},
	{"summer2024!\nsummer\n", "it is summer2024! in summer", "it is [left out] in [left out]"},
	{"abcdef\ndefghi\n", "xabcdefghiy", "x[left out]y"},
	/* What a text that was cut has of it; and two that begin alike. */
	{"abcdefghijklmnopqrstuvwxyz\n", "{\"reply\":\"no: abcdefghijklmnopqr\"}", "{\"reply\":\"no: [left out]\"}"},
	{"abcdefghijklmnopqrstuvwxyz\n", "abcdefghijklmnopqr stuvwxyz", "abcdefghijklmnopqr stuvwxyz"},
	{"abcdefghijklmnopqrstuvwxyz\nabcdefghijklmnopqr\n", "abcdefghijklmnopqr stuvwxyz", "[left out] stuvwxyz"},
	/* As one signs in by it: of NUL, user, NUL and "hunter2"; of "hunter2" alone; behind one octet; and two. */
	{"hunter2\n", "535 what is AHVzZXIAaHVudGVyMg==?", "535 what is AHVzZXIA[left out]g==?"},
	{"hunter2\n", "535 what is aHVudGVyMg==?", "535 what is [left out]g==?"},
	{"hunter2\n", "535 what is eGh1bnRlcjI=?", "535 what is eG[left out]I=?"},
	{"hunter2\n", "535 what is eHhodW50ZXIy?", "535 what is eHh[left out]?"},
	/* A token that was repeated; and what is none. */
	{"", "535 what is dXNlcj1hQGIuYwFhdXRoPUJlYXJlciBhYmMBAQ==?",
	 "535 what is ****************************************?"},
	{"", "eyJ0eXAi dXNlcj1h ya29.", "eyJ0eXAi dXNlcj1h ya29."},
	/* What PEM says of itself. */
	{"-----BEGIN PRIVATE KEY-----\nMIIEvQ\n", "-----BEGIN PRIVATE KEY-----\nMIIEvQ\n",
	 "-----BEGIN PRIVATE KEY-----\n[left out]\n"},
	/* What programs said. */
	{"", "{\"text\":\"oauth.command ended with status 1: key is abc\",\"x\":1}",
	 "{\"text\":\"oauth.command ended with status 1: **********\",\"x\":1}"},
	{"", "oauth.command ended with status 1: a \\\" b\nc", "oauth.command ended with status 1: ******\nc"},
	/* It ends with a backslash, and what comes behind it is none of its own. */
	{"", "{\"text\":\"oauth.command ended with status 1: a\\\\\",\"x\":1}",
	 "{\"text\":\"oauth.command ended with status 1: ***\",\"x\":1}"},
	{"", "oauth.command ended with status 1\nc: d", "oauth.command ended with status 1\nc: d"},
	{"", "oauth.command ", "oauth.command "},
	{"", "oauth.command x: ", "oauth.command x: "},
};

static void test_rows(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct hidden_words *words = hidden_words_new();
		size_t length = strlen(rows[i].text);
		char *out;

		hidden_words_take(words, rows[i].secrets);
		out = hidden_words_out(words, rows[i].text, &length);
		CHECK_EQ(length, strlen(rows[i].out));
		CHECK(memcmp(out, rows[i].out, length) == 0);
		free(out);
		hidden_words_free(words);
	}
}

/* A file of users: hashes, and no names, however long they are. */
static void test_users(void)
{
	static const char file[] = "# users\ncopier-of-the-third-floor:$y$j9T$abcdefghijklmnop$"
				   "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG\n",
			  text[] = "copier-of-the-third-floor has $y$j9T$abcdefghijklmnop$"
				   "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";
	struct hidden_words *words = hidden_words_new();
	size_t length = sizeof(text) - 1;
	char *out;

	hidden_words_take_users(words, file, sizeof(file) - 1);
	out = hidden_words_out(words, text, &length);
	CHECK_EQ(length, strlen("copier-of-the-third-floor has [left out]"));
	CHECK(memcmp(out, "copier-of-the-third-floor has [left out]", length) == 0);
	free(out);
	hidden_words_free(words);
}

/* A file of more lines than are known, and NULs in a text. */
static void test_many(void)
{
	struct hidden_words *words = hidden_words_new();
	char line[32],
		text[] = "a\0"
			 "000001 line b",
		*out;
	size_t length = sizeof(text) - 1;

	for (unsigned i = 0; i < 2 * HIDDEN_WORDS_MAX; i++) {
		snprintf(line, sizeof(line), "%06u line\n", i);
		hidden_words_take(words, line);
	}
	out = hidden_words_out(words, text, &length);
	CHECK_EQ(length, 14);
	CHECK(memcmp(out, "a\0[left out] b", length) == 0);
	free(out);
	hidden_words_free(words);
}

/* As many passwords as two destinations have at most: none of them is forgotten for another. */
static void test_many_passwords(void)
{
	enum { PASSWORDS = 2 * SCHEMA_MAILBOXES_MAX };
	struct hidden_words *words = hidden_words_new();
	char line[32], text[] = "it is 08191\\secret-word", *out;
	size_t length = sizeof(text) - 1;

	for (unsigned i = 0; i < PASSWORDS; i++) {
		snprintf(line, sizeof(line), "%05u\\secret-word\n", i);
		hidden_words_take(words, line);
	}
	out = hidden_words_out(words, text, &length);
	CHECK_EQ(length, strlen("it is [left out]"));
	CHECK(memcmp(out, "it is [left out]", length) == 0);
	free(out);
	hidden_words_free(words);
}

int main(void)
{
	RUN(test_rows);
	RUN(test_users);
	RUN(test_many);
	RUN(test_many_passwords);
	return check_end();
}
