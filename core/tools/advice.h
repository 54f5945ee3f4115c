/*
 * core/tools/advice.h - sentences for what is no reply of a mail server: names, ports, silence, what stands in between.
 *
 * What a reply means is decided by deliver/verdict.h alone, here as in the relay.
 */
#ifndef POSTRIDER_TOOLS_ADVICE_H
#define POSTRIDER_TOOLS_ADVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/deliver/verdict.h"
#include "core/tools/ladder.h"
#include "tls/tls.h"

/* All of these speak of the rung that was added last. */
void advise_name(struct ladder *ladder, const char *host, int error);
/* `port` of an address could not be connected to, for `error`; open[i]: ports[i] of the same one can. */
void advise_port(struct ladder *ladder, uint16_t port, int error, const uint16_t *ports, const bool *open,
		 size_t count);
/* Nothing came where `stage` should have. `tls_at_once`: it has answered to TLS without being asked. */
void advise_silence(struct ladder *ladder, enum stage stage, bool implicit, bool tls_at_once);
/* The handshake failed with `problem`; `shown`: what the peer showed, or NULL. */
void advise_tls(struct ladder *ladder, const char *problem, bool implicit, const struct tls_certificate_text *shown,
		size_t count);
/* Whether a text of a mail server was rewritten on the way; if so it says by whom, and what to do. */
bool advise_rewritten(struct ladder *ladder, const char *text, size_t length);
/* What the reply means, by the verdict's rules. */
void advise_reply(struct ladder *ladder, enum stage stage, unsigned code, const char *text, size_t length);

#endif
