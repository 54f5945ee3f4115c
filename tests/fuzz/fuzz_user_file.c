/*
 * fuzz_user_file.c - files of users: whatever is taken as one may be added to a table once and is found there; forms of
 * hashes are looked at for what they are.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/password_form.h"
#include "core/config/user_file.h"
#include "core/config/user_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

static bool on_user(void *context, const char *name, size_t name_length, const char *hash, size_t hash_length,
		    unsigned line)
{
	struct user_table *table = context;
	struct user user;
	int r = user_table_add(table, name, name_length, hash, hash_length);

	need(r == 0 || r == -EEXIST);
	need(name_length <= USER_NAME_MAX && hash_length <= PASSWORD_HASH_MAX && hash[0] == '$' && line > 0);
	need(!memchr(name, '\n', name_length) && !memchr(hash, '\n', hash_length) && !memchr(hash, '\0', hash_length));
	need(user_table_find(table, name, name_length, &user));
	need(user_names_same(user.name, strlen(user.name), name, name_length));
	if (r == 0)
		need(strlen(user.hash) == hash_length && memcmp(user.hash, hash, hash_length) == 0);
	return true;
}

static bool on_problem(void *context, const char *text, unsigned line, unsigned column)
{
	need(text[0] != '\0' && line > 0 && column > 0);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct user_table *table = user_table_new();
	const struct user_file_handler handler = {.on_user = on_user, .on_problem = on_problem, .context = table};

	need(table != NULL);
	need(user_file_parse((const char *)data, size, &handler));
	(void)password_form_problem((const char *)data, size);
	user_table_free(table);
	return 0;
}
