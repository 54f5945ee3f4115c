/*
 * core/control/within.h - a request that is made inside of the process: what a page shows is what the control answers
 * to programs, and nothing else. Who asks has no more rights by it than he came with, and an act has its event.
 */
#ifndef POSTRIDER_CONTROL_WITHIN_H
#define POSTRIDER_CONTROL_WITHIN_H

#include <jansson.h>
#include <stddef.h>

#include "core/control/request.h"

/* For `outer`, which goes on. `values`: of the query; the last one has a key of NULL; NULL: none. `body`: taken; NULL:
 * none. Answers with an object, which is the caller's: where *status is not 200, or nothing of that path is known, its
 * "error" says why. NULL without memory. */
json_t *within_ask(const struct control_request *outer, const char *method, const char *path,
		   const struct request_given *values, json_t *body, unsigned *status);
/* GET. */
json_t *within_get(const struct control_request *outer, const char *path, const struct request_given *values);

#endif
