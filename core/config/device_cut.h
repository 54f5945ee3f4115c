/*
 * core/config/device_cut.h - one entry taken out of a file of the inventory that has several, with all else as it is
 * written: comments, order, blanks.
 *
 * Pure. Whole lines go, from the "-" of the entry to its last key. What stands between that and the next "-" stays, as
 * it may be said of that one.
 */
#ifndef POSTRIDER_CONFIG_DEVICE_CUT_H
#define POSTRIDER_CONFIG_DEVICE_CUT_H

#include <stddef.h>

/* `line`: of the entry, from 1 (device_table.h). 0 with *out from malloc; -EINVAL: the file is not a list with an entry
 * on each "-", or this one shares its lines with others; -ENOMEM. */
int device_cut(const char *text, size_t length, unsigned line, char **out, size_t *out_length);

#endif
