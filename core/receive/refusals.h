/*
 * core/receive/refusals.h - how many refusals are told of each client, and what of its command; and how many of its
 * sessions in which it wanted nothing, as those of a monitor that looks at the port every other second.
 *
 * A client that is refused in a loop, or a thousand of them, must not fill the log: of each peer so many are told in
 * a minute. Peers share places by their hash, so the memory is fixed, and so is what is told in all, however many
 * addresses there are. What is not told is counted, and the next that is told says how many.
 */
#ifndef POSTRIDER_RECEIVE_REFUSALS_H
#define POSTRIDER_RECEIVE_REFUSALS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/ring.h"
#include "core/base/span.h"
#include "core/smtp/command.h"

enum { REFUSALS_PLACES = 1024, REFUSALS_A_MINUTE = 20, REFUSALS_QUIET_AN_HOUR = 10 };

struct refusals {
	uint64_t salt; /* so that nobody can choose an address to silence another one */
	uint64_t window_ns;
	uint32_t most; /* in a window */
	struct {
		uint32_t window, told, untold;
	} places[REFUSALS_PLACES];
};

/* REFUSALS_A_MINUTE of them, */
void refusals_init(struct refusals *refusals, uint64_t salt);
/* or, of sessions that want nothing, REFUSALS_QUIET_AN_HOUR. */
void refusals_init_quiet(struct refusals *refusals, uint64_t salt);
/* One more. True: it is told, and *untold before it were not. IPv6 counts by /64, the smallest network of one site. */
bool refusals_tell(struct refusals *refusals, const struct ring_address *peer, uint64_t now_ns, uint32_t *untold);
/*
 * What may be shown of a command line: of AUTH without what it carries; of a line that is no command the first word,
 * and behind AUTH nothing, as it may be a password.
 */
struct span refusals_command(struct span line, enum smtp_verb verb, bool after_auth);

#endif
