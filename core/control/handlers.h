/*
 * core/control/handlers.h - who answers what: the table of requests.
 *
 * A path may have one `*`, which stands for one segment (request->argument). A handler is a function beside what it is
 * about, and a line here and in handlers.c; those of rooms above come with struct control_more.
 */
#ifndef POSTRIDER_CONTROL_HANDLERS_H
#define POSTRIDER_CONTROL_HANDLERS_H

#include "core/control/request.h"

struct control_handler {
	const char *method, *path;
	enum control_role role;
	control_fn *fn;
};

/* What stands above this room has handlers, too, which answer browsers (request->page): who has not signed in is told
 * how by themselves (request->role), and what changes something carries a token of its own (pass.h) in place of a
 * field. It is started with who answers, and stopped behind the last answer. */
struct control_more {
	const struct control_handler *handlers;
	size_t count;
	void *(*start)(struct desk *desk); /* NULL without memory, or a thread */
	void (*stop)(void *context);
};

/* NULL: there is none; *known: the path is, with another method. Fills request->argument and
 * request->page. */
const struct control_handler *handlers_find(struct control_request *request, bool *known);

control_fn handle_status; /* status.c */
/* health.c */
control_fn handle_metrics, handle_healthz, handle_readyz;
control_fn handle_stats;   /* stats.c */
control_fn handle_devices; /* devices.c */
control_fn handle_errors;  /* errors.c */
/* queue_act.c */
control_fn handle_queue_hold, handle_queue_release, handle_queue_retry, handle_queue_delete;
/* suspending.c */
control_fn handle_suspend, handle_resume, handle_suspensions;
control_fn handle_reload;                           /* reloading.c */
control_fn handle_incidents, handle_incidents_over; /* incidents.c */
/* why.c */
control_fn handle_why;
/* queue_view.c */
control_fn handle_queue_list, handle_queue_ids, handle_queue_summary, handle_queue_show;
control_fn handle_queue_content;             /* content.c */
control_fn handle_explain;                   /* explaining.c */
control_fn handle_trace, handle_trace_one;   /* lives.c */
control_fn handle_resources;                 /* resources.c */
control_fn handle_link;                      /* link.c */
control_fn handle_bundle, handle_events;     /* bundle.c */
control_fn handle_sheet, handle_profiles;    /* sheet.c */
control_fn handle_doctor, handle_doctor_run; /* checkup.c */

#endif
