/*
 * core/agents/password.c - see password.h.
 */
#include "core/agents/password.h"

#include <assert.h>
#include <crypt.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/hidden.h"

static_assert(PASSWORD_MAX == CRYPT_MAX_PASSPHRASE_SIZE, "libcrypt's own limit");

/* It keeps copies of what it is given. */
struct password_desk {
	struct crypt_data data;
};

struct password_desk *password_desk_new(void)
{
	return hidden_new(sizeof(struct password_desk));
}

void password_desk_free(struct password_desk *desk)
{
	hidden_free(desk, sizeof(*desk));
}

/* In desk->data, or NULL. A failure is a text that begins with "*", or NULL. */
static const char *made(struct password_desk *desk, const char *password, const char *setting)
{
	const char *hash;

	explicit_bzero(&desk->data, sizeof(desk->data));
	hash = crypt_rn(password, setting, &desk->data, (int)sizeof(desk->data));
	return hash && hash[0] != '*' ? hash : NULL;
}

int password_hash(struct password_desk *desk, const char *password, char hash[PASSWORD_HASH_MAX + 1])
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	const char *result;
	int r = 0;

	if (!crypt_gensalt_rn("$y$", 0, NULL, 0, setting, (int)sizeof(setting)))
		return -errno;
	errno = EINVAL;
	result = made(desk, password, setting);
	if (!result)
		r = -errno;
	else if (password_form_problem(result, strlen(result)))
		r = -EINVAL;
	else
		strcpy(hash, result);
	explicit_bzero(&desk->data, sizeof(desk->data));
	return r;
}

bool password_matches(struct password_desk *desk, const char *password, const char *hash)
{
	const char *result = made(desk, password, hash);
	size_t length = result ? strlen(result) : 0, i;
	uint8_t differ = length == 0 || length != strlen(hash);

	for (i = 0; i < length && hash[i]; i++)
		differ |= (uint8_t)(result[i] ^ hash[i]);
	explicit_bzero(&desk->data, sizeof(desk->data));
	return differ == 0;
}
