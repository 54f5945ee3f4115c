/*
 * core/base/pages.c - see pages.h.
 */
#include "core/base/pages.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 };

uint8_t *pages_new(size_t size)
{
	void *memory;

	if (posix_memalign(&memory, HUGE_PAGE, size) != 0)
		return NULL;
	/* A wish: without it all works as well. */
	(void)madvise(memory, size, MADV_HUGEPAGE);
	return memory;
}
