/*
 * core/page/act.h - the forms that act, for views: buttons for messages, and for a destination.
 */
#ifndef POSTRIDER_PAGE_ACT_H
#define POSTRIDER_PAGE_ACT_H

#include "core/page/frame.h"

/* Buttons and a reason, within a form of frame_form() that has fields `id`. */
void act_put_messages(struct frame *f);
/* Whole forms. */
void act_put_destination(struct frame *f, const char *name, bool suspended);

#endif
