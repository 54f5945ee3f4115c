/*
 * tests/unit/test_page_form.c - core/page/form: bodies of forms.
 */
#include "core/page/form.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/check.h"

static void test_rows(void)
{
	static const struct {
		const char *body;
		int r;
		const char *key, *value; /* NULL: there is none */
	} rows[] = {
		{"", 0, "a", NULL},
		{"a=b", 0, "a", "b"},
		{"a=b&a=c", 0, "a", "b"},
		{"a", 0, "a", ""},
		{"a=", 0, "a", ""},
		{"=x", 0, "", "x"},
		{"&&a=b&", 0, "a", "b"},
		{"a=1+2%2B3%20%26%3D", 0, "a", "1 2+3 &="},
		{"a%3Db=c", 0, "a=b", "c"},
		{"a=b=c", 0, "a", "b=c"},
		{"a=%c3%A9", 0, "a", "\xc3\xa9"},
		{"a=%", -EINVAL, NULL, NULL},
		{"a=%4", -EINVAL, NULL, NULL},
		{"a=%4g", -EINVAL, NULL, NULL},
		{"a=%00", -EINVAL, NULL, NULL},
		{"a=%e9", -EINVAL, NULL, NULL},
		{"a=%c3", -EINVAL, NULL, NULL},
		{"a=%c0%80", -EINVAL, NULL, NULL},
		{"%ff=a", -EINVAL, NULL, NULL},
		{"%=a", -EINVAL, NULL, NULL},
	};
	struct form form;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CHECK_EQ(form_read(&form, rows[i].body, strlen(rows[i].body)), rows[i].r);
		if (rows[i].r == 0 && rows[i].value)
			CHECK_STR(form_value(&form, rows[i].key) ? form_value(&form, rows[i].key) : "(none)",
				  rows[i].value);
		else if (rows[i].r == 0)
			CHECK(form_value(&form, rows[i].key) == NULL);
		form_free(&form);
	}
	CHECK_EQ(form_read(&form, NULL, 0), 0);
	form_free(&form);
	CHECK_EQ(form_read(&form, "a=b\0c", 5), -EINVAL);
}

static void test_many(void)
{
	char *body = malloc(2 * (FORM_FIELDS + 1) + 1);
	struct form form;

	for (size_t i = 0; i <= FORM_FIELDS; i++)
		memcpy(body + 2 * i, "a&", 2);
	CHECK_EQ(form_read(&form, body, 2 * FORM_FIELDS), 0);
	CHECK_EQ(form.count, FORM_FIELDS);
	form_free(&form);
	CHECK_EQ(form_read(&form, body, 2 * (FORM_FIELDS + 1)), -EINVAL);
	free(body);
}

int main(void)
{
	RUN(test_rows);
	RUN(test_many);
	return check_end();
}
