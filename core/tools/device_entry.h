/*
 * core/tools/device_entry.h - the files of an inventory, as `postrider device` changes them.
 */
#ifndef POSTRIDER_TOOLS_DEVICE_ENTRY_H
#define POSTRIDER_TOOLS_DEVICE_ENTRY_H

#include <stddef.h>

/* Waits until no other command changes the inventory of this configuration file. A descriptor that holds the others off
 * for as long as it is open, or a negative errno. */
int device_entry_lock(const char *config);

struct device_entry {
	char *text; /* owned: the file as it was */
	size_t length;
};

/* Takes the entry on this line out of a file that has others (device_cut.h). 0 with *before; -EINVAL: it cannot be told
 * from them by lines; or another negative errno: nothing has changed, and there is nothing to free. */
int device_entry_cut(const char *path, unsigned line, struct device_entry *before);
int device_entry_put_back(const char *path, const struct device_entry *before);

#endif
