/*
 * core/page/form.h - what a browser sends of a form: application/x-www-form-urlencoded, the body of a request. Pure.
 */
#ifndef POSTRIDER_PAGE_FORM_H
#define POSTRIDER_PAGE_FORM_H

#include <stddef.h>

enum { FORM_FIELDS = 2048 };

struct form_field {
	const char *key, *value; /* NUL-terminated, decoded */
};

struct form {
	struct form_field *fields; /* owned, as is the text they are in */
	size_t count;
	char *text;
};

/* 0, -EINVAL: it is no form: a `%` without two digits, a NUL, what is no UTF-8, more than FORM_FIELDS; -ENOMEM. */
int form_read(struct form *form, const char *body, size_t length);
void form_free(struct form *form);
/* The first of that key; NULL: there is none. */
const char *form_value(const struct form *form, const char *key);

#endif
