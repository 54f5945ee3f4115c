/*
 * tls/rsa.h - the private operation of RSA, outside wolfSSL.
 *
 * By libcrypto, whose multiplication is four times as fast as that of Debian's wolfSSL. Only rsa.c includes its
 * headers: wolfSSL has some of the same names.
 */
#ifndef POSTRIDER_TLS_RSA_H
#define POSTRIDER_TLS_RSA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rsa_key; /* does not change once it is made, and any thread may sign with it */

/* Of the first private key in a PEM text. NULL: none, no RSA key, or no memory; then wolfSSL signs. */
struct rsa_key *rsa_key_new(const char *pem, size_t length);
void rsa_key_free(struct rsa_key *key); /* overwrites it; NULL is fine */
/* What is padded already, as long as the key, to `out`, which has room for as much and may be the same. False:
 * libcrypto failed, and `out` is as it was. Whether the result is right is for the caller to check, as wolfSSL does. */
bool rsa_key_apply(const struct rsa_key *key, const uint8_t *padded, size_t length, uint8_t *out);

#endif
