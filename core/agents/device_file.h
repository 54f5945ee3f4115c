/*
 * core/agents/device_file.h - what is known of each device, as the text in which it survives restarts: `devices` in the
 * spool's directory.
 *
 *     postrider-devices 1 HOURS
 *     NAME \t FIRST LAST MAIL MESSAGES OCTETS TLS REFUSALS REFUSED GAP LONGEST LONGEST ACTIVE ACTIVE PERIODS
 *          WATCHED SILENT HOURS HOURS \t REFUSAL
 *     end COUNT
 *
 * on one line for each device. Times are seconds since 1970, 0 for never; TLS is a version or -; hours of the week are
 * hexadecimal digits; the refusal is the reply, or nothing. HOURS of the first line: of this period have been watched.
 * What does not end with the right count is damaged. Pure.
 */
#ifndef POSTRIDER_AGENTS_DEVICE_FILE_H
#define POSTRIDER_AGENTS_DEVICE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/agents/device_rhythm.h"

enum {
	DEVICE_REFUSAL_SIZE = 48,
	DEVICE_TLS_SIZE = 8, /* "TLSv1.3" */
	DEVICE_LINE_MAX = 512,
};

struct device_facts {
	uint32_t first_s, last_s; /* a session */
	uint32_t mail_s;          /* a message that was accepted */
	uint32_t messages, refusals, refused_s;
	uint64_t octets;
	char tls[DEVICE_TLS_SIZE];         /* of the last session; "": without */
	char refusal[DEVICE_REFUSAL_SIZE]; /* the last one; "": none */
	struct device_rhythm rhythm;
};

/* Each returns the length. The name has at most DEVICE_NAME_MAX octets, and no control characters. */
size_t device_file_head(unsigned hours, char out[DEVICE_LINE_MAX]);
size_t device_file_line(const char *name, const struct device_facts *facts, char out[DEVICE_LINE_MAX]);
size_t device_file_end(size_t count, char out[DEVICE_LINE_MAX]);

/* `name`: not terminated. False: enough. */
typedef bool device_file_fn(void *context, const char *name, size_t length, const struct device_facts *facts);
/* 0 with *hours, or -EBADMSG: damaged; some may have been told by then. */
int device_file_parse(const char *text, size_t length, unsigned *hours, device_file_fn *fn, void *context);

#endif
