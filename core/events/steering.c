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

static void destination_of(struct log_event *e, const char *destination, const char *domain)
{
	log_text(e, "destination", destination);
	if (domain[0])
		log_text(e, "domain", domain);
}

void event_destination_suspended(struct log *log, const struct event_suspended *s)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "destination_suspended");
	destination_of(&e, s->destination, s->domain);
	log_text(&e, "who", s->who);
	if (s->reason[0])
		log_text(&e, "reason", s->reason);
	if (s->for_s)
		log_number(&e, "for_s", s->for_s);
	log_end(&e);
}

void event_destination_resumed(struct log *log, const char *destination, const char *domain, const char *who,
			       uint64_t ms)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "destination_resumed");
	destination_of(&e, destination, domain);
	log_text(&e, "who", who);
	if (ms)
		log_number(&e, "ms", ms);
	log_end(&e);
}
