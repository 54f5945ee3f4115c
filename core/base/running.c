/*
 * core/base/running.c - see running.h.
 */
#include "core/base/running.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int running_tell(int fd, const struct running *running)
{
	char text[RUNNING_TEXT_MAX + 64];
	int n = snprintf(text, sizeof(text), "%d %u %u\n%s\n", (int)running->pid, running->reloads, running->begun,
			 running->refusal);

	/* One write of less than a block, and the end only then: who reads in between reads the old text's end behind
	 * the new one at most, and both ends with a line. */
	if (pwrite(fd, text, (size_t)n, 0) != n)
		return -EIO;
	return ftruncate(fd, n) < 0 ? -errno : 0;
}

static int parse(char *text, struct running *running)
{
	char *line = strchr(text, '\n'), *end = line ? strchr(line + 1, '\n') : NULL;
	int pid, numbers;

	if (!end)
		return -EBADMSG;
	*line = *end = '\0';
	numbers = sscanf(text, "%d %u %u", &pid, &running->reloads, &running->begun);
	if (numbers < 2 || pid <= 0)
		return -EBADMSG;
	/* A process that was started before an upgrade does not count them. */
	if (numbers == 2)
		running->begun = running->reloads;
	running->pid = pid;
	snprintf(running->refusal, sizeof(running->refusal), "%s", line + 1);
	return 0;
}

int running_read(const char *path, struct running *running)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char text[RUNNING_TEXT_MAX + 64];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), r;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = pread(fd, text, sizeof(text) - 1, 0);
	r = n < 0 || fcntl(fd, F_OFD_GETLK, &lock) < 0 ? -errno : 0;
	close(fd);
	if (r < 0)
		return r;
	if (lock.l_type == F_UNLCK)
		return -ESRCH;
	text[n] = '\0';
	return parse(text, running);
}

bool running_answered(const struct running *before, const struct running *after)
{
	return after->pid == before->pid && (int)(after->reloads - before->begun) > 0;
}
