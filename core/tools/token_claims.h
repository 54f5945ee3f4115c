/*
 * core/tools/token_claims.h - what an access token says of itself, for people, where it is a JSON web token (RFC 7519).
 *
 * A token is for whom it is issued to, and nobody else need be able to read it (RFC 6749 1.4): what is not understood
 * here is no error. The signature is not looked at, so nothing may be decided by this.
 */
#ifndef POSTRIDER_TOOLS_TOKEN_CLAIMS_H
#define POSTRIDER_TOOLS_TOKEN_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "" and 0 where it does not say. Printable ASCII, cut where there is no room. */
struct token_claims {
	char audience[160];
	char roles[160];                             /* of an application, separated by spaces: "SMTP.SendAsApp" */
	char scopes[160];                            /* of a user who has signed in */
	char application[64], tenant[64], user[160]; /* user: who has signed in */
	int64_t end;                                 /* seconds since 1970 */
};

/* False: it is none. */
bool token_claims_read(const char *token, size_t length, struct token_claims *claims);

#endif
