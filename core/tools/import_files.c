/*
 * core/tools/import_files.c - see import_files.h.
 */
#include "core/tools/import_files.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/durable.h"
#include "core/config/config.h"

enum { STATUS_SOFTWARE = 70, STATUS_CANNOT_WRITE = 73, STATUS_CONFIG = 78 };

#define SERVICE_GROUP "postrider" /* of dist/postrider.service */
#define CONFIGURATION "postrider.yaml"
#define NOTES "import-notes.txt"

/* ---- reading ------------------------------------------------------------------------------------------------ */

static bool below(const char *root, const char *path)
{
	char real_root[PATH_MAX], real[PATH_MAX];
	size_t length;

	if (!realpath(root, real_root) || !realpath(path, real))
		return false;
	length = strlen(real_root);
	return strncmp(real_root, real, length) == 0 && (real[length] == '/' || strcmp(real_root, "/") == 0);
}

/* All of it, as long as it does not grow beyond what there is room for. */
static const char *read_all(int fd, size_t size, char **text, size_t *length)
{
	char *memory = malloc(size + 1);
	ssize_t n = 1;

	*length = 0;
	if (!memory)
		return "out of memory";
	while (*length < size && (n = read(fd, memory + *length, size - *length)) > 0)
		*length += (size_t)n;
	if (n < 0) {
		free(memory);
		return strerror(errno);
	}
	memory[*length] = '\0';
	*text = memory;
	return NULL;
}

const char *import_read(const char *root, const char *path, char **text, size_t *length)
{
	struct stat status;
	const char *problem;
	int fd;

	*text = NULL;
	if (access(path, F_OK) < 0)
		return strerror(errno);
	if (root && !below(root, path))
		return "it lies outside of the directory that was named: copy it there, or copy the directory with it";
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return strerror(errno);
	if (fstat(fd, &status) < 0)
		problem = strerror(errno);
	else if (!S_ISREG(status.st_mode))
		problem = "it is no regular file";
	else if (status.st_size > IMPORT_FILE_MAX)
		problem = "it has more than 32 MiB";
	else
		problem = read_all(fd, (size_t)status.st_size, text, length);
	close(fd);
	return problem;
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

/* A place for new files: a directory beside those that they become. */
struct staging {
	char path[PATH_MAX];
	const char **names; /* owned; room for all */
	size_t count;
};

static bool whole_path(char out[PATH_MAX], const char *directory, const char *name)
{
	return (size_t)snprintf(out, PATH_MAX, "%s/%s", directory, name) < PATH_MAX;
}

/* False: said. A secret is its owner's, and the service's group's where root writes it. */
static bool put(struct staging *stage, const char *name, const char *text, bool secret)
{
	char path[PATH_MAX];
	const struct group *group = getgrnam(SERVICE_GROUP);
	size_t length = strlen(text);
	bool ok;
	int fd;

	if (!whole_path(path, stage->path, name)) {
		fprintf(stderr, "postrider: import: too long a path\n");
		return false;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, secret ? 0600 : 0644);
	ok = fd >= 0 && write(fd, text, length) == (ssize_t)length;
	if (ok && secret && group && geteuid() == 0)
		ok = fchown(fd, (uid_t)-1, group->gr_gid) == 0 && fchmod(fd, 0640) == 0;
	ok = ok && fsync(fd) == 0;
	if (ok)
		stage->names[stage->count++] = name;
	else
		fprintf(stderr, "postrider: import: %s cannot be written: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return ok;
}

typedef void write_fn(FILE *out, const struct import_plan *plan, const char *from);

static bool put_written(struct staging *stage, const char *name, write_fn *write, const struct import_plan *plan,
			const char *from)
{
	char *text = NULL;
	size_t length;
	FILE *memory = open_memstream(&text, &length);
	bool ok = false;

	if (memory)
		write(memory, plan, from);
	if (memory && fclose(memory) == 0 && text)
		ok = put(stage, name, text, false);
	else
		fprintf(stderr, "postrider: import: out of memory\n");
	free(text);
	return ok;
}

/* By the code that the relay reads it with. */
static bool accepted(const struct staging *stage)
{
	static struct config_problems problems;
	char path[PATH_MAX];
	struct config *config;

	if (!whole_path(path, stage->path, CONFIGURATION))
		return false;
	config = config_load(path, &problems);
	for (unsigned i = 0; i < problems.count && !config; i++)
		fprintf(stderr, "%s\n", problems.list[i].text);
	config_free(config);
	return config != NULL;
}

static void remove_stage(const struct staging *stage)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < stage->count; i++) {
		if (whole_path(path, stage->path, stage->names[i]))
			unlink(path);
	}
	rmdir(stage->path);
}

