/*
 * core/agents/bundle.h - what is known of a relay, in one file to send to somebody: a .tar.gz of texts, without
 * secrets.
 *
 * Nothing that is put in has secrets by itself: a configuration names files of them, and is shown without what may be
 * one (core/config/show.h). As nobody can vouch for every word, whatever stands in those files, words of a command, and
 * of URLs who signs in by them, the query, and all that follows a webhook's host, are taken out of all texts by what
 * they are.
 *
 * Not for shards' threads: it reads files, and packs.
 */
#ifndef POSTRIDER_AGENTS_BUNDLE_H
#define POSTRIDER_AGENTS_BUNDLE_H

#include <stddef.h>

enum {
	BUNDLE_MEMBER_MAX = 1 << 20, /* of a text; the rest of a longer one is left out, and said so */
	BUNDLE_OCTETS_MAX = 6 << 20, /* of all, before they are packed */
};

struct bundle;
struct config;

struct bundle *bundle_new(void); /* NULL without memory */
/* First: what this configuration has is to be in nothing that is added, whatever its file says by now. It is not used
 * behind that, and no file is read. */
void bundle_hide(struct bundle *bundle, const struct config *config);
/* Then: with the configuration of this file, as it would be in force or what is wrong with it; and what the machine is
 * like. */
void bundle_begin(struct bundle *bundle, const char *config_file);
void bundle_free(struct bundle *bundle); /* NULL is allowed */
/* One more; `text` NULL: it is not there, which is said in its place. */
void bundle_add(struct bundle *bundle, const char *name, const char *text, size_t length);
/* Packed, from malloc; NULL without memory. Nothing can be added any more. */
char *bundle_end(struct bundle *bundle, size_t *length);
/* "postrider-20261128T130000Z.tar.gz" */
enum { BUNDLE_NAME = 48 };
void bundle_name(char out[BUNDLE_NAME]);

/* What the control answers that belongs in it, each as a member; the last has a path of NULL. */
struct bundle_part {
	const char *name, *path;
};
extern const struct bundle_part bundle_parts[];

#endif
