/*
 * core/base/hidden.h - memory for secrets: it is in no core file and in no forked process, and is wiped before it is
 * given back. Whole pages: many small secrets share one piece.
 */
#ifndef POSTRIDER_BASE_HIDDEN_H
#define POSTRIDER_BASE_HIDDEN_H

#include <stddef.h>

/* Zeroed. NULL with errno set. */
void *hidden_new(size_t size);
/* NULL is ignored. */
void hidden_free(void *memory, size_t size);

#endif
