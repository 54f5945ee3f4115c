/*
 * core/config/device_table.h - the devices of an inventory, found by address, user or name at a cost that does not grow
 * with them.
 *
 * An address is one address, no network. Names and users are the same in either case of ASCII letters. Texts lie one
 * behind the other, and what many have alike is there once, where they come one after the other. Immutable once it is
 * filled: any thread may search.
 */
#ifndef POSTRIDER_CONFIG_DEVICE_TABLE_H
#define POSTRIDER_CONFIG_DEVICE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/address_text.h"

enum { DEVICE_TABLE_MAX = 1000000, DEVICE_NAME_MAX = 64, DEVICE_MINUTE_MAX = 6000 /* messages, recipients */ };

/* Texts: NUL-terminated; "" where it says nothing. One of address (family other than 0) and user is given. */
struct device {
	const char *name, *user, *owner, *place, *from;
	const char *file; /* where it is written: below the inventory's directory, "": in its one file */
	uint32_t line;    /* from 1 */
	uint8_t family;   /* AF_INET, AF_INET6, 0 */
	uint8_t octets[16];
	uint8_t profile; /* number from 1; 0: none */
	/* At once, and in a minute; 0: no limit of its own. */
	uint16_t connections, messages_per_minute, recipients_per_minute;
};

struct device_table;

/* The path of the file that it is written in; `inventory`: that of the inventory. */
void device_path(const char *inventory, const struct device *device, char *out, size_t size);
/* NULL: nobody can object to the name. Else what is wrong with it. */
const char *device_name_problem(const char *name);

struct device_table *device_table_new(void);        /* NULL without memory */
void device_table_free(struct device_table *table); /* NULL is allowed */

enum device_key { DEVICE_NAME, DEVICE_ADDRESS, DEVICE_USER, DEVICE_KEYS };
/* 0; -EEXIST: *taken says what of it is that of *other; -EFBIG, -ENOMEM. */
int device_table_add(struct device_table *table, const struct device *device, enum device_key *taken,
		     struct device *other);

size_t device_table_count(const struct device_table *table); /* NULL: 0 */
void device_table_get(const struct device_table *table, size_t index, struct device *out);
/* Its index, or -1. A table that is NULL has none. */
int32_t device_table_of_address(const struct device_table *table, const struct ring_address *address);
int32_t device_table_of_user(const struct device_table *table, const char *user);
int32_t device_table_of_name(const struct device_table *table, const char *name);
/* The memory it takes. */
size_t device_table_octets(const struct device_table *table);

#endif
