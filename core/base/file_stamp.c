/*
 * core/base/file_stamp.c - see file_stamp.h.
 */
#include "core/base/file_stamp.h"

#include <stddef.h>
#include <sys/stat.h>

static uint64_t add(uint64_t sum, uint64_t value)
{
	return (sum ^ value) * UINT64_C(0x9e3779b97f4a7c15) + (sum >> 29);
}

uint64_t file_stamp(uint64_t sum, const char *path)
{
	struct stat st;

	if (!path || stat(path, &st) < 0)
		return add(sum, 1);
	sum = add(add(add(sum, (uint64_t)st.st_ino), (uint64_t)st.st_size), (uint64_t)st.st_mode);
	sum = add(add(sum, (uint64_t)st.st_mtim.tv_sec), (uint64_t)st.st_mtim.tv_nsec);
	return add(add(sum, (uint64_t)st.st_ctim.tv_sec), (uint64_t)st.st_ctim.tv_nsec);
}
