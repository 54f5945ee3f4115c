/*
 * core/tools/device_entry.c - see device_entry.h.
 */
#include "core/tools/device_entry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/base/durable.h"
#include "core/config/device_cut.h"
#include "core/config/text_file.h"

enum { FILE_MAX = 64 << 20 };

int device_entry_lock(const char *config)
{
	int fd = open(config, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), r;

	if (fd < 0)
		return -errno;
	do {
		r = flock(fd, LOCK_EX) < 0 ? -errno : 0;
	} while (r == -EINTR);
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

int device_entry_cut(const char *path, unsigned line, struct device_entry *before)
{
	size_t length;
	char *text;
	bool opened;
	int r = text_file_read(path, FILE_MAX, &before->text, &before->length, &opened);

	if (r < 0)
		return r;
	r = device_cut(before->text, before->length, line, &text, &length);
	if (r == 0) {
		r = durable_replace(path, text, length);
		free(text);
	}
	if (r < 0)
		free(before->text);
	return r;
}

int device_entry_put_back(const char *path, const struct device_entry *before)
{
	return durable_replace(path, before->text, before->length);
}
