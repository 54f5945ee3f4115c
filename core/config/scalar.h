/*
 * core/config/scalar.h - what a plain word of the configuration means.
 *
 * Numbers, sizes, durations, booleans, host names, recipient patterns, and the known word that is nearest to a
 * misspelt one. Pure text: no I/O, no memory of its own, nothing of YAML. Every function takes NUL-terminated text and
 * touches its out parameter only when it answers SCALAR_OK or true.
 */
#ifndef POSTRIDER_CONFIG_SCALAR_H
#define POSTRIDER_CONFIG_SCALAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum scalar_result {
	SCALAR_OK,
	SCALAR_SYNTAX,       /* not a number at all */
	SCALAR_NO_UNIT,      /* "30" where "30s" is meant */
	SCALAR_UNKNOWN_UNIT, /* "30GB"; scalar_nearest_unit() may know what was meant */
	SCALAR_OVERFLOW,     /* does not fit 64 bits */
};

enum scalar_kind { SCALAR_SIZE, SCALAR_DURATION };

/* The number of units that lies furthest apart in spelling and is still offered as a correction. */
enum { SCALAR_DISTANCE_MAX = 3 };

/* Decimal digits without sign, leading zeros or separators. */
enum scalar_result scalar_number(const char *text, uint64_t *out);
/* Octets or nanoseconds: decimal digits and a unit, nothing between. A plain 0 needs no unit. */
enum scalar_result scalar_quantity(enum scalar_kind kind, const char *text, uint64_t *out);
/* The unit that `text` (of SCALAR_UNKNOWN_UNIT) seems to mean: "GiB" for "20GB"; NULL: no idea. */
const char *scalar_nearest_unit(enum scalar_kind kind, const char *text);
/* Writes a quantity as the file would have it: "20GiB", "30s". */
void scalar_quantity_format(enum scalar_kind kind, uint64_t value, char *out, size_t capacity);
/* "2", "1.5": digits with at most one point between them, at most six digits on either side. */
enum scalar_result scalar_factor(const char *text, double *out);
/* The words of YAML 1.1: yes, no, true, false, on, off, y, n, in any case. */
bool scalar_boolean(const char *text, bool *out);

/* Labels of letters, digits, hyphens and underscores, at most 63 octets each and 253 together. */
bool scalar_host_name_valid(const char *text);
/* A valid host name of at least two labels. */
bool scalar_qualified_name_valid(const char *text);
/* True for digits and dots only: such a "name" is a misspelt IPv4 address. */
bool scalar_looks_like_ipv4(const char *text);
/* "*@domain", "local@domain", "*@*.domain". */
bool scalar_recipient_valid(const char *text);
/* Letters, digits, dot, hyphen, underscore; 1 to 64 octets. */
bool scalar_name_valid(const char *text);

/* Edits (insert, remove, replace, swap neighbours) from a to b; SCALAR_DISTANCE_MAX + 1 when there are more. */
unsigned scalar_distance(const char *a, const char *b);

#endif
