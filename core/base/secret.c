/*
 * core/base/secret.c - see secret.h.
 */
#include "core/base/secret.h"

#include <errno.h>
#include <fcntl.h>
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
