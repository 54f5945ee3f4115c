/*
 * core/config/network_file.c - see network_file.h.
 */
#include "core/config/network_file.h"

#include <string.h>

#include "core/config/lines.h"

/* One line without its LF. */
static bool parse_line(const char *line, size_t length, unsigned number, const void *context)
{
	const struct network_file_handler *handler = context;
	enum { WORD_MAX = 60 }; /* the longest network has 43 octets */
	const char *comment = memchr(line, '#', length);
	struct address_problem problem;
	struct network network;
	char word[WORD_MAX + 1];
	size_t start = 0, end = comment ? (size_t)(comment - line) : length;

	while (start < end && lines_blank(line[start]))
		start++;
	while (end > start && lines_blank(line[end - 1]))
		end--;
	if (start == end)
		return true;
	if (end - start > WORD_MAX || memchr(line + start, '\0', end - start))
		return handler->on_problem(handler->context, "no network: write one a line, such as 10.20.0.0/16",
					   number, (unsigned)start + 1);
	memcpy(word, line + start, end - start);
	word[end - start] = '\0';
	if (network_parse(word, &network, &problem) < 0)
		return handler->on_problem(handler->context, problem.text, number, (unsigned)start + 1);
	return handler->on_network(handler->context, &network, number, (unsigned)start + 1);
}

bool network_file_parse(const char *text, size_t length, const struct network_file_handler *handler)
{
	return lines_each(text, length, parse_line, handler);
}
