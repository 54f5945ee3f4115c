/*
 * core/config/password_form.h - whether a text is the hash of a password that may be relied on, by its form alone.
 *
 * Taken is what libcrypt calls strong: yescrypt ($y$), gost-yescrypt ($gy$), scrypt ($7$), bcrypt ($2b$, $2y$, $2a$)
 * and SHA-512 ($6$); and SHA-256 ($5$), which old files have. Everything else that crypt(3) would make something of
 * is refused, above all a password in clear, which it reads as a salt of DES. The cost that is written in a hash is
 * what every verification will take of us, so it has bounds, too.
 *
 * Pure; the hash is never quoted in what is said of it.
 */
#ifndef POSTRIDER_CONFIG_PASSWORD_FORM_H
#define POSTRIDER_CONFIG_PASSWORD_FORM_H

#include <stddef.h>

enum {
	PASSWORD_HASH_MAX = 300,           /* octets of a hash */
	PASSWORD_MEMORY_MAX = 128 << 20,   /* that a verification may take */
	PASSWORD_BCRYPT_MAX = 14,          /* 2^14 rounds: 0.9 s */
	PASSWORD_SHA_ROUNDS_MAX = 1000000, /* 0.2 s */
};

/* NULL: it may. Else what is wrong with it, to be put behind "the hash"; static. */
const char *password_form_problem(const char *hash, size_t length);

#endif
