/*
 * tls/context_end.c - who holds a context, and its end: when who made it and its last session have let it go.
 *
 * Apart from context.c, which knows sessions, because sessions let go of it as well.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "tls/certificate.h"
#include "tls/internal.h"
#include "tls/rsa.h"

void tls_context_hold(struct tls_context *context)
{
	atomic_fetch_add(&context->users, 1);
}

void tls_context_free(struct tls_context *context)
{
	if (context == NULL || atomic_fetch_sub(&context->users, 1) > 1)
		return;
	for (size_t i = 0; i < context->other_count; i++)
		tls_context_free(context->others[i]);
	free(context->others);
	tls_own_free(context->own);
	wolfSSL_CTX_free(context->wolf);
	rsa_key_free(context->rsa);
	anchors_free(context->anchors);
	explicit_bzero(context->ticket_secret, sizeof(context->ticket_secret));
	free(context);
}
