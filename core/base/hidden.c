/*
 * core/base/hidden.c - see hidden.h.
 */
#include "core/base/hidden.h"

#include <string.h>
#include <sys/mman.h>

void *hidden_new(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	/* Without these it is memory like any other, which is better than no mail. */
	(void)madvise(memory, size, MADV_DONTDUMP);
	(void)madvise(memory, size, MADV_DONTFORK);
	return memory;
}

void hidden_free(void *memory, size_t size)
{
	if (!memory)
		return;
	explicit_bzero(memory, size);
	(void)munmap(memory, size);
}
