/*
 * core/events/confining.c - see confining.h.
 */
#include "core/events/confining.h"

#include <string.h>

void event_confined(struct log *log, const struct event_confined *facts)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "confined");
	log_text(&e, "seccomp", facts->seccomp);
	log_text(&e, "landlock", facts->landlock);
	log_text(&e, "ring", facts->ring ? "on" : "lacking");
	log_number(&e, "user", facts->user);
	log_end(&e);
}

void event_runs_as_root(struct log *log)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "runs_as_root");
	log_text(&e, "advice",
		 "write user: postrider into the configuration, or let the service manager start it as a user");
	log_end(&e);
}

void event_directory_missing(struct log *log, const char *directory, int error, bool held)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "directory_missing");
	log_text(&e, "directory", directory);
	log_text(&e, "reason", strerror(error));
	log_text(&e, "advice",
		 held ? "it is not there and cannot be made, so nothing is kept in it: make it, give it to the user of "
			"the relay, and restart"
		      : "it is not there and cannot be made, so nothing is kept in it: make it and give it to the user "
			"of the relay, which needs no restart");
	log_end(&e);
}

void event_beside_ended(struct log *log)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_ERROR, "beside_ended");
	log_text(&e, "advice",
		 "the process that starts oauth.command and tells refused calls has ended: look for who ended it, and "
		 "restart postrider; mail without a command goes on");
	log_end(&e);
}

void event_beside_silent(struct log *log, pid_t pid)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_ERROR, "beside_silent");
	log_number(&e, "process", (uint64_t)pid);
	log_text(&e, "advice",
		 "the process that starts oauth.command and answers for refused calls does not answer: where "
		 "ps -o stat= has T for it, kill -CONT lets it go on; else restart postrider; mail without a command "
		 "goes on");
	log_end(&e);
}

void event_beside_answers(struct log *log)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "beside_answers");
	log_end(&e);
}

void event_call_refused(struct log *log, const struct event_call_refused *facts)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_ERROR, "call_refused");
	log_text(&e, "call", facts->call);
	log_number(&e, "number", facts->number);
	log_number(&e, "thread", facts->thread);
	log_number(&e, "first", facts->first);
	log_number(&e, "second", facts->second);
	log_number(&e, "third", facts->third);
	log_end(&e);
}
