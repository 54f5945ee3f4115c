/*
 * core/agents/key_pair.h - makes a private key and a certificate that it signs itself.
 *
 * By such a pair an application is known at Entra: nobody there asks who has signed, only whether the certificate is
 * the one that was registered. Takes seconds of a processor: not for a shard's thread.
 */
#ifndef POSTRIDER_AGENTS_KEY_PAIR_H
#define POSTRIDER_AGENTS_KEY_PAIR_H

#include <stdbool.h>
#include <stddef.h>

enum { KEY_PAIR_BITS = 3072 };

struct key_pair {
	char *private_key;      /* PEM, PKCS#8; owned, a secret */
	char *certificate;      /* PEM; owned */
	char *certificate_text; /* its DER in base64, one line, as Graph and PowerShell take it; owned */
	size_t private_key_length;
};

/* RSA, valid from an hour ago (clocks differ) for so many days. False: no memory, or no random numbers. */
bool key_pair_make(const char *common_name, unsigned days, struct key_pair *pair);
/* Reads the certificate of a PEM file back, as certificate_text; the caller frees. NULL: there is none. */
char *key_pair_certificate_text(const char *file);
/* The key is overwritten before it is given back. */
void key_pair_wipe(struct key_pair *pair);

#endif
