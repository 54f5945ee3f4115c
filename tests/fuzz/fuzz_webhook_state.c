/*
 * fuzz_webhook_state.c - what is kept beside events that wait to be posted: whatever it is, it is read within its
 * bounds, and what is no state changes nothing.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/agents/webhook_journal.h"
#include "core/agents/webhook_sign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct span body = {"{}", 2};
	struct webhook_journal journal = {.done = 3, .sending = 5, .next = 7};
	char out[WEBHOOK_SIGNATURE_SIZE];

	if (webhook_state_read(&journal, (const char *)data, size)) {
		if (strlen(journal.name) != WEBHOOK_NAME_SIZE - 1 || journal.done > INT64_MAX)
			abort();
	} else if (journal.done != 3 || journal.sending != 5 || journal.next != 7) {
		abort();
	}
	if (webhook_sign((const char *)data, size, "id", 1, body, out) && strncmp(out, "v1,", 3) != 0)
		abort();
	return 0;
}
