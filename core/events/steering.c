/*
 * core/events/steering.c - see steering.h.
 */
#include "core/events/steering.h"

/* Which message, and by whom. */
static void message(struct log_event *e, const struct event_steered *s)
{
	char id[MESSAGE_ID_TEXT];

	message_id_text(s->id, id);
	log_string(e, "id", id, sizeof(id));
	log_number(e, "recipients", s->recipients);
	log_text(e, "who", s->who);
	if (s->reason[0])
		log_text(e, "reason", s->reason);
}

void event_queue_held(struct log *log, const struct event_steered *s)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "queue_held");
	message(&e, s);
	log_bool(&e, "in_delivery", s->in_delivery);
	log_end(&e);
}

void event_queue_released(struct log *log, const struct event_steered *s)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "queue_released");
	message(&e, s);
	log_end(&e);
}

void event_queue_retried(struct log *log, const struct event_steered *s)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "queue_retried");
	message(&e, s);
	log_end(&e);
}

void event_queue_deleted(struct log *log, const struct event_steered *s, bool report)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "queue_deleted");
	message(&e, s);
	log_bool(&e, "report", report);
	log_bool(&e, "in_delivery", s->in_delivery);
	log_end(&e);
}
