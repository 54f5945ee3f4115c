/*
 * core/base/text_mark.h - names of files that are made of something else's name, which may have any octets and length.
 */
#ifndef POSTRIDER_BASE_TEXT_MARK_H
#define POSTRIDER_BASE_TEXT_MARK_H

#include <stdint.h>

/* FNV-1a. It stays what it is: files of an earlier process are found by it. */
static inline uint64_t text_mark(const char *text)
{
	uint64_t mark = UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		mark = (mark ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	return mark;
}

#endif
