/*
 * core/page/page.h - the page: what the control knows, as HTML for people, in five views. Its handlers stand beside the
 * control's (core/control/handlers.h), and ask these within the process, so a page shows nothing that a program is not
 * told as well, and nobody may do more by it.
 *
 * A view is a file (now.c, mail.c, devices.c, providers.c, health.c) of small functions that write what one answer has
 * (html.h). Nothing but GET of views, files and the stream, and three forms: to act, to come in, to go.
 */
#ifndef POSTRIDER_PAGE_PAGE_H
#define POSTRIDER_PAGE_PAGE_H

#include "core/control/handlers.h"

/* For control_start(). */
extern const struct control_more page_more;

control_fn page_now;                         /* now.c */
control_fn page_act, page_bundle;            /* act.c */
control_fn page_mail;                        /* mail.c */
control_fn page_message;                     /* message.c */
control_fn page_devices;                     /* devices.c */
control_fn page_device;                      /* sheet.c */
control_fn page_providers, page_destination; /* providers.c */
control_fn page_health;                      /* health.c */
control_fn page_stream;                      /* stream.c */

struct frame;
/* How many destinations are shown of how many, where that is not all (providers.c). */
void page_put_shown(struct frame *f, const json_t *stats);
/* What `postrider doctor` has found last (climbed.c). */
void page_put_climbed(struct frame *f);
/* What providers have said will be, of /v1/resources; `only`: of this destination, NULL: of all (providers.c). */
void page_put_dates(struct frame *f, const json_t *resources, const char *only);
/* Whether the certificate that ends first, at `until`, is good, and when it ends; `what`: what to call it
 * (providers.c). */
void page_put_certificate(struct frame *f, const char *until, const char *what);
/* The form that asks for a sheet of a device that is to come (sheet.c). */
void page_put_sheet_form(struct frame *f);
/* A state of mail, as the queue and the trace name it (mail.c). */
void mail_put_state(struct frame *f, const char *state);

#endif
