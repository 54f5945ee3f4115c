/*
 * core/smtp/mechanism.c - see mechanism.h.
 */
#include "core/smtp/mechanism.h"

#include <string.h>
#include <strings.h>

static const char *const names[SASL_MECHANISMS] = {
	[SASL_PLAIN] = "PLAIN",
	[SASL_LOGIN] = "LOGIN",
	[SASL_XOAUTH2] = "XOAUTH2",
	[SASL_OAUTHBEARER] = "OAUTHBEARER",
};

const char *sasl_name(enum sasl_mechanism mechanism)
{
	return names[mechanism];
}

int sasl_by_name(struct span name)
{
	int i;

	for (i = 0; i < SASL_MECHANISMS; i++) {
		if (name.length == strlen(names[i]) && strncasecmp(name.data, names[i], name.length) == 0)
			return i;
	}
	return -1;
}
