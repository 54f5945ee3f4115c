/*
 * fuzz_said.c - a reply as people paste it: any text; and what is found in it is a refusal that can be judged.
 */
#include <stdlib.h>
#include <string.h>

#include "core/deliver/verdict.h"
#include "core/tools/said.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1); /* exactly as long, for AddressSanitizer */
	struct said said;

	memcpy(text, data, size);
	text = realloc(text, size ? size : 1);
	if (said_parse(text, size, &said)) {
		struct verdict_fact fact = {STAGE_RCPT, said.code, {said.text, (uint32_t)said.length}};
		if (said.code < 400 || said.code > 599 || said.length > SAID_TEXT_MAX || said.length > size ||
		    verdict_judge(&fact, NULL).verdict == VERDICT_SENT)
			abort();
	}
	free(text);
	return 0;
}
