/*
 * core/tools/ladder.c - see ladder.h.
 */
#include "core/tools/ladder.h"

#include <assert.h>
#include <jansson.h>
#include <stdarg.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/tools/written.h"

enum { COLUMNS = 100, INDENT = 25, NAME_WIDTH = 16 };

static const char *const result_names[] = {"ok", "note", "warning", "broken"};

/* What comes from elsewhere may be anything. */
static void make_printable(char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < ' ' || (unsigned char)*text > '~')
			*text = *text == '\n' ? ' ' : '?';
	}
}

void ladder_begin(struct ladder *ladder, const char *destination, const char *format, ...)
{
	va_list arguments;

	ladder->destination = destination;
	ladder->count = ladder->broken = ladder->warnings = 0;
	ladder->rung_ns = clock_monotonic_ns();
	va_start(arguments, format);
	vsnprintf(ladder->target, sizeof(ladder->target), format, arguments);
	va_end(arguments);
	make_printable(ladder->target);
	if (ladder->json || !ladder->out)
		return;
	if (destination)
		fprintf(ladder->out, "%s: ", destination);
	fprintf(ladder->out, "%s\n", ladder->target);
}

/* Words, broken into lines that begin at a column; the first is there already. */
static void put_wrapped(FILE *out, const char *text, size_t at)
{
	while (*text != '\0') {
		size_t word = strcspn(text, " ");
		if (at > INDENT && at + 1 + word > COLUMNS) {
			fprintf(out, "\n%*s", INDENT, "");
			at = INDENT;
		} else if (at > INDENT) {
			fputc(' ', out);
			at++;
		}
		fwrite(text, 1, word, out);
		at += word;
		text += word;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

static void print(const struct ladder *ladder, const struct rung *rung)
{
	static const char *const signs[] = {"ok", "-", "!", "FAILED"};

	fprintf(ladder->out, "  %-6s %-*s", signs[rung->result], NAME_WIDTH, rung->name);
	put_wrapped(ladder->out, rung->text, INDENT);
	fflush(ladder->out);
}

void ladder_add(struct ladder *ladder, const char *name, enum rung_result result, const char *format, ...)
{
	assert(ladder->count < RUNGS_MAX);
	struct rung *rung = &ladder->rungs[ladder->count++];
	uint64_t now_ns = clock_monotonic_ns();
	va_list arguments;

	rung->name = name;
	rung->result = result;
	rung->took_ms = (now_ns - ladder->rung_ns) / CLOCK_NS_PER_MS;
	rung->advice[0] = '\0';
	ladder->rung_ns = now_ns;
	ladder->broken += result == RUNG_BROKEN;
	ladder->warnings += result == RUNG_WARNING;
	va_start(arguments, format);
	vsnprintf(rung->text, sizeof(rung->text), format, arguments);
	va_end(arguments);
	make_printable(rung->text);
	if (!ladder->json && ladder->out)
		print(ladder, rung);
}

void ladder_advise(struct ladder *ladder, const char *format, ...)
{
	assert(ladder->count > 0);
	struct rung *rung = &ladder->rungs[ladder->count - 1];
	size_t length = strlen(rung->advice);
	char *more = rung->advice + length;
	va_list arguments;

	if (length > 0 && length + 2 < sizeof(rung->advice))
		*more++ = ' ';
	va_start(arguments, format);
	vsnprintf(more, sizeof(rung->advice) - (size_t)(more - rung->advice), format, arguments);
	va_end(arguments);
	make_printable(more);
	if (ladder->json || !ladder->out)
		return;
	fprintf(ladder->out, "%*s", INDENT, "=> ");
	put_wrapped(ladder->out, more, INDENT);
	fflush(ladder->out);
}

static json_t *rung_json(const struct rung *rung)
{
	return json_pack("{s:s, s:s, s:I, s:s, s:s*}", "rung", rung->name, "result", result_names[rung->result], "ms",
			 (json_int_t)rung->took_ms, "text", rung->text, "advice",
			 rung->advice[0] != '\0' ? rung->advice : NULL);
}

static void put_json(const struct ladder *ladder)
{
	json_t *rungs = json_array();

	for (unsigned i = 0; i < ladder->count; i++)
		(void)json_array_append_new(rungs, rung_json(&ladder->rungs[i]));
	written_json(ladder->out, json_pack("{s:s, s:s*, s:b, s:i, s:o}", "target", ladder->target, "destination",
					    ladder->destination, "ok", ladder->broken == 0, "warnings",
					    (int)ladder->warnings, "rungs", rungs));
}

bool ladder_end(struct ladder *ladder)
{
	if (!ladder->out)
		return ladder->broken == 0;
	if (ladder->json)
		put_json(ladder);
	else if (ladder->broken == 0)
		fputs(ladder->warnings ? "  works, but look at what is marked with !\n" : "  all is well\n",
		      ladder->out);
	fflush(ladder->out);
	return ladder->broken == 0;
}
