/*
 * core/config/network_file.h - a list of networks in a file of its own: one a line.
 *
 * Sites with many devices keep such a list or generate it. Empty lines and what follows a # are ignored, lines may end
 * with CR LF, and a byte order mark is taken. Each problem comes with its line and column.
 */
#ifndef POSTRIDER_CONFIG_NETWORK_FILE_H
#define POSTRIDER_CONFIG_NETWORK_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/address_text.h"

/* What a text is made of; each function answers whether to go on. Lines and columns count from 1. */
struct network_file_handler {
	bool (*on_network)(void *context, const struct network *network, unsigned line, unsigned column);
	bool (*on_problem)(void *context, const char *text, unsigned line, unsigned column);
	void *context;
};

/* False when a handler stopped it. */
bool network_file_parse(const char *text, size_t length, const struct network_file_handler *handler);

#endif
