/*
 * core/config/schema_user.c - see schema_user.h.
 *
 * Whoever may write the file lets in whom he likes, so it must be ours or root's and nobody else's to write;
 * whoever may read it can try passwords at his leisure.
 */
#include "core/config/schema_user.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/config/schema_fields.h"
#include "core/config/text_file.h"
#include "core/config/user_file.h"
#include "core/config/user_table.h"

enum { USERS_FILE_MAX = 256 << 20 };

/* What reading the file needs besides the text. */
struct users_file {
	struct reader *r;
	const yaml_mark_t *mark; /* of the file's name */
	const char *path;
	struct user_table *table;
	bool ok;
};

static bool on_problem(void *context, const char *text, unsigned line, unsigned column)
{
	struct users_file *file = context;
	const yaml_mark_t mark = {.line = line - 1, .column = column - 1};

	(void)reader_fail_in(file->r, file->mark, file->path, &mark, "%s", text);
	file->ok = false;
	return true; /* the next line may be wrong, too */
}

static bool on_user(void *context, const char *name, size_t name_length, const char *hash, size_t hash_length,
		    unsigned line)
{
	struct users_file *file = context;
	int e = user_table_add(file->table, name, name_length, hash, hash_length);
	char text[400];

	if (e == 0)
		return true;
	if (e != -EEXIST) {
		file->ok = false;
		return reader_fail(file->r, file->mark, "users_file: %s",
				   e == -EFBIG ? "there are more than 1000000 users" : "out of memory");
	}
	snprintf(text, sizeof(text), "the user \"%.*s\" is there already: names are the same in either case of letters",
		 (int)name_length, name);
	return on_problem(context, text, line, 1);
}

/* False: it may not be used; said. */
static bool look_at_mode(struct reader *r, const struct reader_value *value, const char *path)
{
	const yaml_mark_t *mark = &value->node->start_mark;
	struct stat status;

	if (stat(path, &status) < 0)
		return reader_fail(r, mark, "%s: %.200s: %s", value->name, path, strerror(errno));
	if (status.st_mode & S_IWOTH)
		return reader_fail(r, mark, "%s: everybody may write %.200s, and let in whom he likes: chmod o= it",
				   value->name, path);
	if (status.st_uid != 0 && status.st_uid != geteuid()) {
		if (geteuid() != 0)
			return reader_fail(r, mark,
					   "%s: %.200s belongs to another user, who may let in whom he likes: make it "
					   "root's or this user's own",
					   value->name, path);
		reader_warn(r, mark, "%s: %.200s belongs to another user than root, who may let in whom he likes",
			    value->name, path);
	}
	if (status.st_mode & S_IROTH)
		reader_warn(r, mark, "%s: everybody may read %.200s, and try passwords on its hashes: chmod o= it",
			    value->name, path);
	return true;
}

bool schema_user_table(struct reader *r, const struct reader_value *value, const char *path, struct user_table **out)
{
	const yaml_mark_t *mark = &value->node->start_mark;
	bool opened;
	size_t length;
	char *text;
	int e;

	if (!look_at_mode(r, value, path))
		return false;
	e = text_file_read(path, USERS_FILE_MAX, &text, &length, &opened);
	if (e < 0)
		return reader_fail(r, mark, "%s: %.200s: %s", value->name, path, strerror(-e));
	struct users_file file = {.r = r, .mark = mark, .path = path, .table = user_table_new(), .ok = true};
	const struct user_file_handler handler = {.on_user = on_user, .on_problem = on_problem, .context = &file};
	*out = file.table;
	file.ok = file.table ? user_file_parse(text, length, &handler) && file.ok : reader_fail_memory(r, mark);
	explicit_bzero(text, length);
	free(text);
	if (file.ok && user_table_count(file.table) == 0)
		return reader_fail(r, mark,
				   "%s: there is no user in %.200s: `postrider hash NAME` writes a line for one",
				   value->name, path);
	return file.ok;
}

bool schema_users_read(struct reader *r, const struct reader_field *field, const struct reader_value *value,
		       void *object)
{
	struct config *config = object;

	return reader_file(r, field, value, object) && schema_user_table(r, value, config->users_file, &config->users);
}

/* The item of the list "listeners", which is there as it was read without an error. */
static const yaml_node_t *listener_node(struct reader *r, const yaml_node_t *root, size_t index)
{
	const yaml_node_t *list = reader_find(r, root, "listeners");

	return yaml_document_get_node(r->document, list->data.sequence.items.start[index]);
}

static bool finish_listener(struct reader *r, const yaml_node_t *node, const struct config_listener *listener)
{
	const yaml_node_t *clear = reader_find(r, node, "auth_in_clear"), *auth = reader_find(r, node, "auth");

	if (listener->auth == CONFIG_LISTENER_AUTH_OFF)
		return !listener->auth_in_clear ||
		       reader_fail(r, &clear->start_mark,
				   "auth_in_clear: nobody signs in at this listener: write auth: offered beside it");
	if (!r->config->users && reader_fine(r, "users_file"))
		return reader_fail(r, &auth->start_mark,
				   "auth: there is nobody who may sign in: write users_file: users, and make its lines "
				   "with `postrider hash NAME`");
	if (listener->tls == CONFIG_LISTENER_TLS_REQUIRED || listener->tls == CONFIG_LISTENER_TLS_IMPLICIT)
		return !listener->auth_in_clear ||
		       reader_fail(
			       r, &clear->start_mark,
			       "auth_in_clear: nothing is said to this listener without TLS: remove it, or write tls: "
			       "offered");
	if (listener->tls == CONFIG_LISTENER_TLS_OFFERED && !listener->auth_in_clear)
		return true;
	if (!listener->auth_in_clear)
		return reader_fail(r, &auth->start_mark,
				   "auth: this listener has no TLS, and passwords are not taken in clear: write tls: "
				   "offered, or auth_in_clear: true where nobody else is on the way");
	reader_warn(r, &clear->start_mark,
		    "auth_in_clear: whoever is on the way to this listener can read the passwords of \"%s\"",
		    listener->name);
	return true;
}

bool schema_users_finish(struct reader *r, const yaml_node_t *root)
{
	const yaml_node_t *users = reader_find(r, root, "users_file");
	bool ok = true, wanted = false;

	if (!reader_fine(r, "listeners"))
		return true;
	for (size_t i = 0; i < r->config->listener_count; i++) {
		ok &= finish_listener(r, listener_node(r, root, i), &r->config->listeners[i]);
		wanted |= r->config->listeners[i].auth != CONFIG_LISTENER_AUTH_OFF ||
			  r->config->listeners[i].xclient_count > 0;
	}
	if (ok && users && !wanted)
		reader_warn(r, &users->start_mark, "users_file: no listener lets anybody sign in: write auth: offered");
	return ok;
}
