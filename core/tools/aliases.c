/*
 * core/tools/aliases.c - see aliases.h.
 */
#include "core/tools/aliases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DEPTH = 10 };

struct expanding {
	const char *file;
	letter_address_fn *fn;
	void *context;
	unsigned depth;
	bool any; /* something of it can be used */
};

static bool expand(struct expanding *e, const char *name);

static bool on_address(void *context, const char *address)
{
	struct expanding *e = context;

	/* aliases(5): "|program", /file, :include:/file, \name */
	if (strchr("|/:\"", *address))
		return true;
	e->any = true;
	if (*address == '\\')
		return e->fn(e->context, address + 1);
	return strchr(address, '@') ? e->fn(e->context, address) : expand(e, address);
}

/* The value of `name` with the lines that go on; the caller's. NULL: there is none. */
static char *find(const char *file, const char *name)
{
	FILE *in = fopen(file, "re");
	char *line = NULL, *value = NULL;
	size_t size = 0, length = 0, n = strlen(name);
	bool found = false;

	while (in && getline(&line, &size, in) >= 0) {
		const char *at = line, *rest;
		size_t add;
		line[strcspn(line, "\r\n")] = '\0';
		if (*line == '#' || *line == '\0')
			continue;
		if (*line != ' ' && *line != '\t') {
			if (found)
				break;
			rest = line + strcspn(line, ":");
			while (at < rest && rest[-1] == ' ')
				rest--;
			found = (size_t)(rest - at) == n && strncasecmp(at, name, n) == 0;
			at = line + strcspn(line, ":");
			at += *at == ':';
		}
		if (!found)
			continue;
		add = strlen(at);
		char *more = realloc(value, length + add + 2);
		if (!more)
			break;
		value = more;
		value[length++] = ' ';
		memcpy(value + length, at, add + 1);
		length += add;
	}
	free(line);
	if (in)
		fclose(in);
	return value;
}

static bool expand(struct expanding *e, const char *name)
{
	char *value = e->depth < DEPTH ? find(e->file, name) : NULL;
	bool ok;

	if (!value)
		return e->fn(e->context, name);
	e->depth++;
	e->any = false;
	ok = letter_addresses(value, strlen(value), on_address, e);
	/* Only what is not taken: then it is the name's. */
	if (ok && !e->any)
		ok = e->fn(e->context, name);
	e->any = true;
	e->depth--;
	free(value);
	return ok;
}

bool aliases_expand(const char *file, const char *name, letter_address_fn *fn, void *context)
{
	struct expanding e = {.file = file, .fn = fn, .context = context};

	return expand(&e, name);
}
