/*
 * core/agents/token_rotation.h - another certificate for an application at Entra, without a person: made, registered,
 * proven, swapped, and the old one removed.
 *
 *     nothing --> CERTIFICATE.next, PRIVATE_KEY.next are there --> registered (Graph addKey) --> proven by a token
 *         --> PRIVATE_KEY, CERTIFICATE are the new ones, CERTIFICATE.old is there --> removed (removeKey) --> nothing
 *
 * What has been done is seen from the files, and from whether the new pair gets a token; so whatever ends it, the next
 * call goes on from there, and in between mail flows: with the old pair until the swap, and with the new one, which was
 * proven, from then on. Between the two renames of the swap the certificate that belongs to the key is the one that
 * ends in ".next"; token_form.c looks there, too.
 *
 * An application needs no permission at Graph to roll its own keys, only a valid one to prove itself with. Blocks: for
 * commands, and for threads that may wait.
 */
#ifndef POSTRIDER_AGENTS_TOKEN_ROTATION_H
#define POSTRIDER_AGENTS_TOKEN_ROTATION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/agents/token.h"

enum {
	ROTATION_DAYS = 365,
	ROTATION_PROOF_S = 600, /* a key that was registered is known everywhere after minutes */
	ROTATION_PROOF_AGAIN_S = 5,
};

#define ROTATION_OLD ".old"

enum rotation_step {
	ROTATION_MADE,
	ROTATION_REGISTERED,
	ROTATION_PROVEN,
	ROTATION_KEY_SWAPPED,
	ROTATION_SWAPPED,
	ROTATION_REMOVED,
	ROTATION_NOT_REMOVED, /* `text`: why; it ends by itself */
	ROTATION_STEPS,
};

struct rotation {
	const struct config_oauth *oauth; /* CONFIG_GRANT_CERTIFICATE */
	const char *object_id;            /* the application's "Object ID", which is not its client ID */
	const char *graph_url;            /* NULL: https://graph.microsoft.com */
	const char *common_name;          /* of the certificate */
	unsigned proof_s;                 /* ROTATION_PROOF_S */
	/* What has been done, for who waits for it; may be NULL. */
	void (*told)(void *context, enum rotation_step step, const char *text);
	void *context;

	char problem[TOKEN_PROBLEM_SIZE]; /* where it did not work */
};

/* All that is left to do. False: `problem`; what was done stays done. */
bool rotation_run(struct rotation *rotation);
/* One was begun, and not ended. */
bool rotation_under_way(const struct config_oauth *oauth);

#endif
