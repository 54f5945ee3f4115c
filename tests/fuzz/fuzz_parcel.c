/*
 * fuzz_parcel.c - the envelope of a message in a file. What is taken can be said in SMTP's commands: nothing in it ends
 * a line or an address; and written again it is read as the same.
 */
#include <stdlib.h>
#include <string.h>

#include "core/tools/parcel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

static bool carried(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	}
	return true;
}

static bool word(const char *text)
{
	return carried(text) && !strpbrk(text, " ");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char problem[PARCEL_PROBLEM] = "";
	struct parcel parcel, again;
	char *text;

	if (!parcel_read((const char *)data, size, &parcel, problem)) {
		need(problem[0] != '\0');
		return 0;
	}
	need(parcel.count > 0 && carried(parcel.sender));
	need(word(parcel.ret) && word(parcel.envid) && word(parcel.hold_until));
	for (size_t i = 0; i < parcel.count; i++) {
		need(*parcel.recipients[i].address && carried(parcel.recipients[i].address));
		need(word(parcel.recipients[i].notify) && word(parcel.recipients[i].orcpt));
	}
	text = json_dumps(parcel.json, JSON_COMPACT);
	need(text && parcel_read(text, strlen(text), &again, problem));
	need(again.count == parcel.count && strcmp(again.sender, parcel.sender) == 0 &&
	     parcel_count(&again, PARCEL_WAITS) == parcel_count(&parcel, PARCEL_WAITS));
	parcel_free(&again);
	parcel_free(&parcel);
	free(text);
	return 0;
}
