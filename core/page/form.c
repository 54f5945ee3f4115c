/*
 * core/page/form.c - see form.h.
 */
#include "core/page/form.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/smtp/utf8.h"

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* In place. False: it is none. */
static bool decode(char *text)
{
	char *out = text;

	for (; *text; text++) {
		int high, low;
		if (*text != '%') {
			*out++ = *text == '+' ? ' ' : *text;
			continue;
		}
		high = digit(text[1]);
		low = high < 0 ? -1 : digit(text[2]);
		if (low < 0 || (high == 0 && low == 0))
			return false;
		*out++ = (char)(high << 4 | low);
		text += 2;
	}
	*out = '\0';
	return true;
}

static bool is_text(const char *value)
{
	return utf8_valid((struct span){value, (uint32_t)strlen(value)});
}

static bool take(struct form *form, char *pair)
{
	char *value = strchr(pair, '=');

	if (form->count == FORM_FIELDS)
		return false;
	if (value)
		*value++ = '\0';
	else
		value = pair + strlen(pair);
	form->fields[form->count++] = (struct form_field){pair, value};
	return decode(pair) && decode(value) && is_text(pair) && is_text(value);
}

int form_read(struct form *form, const char *body, size_t length)
{
	bool good = memchr(body ? body : "", '\0', length) == NULL;
	char *pair, *rest = NULL;

	*form = (struct form){.count = 0};
	if (!good)
		return -EINVAL;
	form->text = malloc(length + 1);
	form->fields = calloc(FORM_FIELDS, sizeof(*form->fields));
	if (!form->text || !form->fields) {
		form_free(form);
		return -ENOMEM;
	}
	memcpy(form->text, body ? body : "", length);
	form->text[length] = '\0';
	for (pair = strtok_r(form->text, "&", &rest); pair && good; pair = strtok_r(NULL, "&", &rest))
		good = take(form, pair);
	if (good)
		return 0;
	form_free(form);
	return -EINVAL;
}

void form_free(struct form *form)
{
	free(form->fields);
	free(form->text);
	*form = (struct form){.count = 0};
}

const char *form_value(const struct form *form, const char *key)
{
	for (size_t i = 0; i < form->count; i++) {
		if (strcmp(form->fields[i].key, key) == 0)
			return form->fields[i].value;
	}
	return NULL;
}
