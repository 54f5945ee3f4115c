/*
 * core/tools/suppress_batch.c - see suppress_batch.h.
 */
#include "core/tools/suppress_batch.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/tools/table.h"

enum { BATCH = 1 << 20 };

int suppress_fail(int status, const char *what, const char *why)
{
	table_say("postrider: suppress: %s: %s", what, why);
	return status;
}

static bool flush(struct suppress_batch *b)
{
	if (b->error == 0 && b->length > 0)
		b->error = suppression_append(b->options->path, b->text, b->length);
	b->appended += b->length;
	b->length = 0;
	return b->error == 0;
}

uint32_t suppress_closing(struct span s)
{
	for (uint32_t i = 1; i < s.length; i++) {
		if (s.data[i] == '\\')
			i++;
		else if (s.data[i] == '"')
			return i;
	}
	return s.length;
}

/* One word, or in quotes, as RFC 5321 4.1.2 has it: what "Name <user@example.org>" or several in a line would be is
 * asked for by nobody. */
static bool is_local(struct span s)
{
	if (s.length > 0 && s.data[0] == '"')
		return suppress_closing(s) == s.length - 1;
	for (uint32_t i = 0; i < s.length; i++) {
		if (strchr(" \"(),:;<>@[\\]", s.data[i]))
			return false;
	}
	return s.length > 0;
}

/* As the DNS has it, or an address in brackets. */
static bool is_domain(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (!isalnum((unsigned char)text[i]) && !strchr("-._[]:", text[i]))
			return false;
	}
	return true;
}

size_t suppress_name(struct span text, char name[SMTP_PATH_MAX])
{
	const char *at = text.length ? memrchr(text.data, '@', text.length) : NULL, *domain;
	size_t length = at ? suppressed_name(text, name) : 0;

	if (length == 0 || !is_local((struct span){text.data, (uint32_t)(at - text.data)}))
		return 0;
	domain = (const char *)memrchr(name, '@', length) + 1;
	return is_domain(domain, (size_t)(name + length - domain)) ? length : 0;
}

bool suppress_put(struct suppress_batch *b, struct span text, struct suppression_entry entry)
{
	char name[SMTP_PATH_MAX];
	size_t length = suppress_name(text, name);

	if (length == 0)
		return false;
	entry.address = (struct span){name, (uint32_t)length};
	if (b->length + SUPPRESSION_LINE_MAX > BATCH)
		(void)flush(b);
	b->length += suppression_format(&entry, b->text + b->length);
	b->lines++;
	return true;
}

bool suppress_begin(struct suppress_batch *b, const struct suppress_options *options)
{
	*b = (struct suppress_batch){.options = options, .text = malloc(BATCH)};
	return b->text;
}

/* Lines that were overtaken go when they are many. */
int suppress_end(struct suppress_batch *b, size_t *live)
{
	size_t unasked;

	if (flush(b) && (live || suppression_is_due(b->options->path, b->appended)))
		b->error = suppression_compact(b->options->path, live ? live : &unasked);
	free(b->text);
	return b->error < 0 ? suppress_fail(SUPPRESS_FILE, b->options->path, strerror(-b->error)) : 0;
}

struct suppression_entry suppress_now(const struct suppress_options *o, bool removed)
{
	return (struct suppression_entry){
		.removed = removed,
		.wall_s = (uint64_t)time(NULL),
		.reason = removed ? SUPPRESSION_MANUAL : o->reason,
		.note = {o->note, o->note ? (uint32_t)strlen(o->note) : 0},
	};
}
