/*
 * fuzz_token_claims.c - an access token, whatever its maker put into it: what is shown of it is printable and bounded.
 *
 * Input: the payload, which is encoded here, so that the fuzzer need not; or a whole token if it begins with "=".
 */
#include <stdlib.h>
#include <string.h>

#include "core/smtp/base64.h"
#include "core/tools/token_claims.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need_printable(const char *text, size_t size)
{
	size_t length = strnlen(text, size);

	if (length == size)
		abort();
	for (size_t i = 0; i < length; i++) {
		if (text[i] < ' ' || text[i] > '~')
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *token = malloc(BASE64_LENGTH(size) + 2);
	size_t length = 0;
	struct token_claims claims;

	if (!token)
		abort();
	if (size > 0 && data[0] == '=') {
		memcpy(token, data + 1, size - 1);
		length = size - 1;
	} else {
		token[length++] = '.';
		length += base64_encode(data, size, token + length);
		token[length++] = '.';
	}
	(void)token_claims_read(token, length, &claims);
	need_printable(claims.audience, sizeof(claims.audience));
	need_printable(claims.roles, sizeof(claims.roles));
	need_printable(claims.scopes, sizeof(claims.scopes));
	need_printable(claims.application, sizeof(claims.application));
	need_printable(claims.user, sizeof(claims.user));
	need_printable(claims.tenant, sizeof(claims.tenant));
	free(token);
	return 0;
}
