/*
 * core/base/durable.c - see durable.h.
 */
#include "core/base/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int durable_write(int fd, const char *data, size_t length, uint64_t at)
{
	while (length > 0) {
		ssize_t n = pwrite(fd, data, length, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data += n;
		length -= (size_t)n;
		at += (uint64_t)n;
	}
	return 0;
}

/* Owner and mode of the one it replaces, as far as we may. */
static int write_new(const char *beside, const struct stat *old, const char *text, size_t length)
{
	int fd, r;

	/* What a crash has left. */
	(void)unlink(beside);
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
	if (fd < 0)
		return -errno;
	r = durable_write(fd, text, length, 0);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && old && (old->st_uid != geteuid() || old->st_gid != getegid()))
		r = fchown(fd, old->st_uid, old->st_gid) < 0 ? -errno : 0;
	if (r == 0 && old)
		r = fchmod(fd, old->st_mode & (S_IRWXU | S_IRWXG | S_IRWXO)) < 0 ? -errno : 0;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	return r;
}

int durable_sync_directory(const char *path)
{
	char directory[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int fd, r;

	if (strlen(path) >= sizeof(directory))
		return -ENAMETOOLONG;
	strcpy(directory, path);
	if (slash)
		directory[slash == path ? 1 : slash - path] = '\0';
	fd = open(slash ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return r;
}

/* `like`: whose owner and mode it gets; NULL: those of the file before. */
static int replace(const char *path, const char *like, const char *text, size_t length)
{
	char real[PATH_MAX], beside[PATH_MAX + 8];
	struct stat old;
	bool there;
	int r;

	if (!realpath(path, real)) {
		if (errno != ENOENT || strlen(path) >= sizeof(real))
			return -errno;
		strcpy(real, path);
	}
	there = stat(like ? like : real, &old) == 0;
	/* No domain's name, nor a person's for a file, ends so: what is kept by such names is not in the way. */
	snprintf(beside, sizeof(beside), "%s~", real);
	r = write_new(beside, there ? &old : NULL, text, length);
	if (r == 0 && rename(beside, real) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlink(beside);
		return r;
	}
	return durable_sync_directory(real);
}

int durable_replace(const char *path, const char *text, size_t length)
{
	return replace(path, NULL, text, length);
}

int durable_make_like(const char *path, const char *like, const char *text, size_t length)
{
	return replace(path, like, text, length);
}

int durable_rename(const char *from, const char *to)
{
	return rename(from, to) < 0 ? -errno : durable_sync_directory(to);
}

int durable_set_aside(const char *path, char kept[PATH_MAX])
{
	if (snprintf(kept, PATH_MAX, "%s" DURABLE_DAMAGED, path) >= PATH_MAX)
		return -ENAMETOOLONG;
	return durable_rename(path, kept);
}
