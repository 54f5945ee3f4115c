/*
 * core/base/pages.h - large memory, in huge pages where the system gives them.
 *
 * An O_DIRECT write from small pages reaches the disk's driver as one piece for each 4 KiB, one from huge pages in a
 * few long ones: docs/performance.md has the difference.
 */
#ifndef POSTRIDER_BASE_PAGES_H
#define POSTRIDER_BASE_PAGES_H

#include <stddef.h>
#include <stdint.h>

/* Aligned for DISK_DIRECT, not zeroed, and nothing of it is there before it is touched. NULL without memory; free(). */
uint8_t *pages_new(size_t size);

#endif
