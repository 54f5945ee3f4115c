/*
 * tls/context_end.c - the end of a context: when who made it and its last session have let it go.
 *
 * Apart from context.c, which knows sessions, because sessions let go of it as well.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "tls/certificate.h"
#include "tls/internal.h"

void tls_context_free(struct tls_context *context)
{
	if (context == NULL || atomic_fetch_sub(&context->users, 1) > 1)
		return;
	wolfSSL_CTX_free(context->wolf);
	anchors_free(context->anchors);
	explicit_bzero(context->ticket_secret, sizeof(context->ticket_secret));
	free(context);
}
