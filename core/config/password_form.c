/*
 * core/config/password_form.c - see password_form.h. The forms are those of crypt(5).
 */
#include "core/config/password_form.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static const char digits[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static const char reply_clear[] = "is none: `postrider hash NAME` makes one";
static const char reply_method[] =
	"is made by a method that is no longer safe: `postrider hash NAME` makes another one";
static const char reply_cut[] = "is cut or damaged: `postrider hash NAME` makes another one";
static const char reply_cost[] =
	"costs more memory or time than a verification may take: `postrider hash NAME` makes another one";

/* What is still to be read. */
struct rest {
	const char *at, *end;
};

static int value_of(char c)
{
	const char *found = c ? strchr(digits, c) : NULL;

	return found ? (int)(found - digits) : -1;
}

/* So many digits of 6 bits, the lowest first. */
static bool take_number(struct rest *rest, unsigned count, uint32_t *out)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < count; i++) {
		int digit = rest->at < rest->end ? value_of(*rest->at++) : -1;
		if (digit < 0)
			return false;
		value |= (uint32_t)digit << (6 * i);
	}
	*out = value;
	return true;
}

/* Between `least` and `most` digits, and what stands behind them (NUL: the end). */
static bool take_digits(struct rest *rest, size_t least, size_t most, char behind)
{
	size_t n = 0;

	while (rest->at < rest->end && value_of(*rest->at) >= 0) {
		rest->at++;
		n++;
	}
	if (n < least || n > most)
		return false;
	if (behind == '\0')
		return rest->at == rest->end;
	return rest->at < rest->end && *rest->at++ == behind;
}

static bool memory_fits(uint32_t log2, uint32_t blocks)
{
	return log2 < 32 && blocks > 0 && blocks <= ((uint32_t)PASSWORD_MEMORY_MAX / 128) >> log2;
}

/* Salt, and 256 bits. */
static const char *finish(struct rest *rest)
{
	return take_digits(rest, 1, 86, '$') && take_digits(rest, 43, 43, '\0') ? NULL : reply_cut;
}

/* Flavour, logarithm of N, r; more parameters than these nobody needs. */
static const char *yescrypt(struct rest rest)
{
	uint32_t flavour, log2, blocks;

	if (!take_number(&rest, 1, &flavour) || !take_number(&rest, 1, &log2) || !take_number(&rest, 1, &blocks) ||
	    rest.at == rest.end)
		return reply_cut;
	if (*rest.at++ != '$' || !memory_fits(log2 + 1, blocks + 1))
		return reply_cost;
	return finish(&rest);
}

static const char *scrypt(struct rest rest)
{
	uint32_t log2, blocks, parallel;

	if (!take_number(&rest, 1, &log2) || !take_number(&rest, 5, &blocks) || !take_number(&rest, 5, &parallel))
		return reply_cut;
	if (!memory_fits(log2, blocks) || parallel != 1)
		return reply_cost;
	return finish(&rest);
}

static const char *bcrypt(struct rest rest)
{
	bool digit = rest.end - rest.at > 3 && rest.at[0] >= '0' && rest.at[0] <= '9' && rest.at[1] >= '0' &&
		     rest.at[1] <= '9' && rest.at[2] == '$';
	int cost = digit ? (rest.at[0] - '0') * 10 + rest.at[1] - '0' : 0;

	if (cost < 4)
		return reply_cut;
	rest.at += 3;
	if (cost > PASSWORD_BCRYPT_MAX)
		return reply_cost;
	return take_digits(&rest, 53, 53, '\0') ? NULL : reply_cut;
}

static const char *sha(struct rest rest, size_t length)
{
	static const char word[] = "rounds=";
	uint32_t rounds = 0;

	if ((size_t)(rest.end - rest.at) > strlen(word) && memcmp(rest.at, word, strlen(word)) == 0) {
		rest.at += strlen(word);
		while (rest.at < rest.end && *rest.at >= '0' && *rest.at <= '9' && rounds <= PASSWORD_SHA_ROUNDS_MAX)
			rounds = rounds * 10 + (uint32_t)(*rest.at++ - '0');
		if (rounds > PASSWORD_SHA_ROUNDS_MAX)
			return reply_cost;
		if (rest.at == rest.end || *rest.at++ != '$')
			return reply_cut;
	}
	return take_digits(&rest, 1, 16, '$') && take_digits(&rest, length, length, '\0') ? NULL : reply_cut;
}

static const char *sha512(struct rest rest)
{
	return sha(rest, 86);
}

static const char *sha256(struct rest rest)
{
	return sha(rest, 43);
}

const char *password_form_problem(const char *hash, size_t length)
{
	static const struct {
		const char *prefix;
		const char *(*look)(struct rest rest);
	} methods[] = {{"$y$", yescrypt}, {"$gy$", yescrypt}, {"$7$", scrypt}, {"$2b$", bcrypt},
		       {"$2y$", bcrypt},  {"$2a$", bcrypt},   {"$6$", sha512}, {"$5$", sha256}};

	if (length == 0 || hash[0] != '$')
		return reply_clear;
	if (length > PASSWORD_HASH_MAX)
		return reply_cut;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		size_t prefix = strlen(methods[i].prefix);
		if (length >= prefix && memcmp(hash, methods[i].prefix, prefix) == 0)
			return methods[i].look((struct rest){hash + prefix, hash + length});
	}
	return reply_method;
}
