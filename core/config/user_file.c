/*
 * core/config/user_file.c - see user_file.h.
 */
#include "core/config/user_file.h"

#include <stdio.h>
#include <string.h>

#include "core/config/lines.h"
#include "core/config/password_form.h"

const char *user_name_problem(const char *name, size_t length)
{
	if (length == 0)
		return "a user's name is missing before the colon";
	if (length > USER_NAME_MAX)
		return "a user's name has more than 240 octets";
	if (lines_blank(name[0]) || lines_blank(name[length - 1]))
		return "a user's name begins or ends with a blank";
	if (name[0] == '#')
		return "a user's name begins with #, as comments do";
	for (size_t i = 0; i < length; i++) {
		if (name[i] == ':')
			return "a user's name has a colon in it";
		if ((unsigned char)name[i] < ' ' || name[i] == 0x7f)
			return "a user's name has a control character in it";
	}
	/* "*" is everybody where clients name users, and "*@" begins a domain. */
	if (name[0] == '*')
		return "a user's name begins with *, which stands for many";
	return NULL;
}

/* One line without its LF. */
static bool parse_line(const char *line, size_t length, unsigned number, const void *context)
{
	const struct user_file_handler *handler = context;
	const char *colon = memchr(line, ':', length), *problem;
	char text[160];
	size_t name, hash;

	while (length > 0 && lines_blank(line[length - 1]))
		length--;
	if (length == 0 || line[0] == '#')
		return true;
	if (!colon)
		return handler->on_problem(handler->context, "no colon: write NAME:HASH, as `postrider hash NAME` does",
					   number, 1);
	name = (size_t)(colon - line);
	problem = user_name_problem(line, name);
	if (problem)
		return handler->on_problem(handler->context, problem, number, 1);
	if (name + 1 >= length)
		return handler->on_problem(handler->context, "the hash is missing behind the colon", number,
					   (unsigned)name + 1);
	hash = length - name - 1;
	problem = password_form_problem(colon + 1, hash);
	if (!problem)
		return handler->on_user(handler->context, line, name, colon + 1, hash, number);
	snprintf(text, sizeof(text), "the hash %s", problem);
	return handler->on_problem(handler->context, text, number, (unsigned)name + 2);
}

bool user_file_parse(const char *text, size_t length, const struct user_file_handler *handler)
{
	return lines_each(text, length, parse_line, handler);
}
