/*
 * core/tools/setup_keys.h - the key pair of an application at Entra, in two files that are made once.
 */
#ifndef POSTRIDER_TOOLS_SETUP_KEYS_H
#define POSTRIDER_TOOLS_SETUP_KEYS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Makes entra.crt and entra.key in the directory, unless they are there: then they stay as they are. The key may be
 * read by who runs this, and by the service's group where there is one. Both paths, and the certificate in one line for
 * PowerShell, which the caller frees. False: said on standard error.
 */
bool setup_keys(const char *directory, const char *hostname, char *certificate, char *private_key, size_t size,
		char **certificate_text);

#endif
