/*
 * core/control/explaining.c - GET /v1/explain: what a reply of a next hop means, and what to do: the words of
 * `postrider explain`, by the same rules (core/deliver/verdict.h). Those of a destination are the ones that the process
 * was started with.
 */
#include <stdlib.h>
#include <string.h>

#include "core/config/config.h"
#include "core/control/desk.h"
#include "core/control/handlers.h"
#include "core/deliver/verdict.h"
#include "core/relay/relay.h"

static const struct verdict_rules *rules_of(const struct config *config, const char *name)
{
	for (size_t i = 0; name && i < config->destination_count; i++) {
		if (strcmp(config->destinations[i].name, name) == 0)
			return config->destinations[i].rules;
	}
	return NULL;
}

/* Where nobody says when: at the recipient, where most is refused. */
static enum stage stage_of(const char *name)
{
	for (unsigned i = 0; name && i < STAGE_COUNT; i++) {
		if (strcmp(stage_name((enum stage)i), name) == 0)
			return (enum stage)i;
	}
	return STAGE_RCPT;
}

void handle_explain(struct control_request *request)
{
	static const char *const verdicts[] = {"sent", "defer", "hold", "fail"};
	const char *code = request_value(request, "code"), *text = request_value(request, "text");
	unsigned long number = code ? strtoul(code, NULL, 10) : 0;
	struct verdict_fact fact;
	struct ruling ruling;

	if (number < 200 || number > 599 || !text) {
		request_fail(request, ANSWER_BAD, "write code, as in 550, and text; stage and destination where known");
		return;
	}
	fact = (struct verdict_fact){stage_of(request_value(request, "stage")), (unsigned)number, span_text(text)};
	ruling = verdict_judge(&fact, rules_of(request->desk->relay->config, request_value(request, "destination")));
	request_answer(request, ANSWER_OK,
		       json_pack("{sb ss ss ss ss* ss* ss* ss*}", "known", (int)ruling.known, "verdict",
				 verdicts[ruling.verdict], "do",
				 ruling.too_many ? "fewer_recipients" : action_name(ruling.action), "stage",
				 stage_name(fact.stage), "problem", ruling.say, "check", ruling.check, "document",
				 ruling.document, "sender", ruling.tell));
}
