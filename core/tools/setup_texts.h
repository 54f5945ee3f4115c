/*
 * core/tools/setup_texts.h - what `postrider setup office365` writes: the commands for the tenant's side, and the
 * configuration for this one.
 *
 * Pure: answers in, text out. Whatever a person has typed is quoted, for PowerShell and for YAML alike.
 */
#ifndef POSTRIDER_TOOLS_SETUP_TEXTS_H
#define POSTRIDER_TOOLS_SETUP_TEXTS_H

#include <stdbool.h>
#include <stdio.h>

enum setup_path { SETUP_CONNECTOR, SETUP_DIRECT, SETUP_SUBMISSION, SETUP_HVE };

struct setup_answers {
	enum setup_path path;
	const char *domain;                    /* an accepted domain of the tenant */
	const char *host;                      /* where it takes mail; NULL: its MX, looked up by the relay */
	const char *hostname;                  /* of this relay */
	const char *networks;                  /* who may send, "10.0.0.0/8, 192.168.0.0/16" */
	const char *listen;                    /* "0.0.0.0:25" */
	const char *spool;                     /* directory */
	const char *certificate, *private_key; /* for the connector; NULL: it knows the relay by its address */
	const char *certificate_name;          /* a name in it; NULL as above */
	const char *tenant;                    /* for submission: domain or identifier, as are those below */
	const char *mailboxes;                 /* "scan1@contoso.com, scan2@contoso.com" */
	const char *client_id;                 /* of the application */
	const char *password_file;             /* of the account for High Volume Email */
	const char *certificate_text;          /* the application's: its DER in base64 */
	const char *address; /* by which the Internet sees this relay; NULL where a certificate serves */
};

void setup_write_powershell(FILE *out, const struct setup_answers *answers);
void setup_write_configuration(FILE *out, const struct setup_answers *answers);

#endif
