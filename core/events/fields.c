/*
 * core/events/fields.c - see fields.h.
 */
#include "core/events/fields.h"

void event_id_field(struct log_event *e, struct message_id id)
{
	char text[MESSAGE_ID_TEXT];

	message_id_text(id, text);
	log_string(e, "id", text, sizeof(text));
}
