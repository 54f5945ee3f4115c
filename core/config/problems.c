/*
 * core/config/problems.c - see problems.h.
 */
#include "core/config/problems.h"

#include <stdio.h>
#include <string.h>

void config_problems_init(struct config_problems *problems)
{
	problems->errors = problems->warnings = problems->count = 0;
}

/* Where to write the next; NULL: it is only counted. An error takes the place of a warning when the list is full. */
static struct config_problem *next(struct config_problems *problems, bool warning)
{
	*(warning ? &problems->warnings : &problems->errors) += 1;
	if (problems->count < CONFIG_PROBLEMS_MAX)
		return &problems->list[problems->count++];
	for (unsigned i = problems->count; !warning && i-- > 0;) {
		if (problems->list[i].warning)
			return &problems->list[i];
	}
	return NULL;
}

void config_problems_add_list(struct config_problems *problems, bool warning, struct config_place place,
			      const char *file, struct config_place at, const char *format, va_list arguments)
{
	struct config_problem *problem = next(problems, warning);
	int length;

	if (problem == NULL)
		return;
	problem->place = place;
	problem->warning = warning;
	length = snprintf(problem->text, sizeof(problem->text), "%.512s:%u:%u: %s", file, at.line > 0 ? at.line : 1,
			  at.column > 0 ? at.column : 1, warning ? "warning: " : "");
	if (length > 0)
		vsnprintf(problem->text + length, sizeof(problem->text) - (size_t)length, format, arguments);
	/* The file's text goes to terminals and logs: no line breaks, no escape sequences. */
	for (char *p = problem->text; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	}
}

void config_problems_add(struct config_problems *problems, bool warning, const char *file, struct config_place place,
			 const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	config_problems_add_list(problems, warning, place, file, place, format, arguments);
	va_end(arguments);
}

static bool before(struct config_place a, struct config_place b)
{
	return a.line < b.line || (a.line == b.line && a.column < b.column);
}

void config_problems_sort(struct config_problems *problems)
{
	for (unsigned i = 1; i < problems->count; i++) {
		struct config_problem moved = problems->list[i];
		unsigned to = i;
		for (; to > 0 && before(moved.place, problems->list[to - 1].place); to--)
			problems->list[to] = problems->list[to - 1];
		problems->list[to] = moved;
	}
}

const char *config_problems_first(const struct config_problems *problems)
{
	unsigned i = 0;

	while (problems->errors > 0 && i + 1 < problems->count && problems->list[i].warning)
		i++;
	return problems->count > 0 ? problems->list[i].text : "";
}

void config_problems_print(const struct config_problems *problems)
{
	unsigned all = problems->errors + problems->warnings;

	for (unsigned i = 0; i < problems->count; i++)
		fprintf(stderr, "%s\n", problems->list[i].text);
	if (all > problems->count)
		fprintf(stderr, "... and %u more\n", all - problems->count);
}
