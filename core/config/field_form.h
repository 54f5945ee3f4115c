/*
 * core/config/field_form.h - which header fields a configuration may add or remove (RFC 5322 2.2, 3.6.8).
 *
 * None whose presence means something to relays: Received is what ends loops, and who wrote a message is said by other
 * keys.
 */
#ifndef POSTRIDER_CONFIG_FIELD_FORM_H
#define POSTRIDER_CONFIG_FIELD_FORM_H

#include <stddef.h>

enum { FIELD_FORM_MAX = 998 }; /* octets of a line, without its end: RFC 5322 2.1.1 */

/* Of "Name: value", which is to be added. NULL: it is well; else what is wrong, without the name of the key. */
const char *field_form_problem(const char *field);
/* Of a name; with "*" at its end: of all that begin so. */
const char *field_form_name_problem(const char *name, size_t length);

#endif
