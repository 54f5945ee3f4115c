/*
 * core/config/field_form.c - see field_form.h.
 */
#include "core/config/field_form.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* It is that name, or begins what has it. */
static bool names(const char *name, size_t length, const char *kept)
{
	if (name[length - 1] == '*')
		return strlen(kept) >= length - 1 && strncasecmp(kept, name, length - 1) == 0;
	return strlen(kept) == length && strncasecmp(kept, name, length) == 0;
}

const char *field_form_name_problem(const char *name, size_t length)
{
	if (length == 0 || length > FIELD_FORM_MAX / 2)
		return "there is no name of a field";
	for (size_t i = 0; i < length; i++) {
		if (name[i] <= ' ' || name[i] >= 127 || name[i] == ':' || (name[i] == '*' && i + 1 < length))
			return "a name of a field is printable ASCII without spaces and colons";
	}
	if (names(name, length, "received"))
		return "Received is what ends loops: it stays as it is";
	if (names(name, length, "from") || names(name, length, "return-path"))
		return "who wrote a message is said by from: { address: ... }";
	return NULL;
}

const char *field_form_problem(const char *field)
{
	const char *colon = strchr(field, ':');
	const char *problem = colon ? field_form_name_problem(field, (size_t)(colon - field)) : "there is no colon";

	if (problem)
		return problem;
	if (colon[-1] == '*')
		return "the name of a field that is added has no *";
	for (const char *p = colon; *p; p++) {
		if ((unsigned char)*p < ' ' || (unsigned char)*p >= 127)
			return "a value is printable ASCII on one line; others are written as encoded words (RFC 2047)";
	}
	return strlen(field) > FIELD_FORM_MAX ? "it is longer than a line may be, which is 998 octets" : NULL;
}
