/*
 * core/config/oauth.h - `oauth`: where access tokens for a destination or a mailbox come from.
 *
 * Which keys are there says which grant it is; schema_oauth.c refuses what does not go together:
 *
 *     client_id, certificate, private_key     an application that signs (RFC 7523): Entra's certificate credentials
 *     client_id, client_secret_file           an application with a password
 *     client_id, refresh_token_file           a person's consent, once; with or without a secret
 *     service_account_file                    Google's key file: signs for the mailbox's user
 *     command                                 a program that prints a token
 *
 * `tenant` makes Entra's URL and scope; token_url and scope stand for themselves. Secrets are in files, which are read
 * each time that they are needed: a file that was replaced is in force with the next token.
 */
#ifndef POSTRIDER_CONFIG_OAUTH_H
#define POSTRIDER_CONFIG_OAUTH_H

#include <stdbool.h>
#include <stddef.h>

enum config_grant {
	CONFIG_GRANT_CERTIFICATE,
	CONFIG_GRANT_SECRET,
	CONFIG_GRANT_REFRESH,
	CONFIG_GRANT_SERVICE_ACCOUNT,
	CONFIG_GRANT_COMMAND,
};

enum { CONFIG_COMMAND_WORDS_MAX = 32 };

enum config_signature { CONFIG_SIGNATURE_PS256, CONFIG_SIGNATURE_RS256 };

/* NULL where not given, or not needed by the grant. */
struct config_oauth {
	enum config_grant grant;
	char *tenant, *client_id;
	char *certificate, *private_key;
	char *client_secret_file, *refresh_token_file, *service_account_file;
	char **command; /* the program and its arguments; no NULL behind them */
	size_t command_count;
	char *token_url; /* resolved: of the tenant, if it was not given; NULL: a service account's own, or a command */
	char *scope;     /* resolved likewise; NULL: none is sent */
	char *object_id; /* of the application, for rolling its keys; NULL: they are not */
	char *graph_url; /* where that is; NULL: https://graph.microsoft.com */
	char *ca_file;   /* who may sign for the endpoint; NULL: the system's authorities */
	char *proxy;     /* NULL: none, whatever the environment says */
	enum config_signature signature; /* of what the certificate signs */
};

void config_oauth_free(struct config_oauth *oauth);

/* Whether a token of this grant is for one user only, or the application's for all of them. */
static inline bool config_oauth_by_user(const struct config_oauth *oauth)
{
	return oauth->grant == CONFIG_GRANT_SERVICE_ACCOUNT || oauth->grant == CONFIG_GRANT_COMMAND;
}

#endif
