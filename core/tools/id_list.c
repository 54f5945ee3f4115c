/*
 * core/tools/id_list.c - see id_list.h. Open addressing, at most half full; what others can choose of an id is no more
 * than what they were told, and a chain of them costs who gives them himself.
 */
#include "core/tools/id_list.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST = 1024, MOST = 1 << 30 };

static size_t slot_of(const struct id_list *list, const struct message_id *id)
{
	uint64_t mixed = (id->high ^ (id->low << 32 | id->low >> 32)) * UINT64_C(0x9e3779b97f4a7c15);
	size_t slot = (size_t)(mixed >> 32) & (list->slot_count - 1);

	while (list->slots[slot] && memcmp(&list->ids[list->slots[slot] - 1], id, sizeof(*id)) != 0)
		slot = (slot + 1) & (list->slot_count - 1);
	return slot;
}

static bool make_room(struct id_list *list)
{
	size_t room = list->room ? 2 * list->room : FIRST;
	struct message_id *ids;
	uint32_t *slots;

	if (list->count < list->room)
		return true;
	if (room > MOST)
		return false;
	ids = realloc(list->ids, room * sizeof(*ids));
	if (!ids)
		return false;
	list->ids = ids;
	slots = calloc(2 * room, sizeof(*slots));
	if (!slots)
		return false;
	free(list->slots);
	list->slots = slots;
	list->slot_count = 2 * room;
	list->room = room;
	for (size_t i = 0; i < list->count; i++)
		list->slots[slot_of(list, &list->ids[i])] = (uint32_t)i + 1;
	return true;
}

enum id_list_added id_list_add(struct id_list *list, const char *text)
{
	struct message_id id;
	size_t slot;

	if (message_id_parse(text, strlen(text), &id) < 0)
		return ID_LIST_NO_ID;
	if (!make_room(list))
		return ID_LIST_NO_MEMORY;
	slot = slot_of(list, &id);
	if (list->slots[slot])
		return ID_LIST_THERE;
	list->ids[list->count++] = id;
	list->slots[slot] = (uint32_t)list->count;
	return ID_LIST_ADDED;
}

const char *id_list_text(const struct id_list *list, size_t at, char text[ID_LIST_TEXT])
{
	message_id_text(list->ids[at], text);
	text[MESSAGE_ID_TEXT] = '\0';
	return text;
}

void id_list_free(struct id_list *list)
{
	free(list->ids);
	free(list->slots);
	*list = (struct id_list){0};
}
