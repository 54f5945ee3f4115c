/*
 * tests/unit/test_device_cut.c - one entry taken out of a list of devices, and nothing else.
 */
#include "core/config/device_cut.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/check.h"

static const struct {
	const char *text;
	unsigned line;
	const char *left; /* NULL: it cannot be */
} table[] = {
	{"- name: a\n  user: a\n- name: b\n  user: b\n", 1, "- name: b\n  user: b\n"},
	{"- name: a\n  user: a\n- name: b\n  user: b\n", 3, "- name: a\n  user: a\n"},
	{"- name: a\n  user: a\n- name: b\n  user: b", 3, "- name: a\n  user: a\n"},
	{"- name: a\r\n  user: a\r\n- name: b\r\n  user: b\r\n", 1, "- name: b\r\n  user: b\r\n"},
	{"\xef\xbb\xbf- name: a\n- name: b\n", 1, "\xef\xbb\xbf- name: b\n"},
	{"\xef\xbb\xbf- name: a\n- name: b\n", 2, "\xef\xbb\xbf- name: a\n"},
	/* Comments and blanks belong to who comes next, or to all. */
	{"# all\n\n- name: a # x\n  # inside\n  user: a\n\n# of b\n- name: b\n# end\n", 3,
	 "# all\n\n\n# of b\n- name: b\n# end\n"},
	{"# all\n- name: a\n# of b\n- name: b\n# end\n", 4, "# all\n- name: a\n# of b\n# end\n"},
	/* The entry begins on a line of its own. */
	{"-\n  name: a\n-\n  name: b\n", 2, "-\n  name: b\n"},
	{"-\n  name: a\n-\n\n  name: b\n", 5, "-\n  name: a\n"},
	{"  - name: a\n  - name: b\n", 1, "  - name: b\n"},
	{"---\n- name: a\n- name: b\n...\n", 3, "---\n- name: a\n...\n"},
	/* What is in it does not look like the next. */
	{"- name: a\n  limits: { connections: 1 }\n  x:\n  - 1\n  - 2\n- name: b\n", 1, "- name: b\n"},
	{"- name: a\n  place: |\n    - name: x\n\n    y\n- name: b\n", 1, "- name: b\n"},
	{"- name: a\n  place: |\n    - name: x\n\n    y\n- name: b\n", 6,
	 "- name: a\n  place: |\n    - name: x\n\n    y\n"},
	{"- name: \"a\n\n   b\"\n- name: b\n", 1, "- name: b\n"},
	{"- { name: a,\n    user: a }\n- name: b\n", 1, "- name: b\n"},
	{"- name: B\xc3\xbcro \xe2\x80\x93 1\n- name: b\n", 2, "- name: B\xc3\xbcro \xe2\x80\x93 1\n"},
	{"- name: a\n", 1, ""},
	/* Not to be told by lines, or not there. */
	{"- name: a\n- name: b\n", 3, NULL},
	{"- name: a\n  user: a\n- name: b\n", 2, NULL},
	{"- name: a\n", 0, NULL},
	{"[{ name: a }, { name: b }]\n", 1, NULL},
	{"name: a\nuser: b\n", 1, NULL},
	{"- name: a\r- name: b\r", 1, NULL},
	{"- name: a\xc2\x85- name: b\n", 1, NULL},
	{"- name: a\xe2\x80\xa8- name: b\n", 1, NULL},
	{"- name: [\n", 1, NULL},
	{"", 1, NULL},
};

static void test_table(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		size_t length = strlen(table[i].text), left = 0;
		char *copy = malloc(length + !length), *out = NULL; /* so that a sanitizer sees reads behind the end */

		memcpy(copy, table[i].text, length);
		int r = device_cut(copy, length, table[i].line, &out, &left);
		CHECK_EQ(r, table[i].left ? 0 : -EINVAL);
		if (r == 0 && table[i].left) {
			out[left] = '\0';
			CHECK_STR(out, table[i].left);
		}
		if (r == 0)
			free(out);
		free(copy);
	}
}

int main(void)
{
	RUN(test_table);
	return check_end();
}
