/*
 * tls/accel_ipsec_mb.c - AES-GCM by Intel's multi-buffer library (its direct calls, one record at a time).
 *
 * The manager is filled once by accel_init() and only read afterwards: the direct GCM calls take their state
 * from the key and context arguments, so all threads share it. Expanded keys belong to a session, one slot per
 * direction, and each slot remembers the key it was made from; a slot that does not fit (a new traffic key, a
 * handshake key) is expanded again. So nothing here depends on the life of wolfSSL's Aes objects, which have no
 * free callback in 5.5.4.
 */
#include "tls/internal.h"

#include <assert.h>
#include <intel-ipsec-mb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct accel_slot {
	/* The library's assembler wants 64; its header asks for that only where LINUX is defined. */
	_Alignas(64) struct gcm_key_data expanded;
	uint8_t key[IMB_GCM_256_KEY_LEN];
	size_t key_length; /* 0: empty */
};

struct accel_keys {
	struct accel_slot seal, open;
};

static IMB_MGR *manager; /* NULL: not available */
static char text[128] = "wolfSSL's own code";

static const char *arch_name(IMB_ARCH arch)
{
	switch (arch) {
	case IMB_ARCH_SSE:
		return "sse";
	case IMB_ARCH_AVX:
		return "avx";
	case IMB_ARCH_AVX2:
		return "avx2";
	case IMB_ARCH_AVX512:
		return "avx512";
	default:
		return NULL;
	}
}

void accel_init(void)
{
	IMB_ARCH arch = IMB_ARCH_NONE;

	if (manager != NULL)
		return;
	IMB_MGR *made = alloc_mb_mgr(0);
	if (made == NULL) {
		snprintf(text, sizeof(text), "wolfSSL's own code (ipsec-mb could not allocate its manager)");
		return;
	}
	init_mb_mgr_auto(made, &arch);
	/* The emulation for processors without AES-NI is slower than wolfSSL. */
	if (!(made->features & IMB_FEATURE_AESNI) || !(made->features & IMB_FEATURE_PCLMULQDQ) ||
	    arch_name(arch) == NULL) {
		snprintf(text, sizeof(text), "wolfSSL's own code (the processor has no AES-NI or PCLMULQDQ)");
		free_mb_mgr(made);
		return;
	}
	snprintf(text, sizeof(text), "AES-GCM by ipsec-mb %s (%s)", imb_get_version_str(), arch_name(arch));
	manager = made;
}

bool accel_available(void)
{
	return manager != NULL;
}

const char *accel_text(void)
{
	return text;
}

struct accel_keys *accel_keys_new(void)
{
	assert(manager != NULL);
	struct accel_keys *keys = aligned_alloc(64, (sizeof(*keys) + 63) / 64 * 64);
	if (keys != NULL) {
		keys->seal.key_length = 0;
		keys->open.key_length = 0;
	}
	return keys;
}

void accel_keys_free(struct accel_keys *keys)
{
	if (keys == NULL)
		return;
	explicit_bzero(keys, sizeof(*keys));
	free(keys);
}

static const struct gcm_key_data *expand(struct accel_slot *slot, const struct accel_gcm *op)
{
	assert(op->key_length == IMB_GCM_128_KEY_LEN || op->key_length == IMB_GCM_256_KEY_LEN);
	if (slot->key_length == op->key_length && memcmp(slot->key, op->key, op->key_length) == 0)
		return &slot->expanded;
	if (op->key_length == IMB_GCM_128_KEY_LEN)
		IMB_AES128_GCM_PRE(manager, op->key, &slot->expanded);
	else
		IMB_AES256_GCM_PRE(manager, op->key, &slot->expanded);
	memcpy(slot->key, op->key, op->key_length);
	slot->key_length = op->key_length;
	return &slot->expanded;
}

void accel_gcm_seal(struct accel_keys *keys, const struct accel_gcm *op, uint8_t tag[ACCEL_TAG_SIZE])
{
	_Alignas(64) struct gcm_context_data context;
	const struct gcm_key_data *key = expand(&keys->seal, op);

	if (op->key_length == IMB_GCM_128_KEY_LEN)
		IMB_AES128_GCM_ENC(manager, key, &context, op->out, op->in, op->length, op->iv, op->aad, op->aad_length,
				   tag, ACCEL_TAG_SIZE);
	else
		IMB_AES256_GCM_ENC(manager, key, &context, op->out, op->in, op->length, op->iv, op->aad, op->aad_length,
				   tag, ACCEL_TAG_SIZE);
	explicit_bzero(&context, sizeof(context));
}

void accel_gcm_open(struct accel_keys *keys, const struct accel_gcm *op, uint8_t tag[ACCEL_TAG_SIZE])
{
	_Alignas(64) struct gcm_context_data context;
	const struct gcm_key_data *key = expand(&keys->open, op);

	if (op->key_length == IMB_GCM_128_KEY_LEN)
		IMB_AES128_GCM_DEC(manager, key, &context, op->out, op->in, op->length, op->iv, op->aad, op->aad_length,
				   tag, ACCEL_TAG_SIZE);
	else
		IMB_AES256_GCM_DEC(manager, key, &context, op->out, op->in, op->length, op->iv, op->aad, op->aad_length,
				   tag, ACCEL_TAG_SIZE);
	explicit_bzero(&context, sizeof(context));
}
