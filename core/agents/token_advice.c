/*
 * core/agents/token_advice.c - what to do about an error of Entra's: see token_reply.h.
 *
 * Numbers as learn.microsoft.com/entra/identity-platform/reference-error-codes has them, and as people have reported
 * them. In the order of the numbers.
 */
#include <stdlib.h>

#include "core/agents/token_reply.h"

struct advice {
	unsigned long number;
	const char *text;
};

#define CONSENT_AGAIN "a person has to sign in and consent again: postrider credentials sign-in"
#define NEW_SECRET "make a new one under \"Certificates & secrets\" and write its value into client_secret_file"
#define CLOCK "set this machine's clock: timedatectl, or see that NTP works"

static const struct advice table[] = {
	{16000, CONSENT_AGAIN},
	{50012, "the signed assertion was not taken: see that certificate and private_key are the application's"},
	{50013,
	 "the assertion's signature was not taken: see that certificate and private_key belong together, and that "
	 "this certificate is the one registered for the application"},
	{50034, "there is no such user in this tenant"},
	{50053, "the account is locked after too many wrong sign-ins, or this machine's address is, whichever account "
		"it tries: "
		"stop what signs in with a wrong secret, and wait; the sign-in log of Entra says which"},
	{50055, "the user's password has expired: " CONSENT_AGAIN},
	{50057, "the user's account is disabled: enable it"},
	{50058, CONSENT_AGAIN},
	{50059, "oauth.tenant names no tenant: write its domain or its identifier"},
	{50076, "the tenant wants a second factor: " CONSENT_AGAIN},
	{50078, "the second factor has expired: " CONSENT_AGAIN},
	{50079, "the tenant wants a second factor to be registered: " CONSENT_AGAIN},
	{50089, CONSENT_AGAIN},
	{50105,
	 "the application is only for users that were assigned: assign this one, or end \"assignment required\""},
	{50126, "the user's name or password is wrong"},
	{50173, "the user's password was changed or the sessions were revoked: " CONSENT_AGAIN},
	{50194, "the application is for one tenant only: write that tenant in oauth.tenant, not \"common\""},
	{53000, "conditional access wants a managed device: exclude this application, or use one that needs no user"},
	{53001, "conditional access wants a joined device: exclude this application, or use one that needs no user"},
	{53003,
	 "conditional access blocks it: allow this machine's address for the application (workload identities too)"},
	{65001, "consent is missing: an administrator has to grant it under \"API permissions\""},
	{65004, "consent was declined: an administrator has to grant it"},
	{70000, CONSENT_AGAIN},
	{70008, "the refresh token has expired: " CONSENT_AGAIN},
	{70011, "oauth.scope is not right: for Exchange Online it is https://outlook.office365.com/.default"},
	{70043, "conditional access ends sign-ins after some time (sign-in frequency): " CONSENT_AGAIN
		", or use an application that needs no user"},
	{90002, "there is no tenant of this name: look at oauth.tenant, and whether it is in another (national) cloud"},
	{90072, "the user is not of this tenant"},
	{90094, "an administrator has to grant consent"},
	{500011, "the tenant does not know what oauth.scope asks for: for Exchange Online it is "
		 "https://outlook.office365.com/.default"},
	{500014, "Exchange Online's service principal is disabled in this tenant: enable it"},
	{500133, "the assertion is out of its time: " CLOCK},
	{500207, "this kind of account may not have what oauth.scope asks for"},
	{500341, "the user's account was deleted"},
	{530003, "conditional access wants a managed device: exclude this application, or use one that needs no user"},
	{700003, "the device was deleted: " CONSENT_AGAIN},
	{700016,
	 "the tenant does not know the application: see that oauth.client_id is the \"Application (client) ID\" "
	 "(not the object's), and oauth.tenant the tenant where it is registered"},
	{700021, "the assertion is for another application: look at oauth.client_id"},
	{700022, "the assertion has no application in it: look at oauth.client_id"},
	{700023, "the assertion is for another endpoint: look at oauth.token_url"},
	{700024, "the assertion is out of its time: " CLOCK},
	{700025, "the application is a public client: remove client_secret_file, or end \"Allow public client flows\""},
	{700027,
	 "the certificate is not registered for the application, or has expired there: upload oauth.certificate "
	 "under \"Certificates & secrets\", or see that private_key is that certificate's"},
	{700030,
	 "the certificate was not made as the application wants it: upload the very file that oauth.certificate "
	 "names"},
	{700082, "the refresh token was not used for too long: " CONSENT_AGAIN},
	{700084, "the refresh token was made for a web page and lives a day only: register the application as a "
		 "\"Mobile and desktop\" one, then " CONSENT_AGAIN},
	{1002012, "oauth.scope has to end in /.default for an application: https://outlook.office365.com/.default"},
	{1002016, "the endpoint does not take TLS this old"},
	{7000110, "the application may not do this: look at its authentication settings"},
	{7000112, "the application is disabled: enable it under \"Enterprise applications\""},
	{7000113, "the application may not act for others: look at its settings"},
	{7000114, "the application may not act for others: look at its settings"},
	{7000210, "the assertion came damaged: see that nothing between here and Entra changes requests"},
	{7000211, "the application's certificate has expired there: upload oauth.certificate"},
	{7000212, "no certificate of the application fits the assertion: upload oauth.certificate"},
	{7000213, "the certificate's chain is not valid: upload oauth.certificate, which may be self-signed"},
	{7000214, "the certificate was revoked: make a new one: postrider credentials rotate, or upload another"},
	{7000215, "the client secret is wrong: client_secret_file must have the secret's value, not its \"Secret ID\"; "
		  "if the value is lost, " NEW_SECRET},
	{7000216, "the application has to prove who it is: write certificate and private_key, or client_secret_file"},
	{7000218,
	 "the application has to prove who it is: write certificate and private_key, or client_secret_file, or "
	 "allow public client flows for it"},
	{7000222, "the client secret has expired: " NEW_SECRET},
	{7000229,
	 "the application has no service principal in this tenant: an administrator has to grant consent once, "
	 "or run New-ServicePrincipal"},
};

static int compare(const void *key, const void *item)
{
	unsigned long number = *(const unsigned long *)key, other = ((const struct advice *)item)->number;

	return number < other ? -1 : number > other;
}

const char *token_reply_advice(unsigned long aadsts)
{
	const struct advice *found =
		bsearch(&aadsts, table, sizeof(table) / sizeof(table[0]), sizeof(table[0]), compare);

	return found ? found->text : NULL;
}
