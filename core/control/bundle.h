/*
 * core/control/bundle.h - what is known of the process as one file (core/agents/bundle.h), for POST /v1/bundle and for
 * the page's form.
 */
#ifndef POSTRIDER_CONTROL_BUNDLE_H
#define POSTRIDER_CONTROL_BUNDLE_H

#include "core/control/request.h"

/* Answers with it; who asks may act. One is made at a time. */
void control_bundle_answer(struct control_request *request);

#endif
