/*
 * tls/accel_none.c - the build without ipsec-mb: everything stays in wolfSSL.
 *
 * accel_available() is false, so no session ever gets keys and the other functions are not reached.
 */
#include "tls/internal.h"

#include <assert.h>

void accel_init(void)
{
}

bool accel_available(void)
{
	return false;
}

const char *accel_text(void)
{
	return "wolfSSL's own code (built without ipsec-mb)";
}

struct accel_keys *accel_keys_new(void)
{
	return NULL;
}

void accel_keys_free(struct accel_keys *keys)
{
	assert(keys == NULL);
}

void accel_gcm_seal(struct accel_keys *keys, const struct accel_gcm *op, uint8_t tag[ACCEL_TAG_SIZE])
{
	assert(!"reached without acceleration");
}

void accel_gcm_open(struct accel_keys *keys, const struct accel_gcm *op, uint8_t tag[ACCEL_TAG_SIZE])
{
	assert(!"reached without acceleration");
}
