/*
 * core/config/show.h - a configuration as it is in force, with where each value comes from: `check --show`.
 *
 * Every key that has a value, by the tables that it was read with: "default", "preset NAME", or FILE:LINE. Keys without
 * a fixed default are only there where they are given.
 */
#ifndef POSTRIDER_CONFIG_SHOW_H
#define POSTRIDER_CONFIG_SHOW_H

#include <stdio.h>

#include "core/config/reader.h"

struct show_to {
	FILE *out;
	/* For others than who has written it: of a command the program alone, of a URL the host, of an added field of
	 * the header its name. Passwords, tokens and keys are in files. */
	bool bare;
};

/* When all is read, and r->document is still there. `object`: what `fields` describe. */
void show_document(struct reader *r, const struct reader_field *fields, const void *object, const struct show_to *to);

#endif
