/*
 * core/events/reporting.c - see reporting.h.
 */
#include "core/events/reporting.h"

#include "core/events/fields.h"

void event_report(struct log *log, const struct event_report *facts)
{
	struct log_event e;

	log_begin(&e, log, "report");
	event_id_field(&e, facts->id);
	log_text(&e, "kind", facts->kind);
	if (facts->messages == 1) {
		char about[MESSAGE_ID_TEXT];
		message_id_text(facts->about, about);
		log_string(&e, "about", about, sizeof(about));
	}
	log_string(&e, "to", facts->to.data, facts->to.length);
	log_number(&e, "messages", facts->messages);
	log_number(&e, "recipients", facts->recipients);
	if (facts->held)
		log_bool(&e, "held", true);
	log_end(&e);
}

void event_unreported(struct log *log, struct message_id id, const char *reason, uint64_t recipients)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "unreported");
	event_id_field(&e, id);
	log_text(&e, "reason", reason);
	log_number(&e, "recipients", recipients);
	log_end(&e);
}
