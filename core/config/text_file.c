/*
 * core/config/text_file.c - see text_file.h.
 */
#include "core/config/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static int read_all(int fd, size_t max, char **text, size_t *length)
{
	size_t capacity = 0;

	for (;;) {
		if (*length == capacity) {
			capacity = capacity == 0 ? 16384 : capacity * 2;
			char *larger = realloc(*text, capacity);
			if (larger == NULL)
				return -ENOMEM;
			*text = larger;
		}
		ssize_t n = read(fd, *text + *length, capacity - *length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		*length += (size_t)n;
		if (*length > max)
			return -EFBIG;
	}
}

int text_file_read(const char *path, size_t max, char **text, size_t *length, bool *opened)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), r;

	*text = NULL;
	*length = 0;
	*opened = fd >= 0;
	if (fd < 0)
		return -errno;
	r = read_all(fd, max, text, length);
	close(fd);
	if (r < 0) {
		free(*text);
		*text = NULL;
	}
	return r;
}