static void take_back(const struct staging *stage, const char *directory, size_t count)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < count; i++) {
		if (whole_path(path, directory, stage->names[i]))
			unlink(path);
	}
}

/* Each into its place. What is there already is found before anything is moved; a link never replaces anything, so who
 * makes a file meanwhile keeps it. */
static bool place(const struct staging *stage, const char *directory, bool force)
{
	char from[PATH_MAX], to[PATH_MAX];
	int r;

	for (size_t i = 0; i < stage->count && !force; i++) {
		if (whole_path(to, directory, stage->names[i]) &&
		    faccessat(AT_FDCWD, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
			fprintf(stderr,
				"postrider: import: %s is there already: move it away, say --directory, or --force to "
				"replace it\n",
				to);
			return false;
		}
	}
	for (size_t i = 0; i < stage->count; i++) {
		bool ok = whole_path(from, stage->path, stage->names[i]) && whole_path(to, directory, stage->names[i]);
		if (ok)
			ok = (force ? rename(from, to) : link(from, to)) == 0;
		if (!ok) {
			fprintf(stderr, "postrider: import: %s cannot be written: %s\n", to, strerror(errno));
			if (!force)
				take_back(stage, directory, i);
			return false;
		}
	}
	r = durable_sync_directory(to);
	if (r < 0)
		fprintf(stderr, "postrider: import: %s cannot be written: %s\n", directory, strerror(-r));
	return r == 0;
}

static int put_all(struct staging *stage, const struct import_plan *plan, const char *from, const char *directory,
		   bool force)
{
	bool ok = true;

	for (size_t i = 0; i < plan->secret_count && ok; i++)
		ok = put(stage, plan->secrets[i].name, plan->secrets[i].text, true);
	ok = ok && put_written(stage, CONFIGURATION, import_write_configuration, plan, from) &&
	     put_written(stage, NOTES, import_write_notes, plan, from);
	if (!ok)
		return STATUS_CANNOT_WRITE;
	if (!accepted(stage)) {
		fprintf(stderr,
			"postrider: import: what came of %s is no configuration that `postrider check` would accept, "
			"and "
			"nothing was written. Where the lines above name something of %s, change it there\n",
			from, from);
		return STATUS_CONFIG;
	}
	return place(stage, directory, force) ? 0 : STATUS_CANNOT_WRITE;
}

int import_put(const struct import_plan *plan, const char *from, const char *directory, bool force)
{
	struct staging stage = {.names = calloc(plan->secret_count + 2, sizeof(*stage.names))};
	int status;

	if (plan->no_memory || !stage.names) {
		free(stage.names);
		fprintf(stderr, "postrider: import: out of memory\n");
		return STATUS_SOFTWARE;
	}
	if (!whole_path(stage.path, directory, ".import.XXXXXX") || !mkdtemp(stage.path)) {
		fprintf(stderr, "postrider: import: nothing can be written to %s: %s\n", directory, strerror(errno));
		free(stage.names);
		return STATUS_CANNOT_WRITE;
	}
	status = put_all(&stage, plan, from, directory, force);
	remove_stage(&stage);
	free(stage.names);
	return status;
}
