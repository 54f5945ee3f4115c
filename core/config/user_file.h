/*
 * core/config/user_file.h - who may sign in here, in a file of its own: NAME:HASH, one a line, as `postrider hash NAME`
 * writes it.
 *
 * Empty lines and lines that begin with # are ignored, lines may end with CR LF, and a byte order mark is taken. Each
 * problem comes with its line and column; what stands behind the colon is never repeated, as it may be a password.
 */
#ifndef POSTRIDER_CONFIG_USER_FILE_H
#define POSTRIDER_CONFIG_USER_FILE_H

#include <stdbool.h>
#include <stddef.h>

enum { USER_NAME_MAX = 240 };

/* What a text is made of; each function answers whether to go on. Lines and columns count from 1. */
struct user_file_handler {
	bool (*on_user)(void *context, const char *name, size_t name_length, const char *hash, size_t hash_length,
			unsigned line);
	bool (*on_problem)(void *context, const char *text, unsigned line, unsigned column);
	void *context;
};

/* False when a handler stopped it. */
bool user_file_parse(const char *text, size_t length, const struct user_file_handler *handler);
/* NULL: nobody can object to the name. Else a static sentence. */
const char *user_name_problem(const char *name, size_t length);

#endif
