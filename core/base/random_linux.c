/*
 * core/base/random_linux.c - random_bytes() from the kernel's generator.
 *
 * getrandom() waits only until the generator is seeded, early in the boot, and then never fails. If it does
 * all the same there is no safe way on: identifiers would collide and keys could be guessed, so we abort.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>

#include "core/base/random.h"

void random_bytes(void *out, size_t length)
{
	uint8_t *next = out;

	while (length > 0) {
		ssize_t got = getrandom(next, length, 0);
		if (got < 0) {
			if (errno == EINTR)
				continue;
			abort();
		}
		next += got;
		length -= (size_t)got;
	}
}
