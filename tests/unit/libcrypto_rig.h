/*
 * tests/unit/libcrypto_rig.h - libcrypto that counts, and fails or lies when it is told to, for test_tls_rsa.c.
 *
 * Apart, because libcrypto's headers and wolfSSL's have some of the same names.
 */
#ifndef POSTRIDER_TESTS_LIBCRYPTO_RIG_H
#define POSTRIDER_TESTS_LIBCRYPTO_RIG_H

#include <stdbool.h>
#include <stdint.h>

enum rig_behaviour { RIG_RIGHT, RIG_FAILS, RIG_LIES };
enum { RIG_PART = 64 };

extern unsigned rig_signatures, rig_pss; /* since rig_begin(); how many of them were padded as PSS */

void rig_begin(enum rig_behaviour behaviour);
/* A part of a prime of an RSA key, as it lies in DER and as it lies in a number in memory. */
bool rig_read_prime(const char *key_file, uint8_t part[2][RIG_PART]);

#endif
