/*
 * core/agents/token_form.h - what is asked of a token endpoint: the form that is posted, from the settings and the
 * files that they name.
 *
 * Files are read each time, so that what was replaced is in force with the next token.
 */
#ifndef POSTRIDER_AGENTS_TOKEN_FORM_H
#define POSTRIDER_AGENTS_TOKEN_FORM_H

#include <stdbool.h>
#include <stdint.h>

#include "core/agents/token.h"
#include "core/base/secret.h"

/* What comes behind the name of a certificate, or a key, that is about to take its place (token_rotation.h). */
#define ROTATION_NEXT ".next"

enum { TOKEN_URL_MAX = 2048 };

struct token_form {
	char url[TOKEN_URL_MAX];
	struct secret body;    /* application/x-www-form-urlencoded */
	struct secret refresh; /* the refresh token in it; none where text is NULL */
	char problem[TOKEN_PROBLEM_SIZE];
};

/* `user`: whom a service account signs for, or NULL. `now`: seconds since 1970 by the endpoint's clock. `refresh`: to
 * be used instead of what the file has, or NULL. False with a sentence: somebody has to act. */
bool token_form_make(struct token_form *form, const struct config_oauth *oauth, const char *user,
		     const struct secret *refresh, int64_t now);
void token_form_wipe(struct token_form *form);

/* A form of names and values by turns, NULL behind them. False: no memory. */
bool token_form_fields(struct secret *body, const char *const *fields);

/* A service account's key file (JSON), as Google gives it. */
struct service_account {
	struct secret private_key;
	char email[320], key_id[128], token_url[TOKEN_URL_MAX]; /* key_id, token_url: "" where it has none */
};
/* False with a sentence, and nothing to wipe. */
bool service_account_parse(const char *text, size_t length, struct service_account *account,
			   char problem[TOKEN_PROBLEM_SIZE]);
void service_account_wipe(struct service_account *account);

/* The files of these settings by what they are now: changes when one of them is written. That somebody else may read or
 * write it now changes nothing, unlike in file_stamp(): a refresh token that could not be stored is newer than its
 * file's still, and one that is given meanwhile is to be stored. */
uint64_t token_form_stamp(const struct config_oauth *oauth);
/* The same of the refresh token's alone. */
uint64_t token_form_refresh_stamp(const struct config_oauth *oauth);

#endif
