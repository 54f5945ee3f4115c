/*
 * tests/fuzz/fuzz_control_request.c - what a request over TCP says before anybody signs in: its fields, its path, and
 * which format of metrics it wants. The lines of the input are Host, Origin, Sec-Fetch-Site, method, path and Accept;
 * one that is empty is not given.
 *
 * Whatever is let in has a Host without anything in it that a name or an address does not have, and what changes
 * something is never let in without its field.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/control/access.h"
#include "core/control/exposition.h"
#include "core/control/handlers.h"

enum { LINES = 6 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *rest = text, *lines[LINES] = {NULL};
	struct control_request request = {.method = "", .path = ""};
	const struct control_handler *handler;
	bool known;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	for (unsigned i = 0; i < LINES && rest; i++) {
		lines[i] = strsep(&rest, "\n");
		if (lines[i][0] == '\0')
			lines[i] = NULL;
	}
	request.method = lines[3] ? lines[3] : "";
	request.path = lines[4] ? lines[4] : "";
	handler = handlers_find(&request, &known);
	assert(!handler || !known || handler->fn);
	assert(!handler || strlen(request.argument) < sizeof(request.argument));
	assert(!strchr(request.argument, '/'));
	const struct access_facts facts = {.host = lines[0],
					   .origin = lines[1],
					   .fetch_site = lines[2],
					   .hostname = "relay.example.org",
					   .acts = handler && handler->role == CONTROL_OPERATE};
	const char *problem = access_problem(&facts);
	assert(problem || lines[0]);
	assert(problem || !facts.acts);
	assert(problem || strcspn(lines[0], " \t/@%\\?#") == strlen(lines[0]));
	(void)exposition_wanted(lines[5]);
	free(text);
	return 0;
}
