/*
 * core/agents/sts_shelf.h - MTA-STS policies on disk, so that they are in force after a restart: a file for each, with
 * what was fetched as it came behind a head of lines.
 *
 * Files are replaced, never changed: after a crash there is the old one or the new one. What cannot be read is as if it
 * was not there.
 */
#ifndef POSTRIDER_AGENTS_STS_SHELF_H
#define POSTRIDER_AGENTS_STS_SHELF_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/agents/dns_exchangers.h"
#include "core/smtp/mta_sts.h"

struct sts_policy;

enum { STS_SHELF_HEAD_MAX = 200, STS_SHELF_NAME = DNS_NAME_MAX + 20 };

/* The file of a domain's policy, as whom it was trusted by; false: no domain is called so. */
bool sts_shelf_name(const char *domain, const char *ca_file, char name[STS_SHELF_NAME]);

/* The head of a file: returns its length. */
size_t sts_shelf_head(const char *id, uint64_t fetched_s, char out[STS_SHELF_HEAD_MAX]);
/* Reads one; *text of *length is the policy behind it. False: it is none. */
bool sts_shelf_parse(const char *file, size_t size, char id[MTA_STS_ID_MAX + 1], uint64_t *fetched_s, const char **text,
		     size_t *length);

/* NULL: there is none, or it is over. */
struct sts_policy *sts_shelf_take(const char *directory, const char *name, uint64_t now_s);
/* Rounds of those on disk, for policies that ended and that nobody asks about: what sts_shelf_take() would find over is
 * dropped. All zero: at the beginning of a round. */
struct sts_sweep {
	DIR *files;      /* open in the middle of a round */
	size_t kept;     /* that were found good; never set back here */
	uint64_t idle_s; /* what was fetched before that goes as well, unless is_known(); 0: nothing */
	bool (*is_known)(void *context, const char *name);
	void *context;
};
/* Goes on by at most `most` files. True: the round is over; the next call begins another. */
bool sts_sweep_on(struct sts_sweep *sweep, const char *directory, uint64_t now_s, unsigned most);
void sts_sweep_stop(struct sts_sweep *sweep);

/* Files of policies that there are. */
size_t sts_shelf_count(const char *directory);

/* 0 or -errno. */
int sts_shelf_put(const char *directory, const char *name, const struct sts_policy *policy);
void sts_shelf_drop(const char *directory, const char *name);

#endif
