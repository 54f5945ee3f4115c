/*
 * core/tools/id_list.h - ids of messages, each once, in the order in which they came: ten million take 0.3 GB.
 */
#ifndef POSTRIDER_TOOLS_ID_LIST_H
#define POSTRIDER_TOOLS_ID_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/smtp/trace.h"

enum { ID_LIST_TEXT = MESSAGE_ID_TEXT + 1 };

/* Zeroed before its first use. */
struct id_list {
	struct message_id *ids; /* owned */
	size_t count, room;
	uint32_t *slots; /* owned: by their hash, which of `ids`, from 1; 0: free */
	size_t slot_count;
};

enum id_list_added { ID_LIST_ADDED, ID_LIST_THERE, ID_LIST_NO_ID, ID_LIST_NO_MEMORY };
enum id_list_added id_list_add(struct id_list *list, const char *text);
/* Of one that is there, with its end. Returns `text`. */
const char *id_list_text(const struct id_list *list, size_t at, char text[ID_LIST_TEXT]);
void id_list_free(struct id_list *list);

#endif
