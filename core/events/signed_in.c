/*
 * core/events/signed_in.c - see signed_in.h.
 */
#include "core/events/signed_in.h"

static void file_fields(struct log_event *e, const char *file, const char *problem)
{
	log_text(e, "file", file);
	log_text(e, "problem", problem);
}

void event_signed_in_unread(struct log *log, const char *file, const char *problem)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "signed_in_unread");
	file_fields(&e, file, problem);
	log_end(&e);
}

void event_signed_in_unwritten(struct log *log, const char *file, const char *problem)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "signed_in_unwritten");
	file_fields(&e, file, problem);
	log_end(&e);
}
