/*
 * core/base/secret.c - see secret.h.
 */
#include "core/base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool make(struct secret *secret, size_t size)
{
	*secret = (struct secret){.text = malloc(size + 1), .size = size + 1};
	if (secret->text)
		secret->text[0] = '\0';
	return secret->text != NULL;
}

/* One block of the file's size, so that no copy stays behind where it grew. */
static int read_open(int fd, struct secret *secret)
{
	struct stat st;
	ssize_t n = 1;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > SECRET_MAX)
		return -EFBIG;
	if (!make(secret, (size_t)st.st_size))
		return -ENOMEM;
	while (n > 0 && secret->length + 1 < secret->size) {
		n = read(fd, secret->text + secret->length, secret->size - 1 - secret->length);
		if (n < 0 && errno != EINTR)
			return -errno;
		secret->length += n > 0 ? (size_t)n : 0;
		n = n < 0 ? 1 : n;
	}
	while (secret->length > 0 && strchr("\r\n", secret->text[secret->length - 1]))
		secret->length--;
	memset(secret->text + secret->length, 0, secret->size - secret->length);
	return secret->length > 0 ? 0 : -ENODATA;
}

int secret_read(const char *path, struct secret *secret)
{
	/* Without O_NONBLOCK a pipe of this name would wait for somebody to write. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), r;

	*secret = (struct secret){0};
	if (fd < 0)
		return -errno;
	r = read_open(fd, secret);
	close(fd);
	if (r < 0)
		secret_wipe(secret);
	return r;
}

bool secret_set(struct secret *secret, const char *text, size_t length)
{
	if (!make(secret, length))
		return false;
	memcpy(secret->text, text, length);
	secret->text[length] = '\0';
	secret->length = length;
	return true;
}

void secret_wipe(struct secret *secret)
{
	if (secret->text)
		explicit_bzero(secret->text, secret->size);
	free(secret->text);
	*secret = (struct secret){0};
}

static int write_all(int fd, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t n = write(fd, text, length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		text += n;
		length -= (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
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
	r = write_all(fd, text, length);
	if (r == 0 && old && (old->st_uid != geteuid() || old->st_gid != getegid()))
		r = fchown(fd, old->st_uid, old->st_gid) < 0 ? -errno : 0;
	if (r == 0 && old)
		r = fchmod(fd, old->st_mode & (S_IRWXU | S_IRWXG | S_IRWXO)) < 0 ? -errno : 0;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	return r;
}

int secret_sync_directory(const char *path)
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
	return secret_sync_directory(real);
}

int secret_replace(const char *path, const char *text, size_t length)
{
	return replace(path, NULL, text, length);
}

int secret_make_like(const char *path, const char *like, const char *text, size_t length)
{
	return replace(path, like, text, length);
}

int secret_rename(const char *from, const char *to)
{
	return rename(from, to) < 0 ? -errno : secret_sync_directory(to);
}
