/*
 * core/agents/tls_report_state.h - what is kept of TLS reports over a restart, as the text of a file: what was counted
 * of this day, and reports that are not delivered yet.
 *
 * JSON, of one version. It is read as if somebody else had written it: what is in no bounds is left out, and what is no
 * such file is refused as a whole. A day of a hundred thousand domains that fail is forty megabytes of text, which are
 * written and read one domain after the other.
 */
#ifndef POSTRIDER_AGENTS_TLS_REPORT_STATE_H
#define POSTRIDER_AGENTS_TLS_REPORT_STATE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/agents/tls_days.h"

enum { TLS_REPORT_STATE_MAX = 256 << 20 }; /* octets of a file */

/* From malloc, with its NUL; NULL: no memory. */
char *tls_report_state_write(const struct tls_days *days);
/* Adds to `days`, which is initialised and counts nothing yet. False: it is no such text, and nothing was added. */
bool tls_report_state_read(struct tls_days *days, const char *text, size_t length);

#endif
