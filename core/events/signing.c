/*
 * core/events/signing.c - see signing.h.
 */
#include "core/events/signing.h"

void event_token(struct log *log, const char *identity, uint64_t seconds, uint64_t failures, uint64_t ms)
{
	struct log_event e;

	log_begin_at(&e, log, failures ? LOG_LEVEL_NOTICE : LOG_LEVEL_INFO, "token");
	log_text(&e, "identity", identity);
	log_number(&e, "seconds", seconds);
	log_number(&e, "failures", failures);
	log_number(&e, "ms", ms);
	log_end(&e);
}

void event_token_failed(struct log *log, const struct event_token_failed *f)
{
	struct log_event e;

	log_begin_at(&e, log,
		     f->refused  ? LOG_LEVEL_ERROR
		     : f->good_s ? LOG_LEVEL_NOTICE
				 : LOG_LEVEL_WARNING,
		     "token_failed");
	log_text(&e, "identity", f->identity);
	log_text(&e, "problem", f->problem);
	log_number(&e, "failures", f->failures);
	log_number(&e, "again_s", f->again_s);
	log_number(&e, "good_s", f->good_s);
	log_number(&e, "waiting", f->waiting);
	log_end(&e);
}

void event_token_unsaved(struct log *log, const char *identity, const char *file, const char *problem)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_ERROR, "token_unsaved");
	log_text(&e, "identity", identity);
	log_text(&e, "file", file);
	log_text(&e, "problem", problem);
	log_end(&e);
}
