/*
 * core/agents/trust_file.h - who has signed in from where lately, as the text in which it survives restarts:
 * `signed-in` in the spool's directory.
 *
 *     postrider-signed-in 1 CHECK
 *     KEY UNTIL
 *     end COUNT
 *
 * KEY is a keyed hash of user and address (core/receive/guard.h), UNTIL seconds since 1970. The key of that hash lies
 * in a file of its own, `signed-in.key`, so whoever has the list alone cannot even try names. CHECK tells whether the
 * two belong together. What does not end with the right count is damaged. Pure.
 */
#ifndef POSTRIDER_AGENTS_TRUST_FILE_H
#define POSTRIDER_AGENTS_TRUST_FILE_H

#include <stddef.h>
#include <stdint.h>

struct trust {
	uint64_t key; /* not 0 */
	uint64_t until_s;
};

enum {
	TRUST_FILE_MAX = 16384, /* entries */
	TRUST_FILE_LINE = 48,
	TRUST_FILE_SIZE = (TRUST_FILE_MAX + 2) * TRUST_FILE_LINE, /* octets, at most */
	TRUST_KEY_SIZE = 32,                                      /* of the hash */
	TRUST_KEY_TEXT = 2 * TRUST_KEY_SIZE,
};

/* Into TRUST_FILE_SIZE octets. Returns how many. */
size_t trust_file_format(uint64_t check, const struct trust *trusts, size_t count, char *out);
/* Into TRUST_FILE_MAX places. 0 with *count and *check, or -EBADMSG: damaged, or of another version. */
int trust_file_parse(const char *text, size_t length, uint64_t *check, struct trust *out, size_t *count);

/* The key as the text of its file, without a line end. */
void trust_key_format(const uint8_t key[TRUST_KEY_SIZE], char out[TRUST_KEY_TEXT]);
/* 0 or -EBADMSG. */
int trust_key_parse(const char *text, size_t length, uint8_t key[TRUST_KEY_SIZE]);

#endif
