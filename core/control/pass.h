/*
 * core/control/pass.h - how a browser is let in to the page: by a link that `postrider page` prints, which is good once
 * and for some minutes, and then by a pass in a cookie. So whoever may use the control socket needs no password, and
 * other users of the machine see nothing.
 *
 * Links and passes are random, kept in memory alone, as keyed hashes; there are PASS_LINKS and PASS_MOST at a time, and
 * the one that was used longest ago makes room. A pass ends when it was not used for PASS_IDLE_S, after PASS_LIFE_S, or
 * with the process.
 *
 * Forms carry a token that is made of who has signed in (pass_token()): no page of others can know it.
 *
 * For any thread.
 */
#ifndef POSTRIDER_CONTROL_PASS_H
#define POSTRIDER_CONTROL_PASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	PASS_LINKS = 16,
	PASS_MOST = 64,
	PASS_LINK_S = 600,
	PASS_IDLE_S = 8 * 3600,
	PASS_LIFE_S = 24 * 3600,
	PASS_TEXT = 64,
	PASS_USER_MAX = 60,
};

struct passes;

struct passes *passes_new(void);         /* NULL without memory */
void passes_free(struct passes *passes); /* NULL is allowed */

/* A new link for who asks, as he is named in events. */
void pass_link(struct passes *passes, const char *user, uint64_t now_ns, char out[PASS_TEXT + 1]);
/* Takes the link; a pass for it. False: there is no such link, any more. */
bool pass_enter(struct passes *passes, const char *link, uint64_t now_ns, char out[PASS_TEXT + 1]);
/* Whose it is. False: nobody's. */
bool pass_find(struct passes *passes, const char *pass, uint64_t now_ns, char user[PASS_USER_MAX + 1]);
/* It is good no more. */
void pass_leave(struct passes *passes, const char *pass);

/* What forms of who has this `identity` carry: the same as long as the process runs. */
void pass_token(const struct passes *passes, const char *identity, char out[PASS_TEXT + 1]);
/* In a time that says nothing of where they differ. */
bool pass_same(const char *one, const char *other);

#endif
