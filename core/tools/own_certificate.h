/*
 * core/tools/own_certificate.h - what a destination's own certificate says, before anybody is shown it.
 */
#ifndef POSTRIDER_TOOLS_OWN_CERTIFICATE_H
#define POSTRIDER_TOOLS_OWN_CERTIFICATE_H

#include <stdbool.h>

#include "core/tools/ladder.h"

/* `file`: its PEM chain. `hostname`: of this relay; `from`: an address mail is sent from, or NULL. False: it is of no
 * use. */
bool own_certificate_look(struct ladder *ladder, const char *file, const char *hostname, const char *from);

#endif
