/*
 * fuzz_postfix_conf.c - main.cf and master.cf of anybody: whatever is read has values that end, within bounds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/tools/postfix_conf.h"
#include "core/tools/postfix_next_hop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

static void expand_all(const struct postfix_conf *conf, const struct postfix_service *service,
		       const struct postfix_parameter *list, size_t count)
{
	for (size_t i = 0; i < count && i < 8; i++) {
		const char *problem = NULL, *rest;
		char *value = postfix_conf_expand(conf, service, list[i].value, &problem), word[64];
		struct postfix_next_hop hop;
		size_t words = 0;

		need(list[i].line > 0 && list[i].name[0]);
		need(value ? strlen(value) < POSTFIX_VALUE_MAX : problem != NULL);
		for (rest = value ? value : ""; postfix_word(&rest, word, sizeof(word)); words++) {
			need(strlen(word) < sizeof(word) && words <= POSTFIX_VALUE_MAX);
			if (postfix_next_hop_read(word, &hop))
				need(hop.port > 0 && hop.port <= 65535);
		}
		free(value);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *cut = memchr(data, 0xff, size);
	size_t main_length = cut ? (size_t)(cut - data) : size;
	struct postfix_conf conf = {0};
	unsigned line;

	if (postfix_conf_read_main(&conf, (const char *)data, main_length, &line) != POSTFIX_OK)
		need(line <= size + 1);
	if (cut)
		(void)postfix_conf_read_master(&conf, (const char *)cut + 1, size - main_length - 1, &line);
	expand_all(&conf, NULL, conf.parameters, conf.parameter_count);
	for (size_t i = 0; i < conf.service_count && i < 4; i++)
		expand_all(&conf, &conf.services[i], conf.services[i].options, conf.services[i].option_count);
	postfix_conf_free(&conf);
	return 0;
}
