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

void handle_explain(struct control_request *request)
{
	const char *code = request_value(request, "code"), *text = request_value(request, "text"),
		   *stage = request_value(request, "stage");
	const struct verdict_rules *rules =
		rules_of(request->desk->relay->config, request_value(request, "destination"));
	unsigned long number = code ? strtoul(code, NULL, 10) : 0;
	struct verdict_fact fact;
	struct ruling ruling;

	if (number < 200 || number > 599 || !text) {
		request_fail(request, ANSWER_BAD, "write code, as in 550, and text; stage and destination where known");
		return;
	}
	fact = (struct verdict_fact){.code = (unsigned)number, .text = span_text(text)};
	ruling = stage && verdict_stage(stage, &fact.stage) ? verdict_judge(&fact, rules)
							    : verdict_judge_unstaged(&fact, rules);
	request_answer(request, ANSWER_OK,
		       json_pack("{sb ss ss ss ss* ss* ss* ss*}", "known", (int)ruling.known, "verdict",
				 verdict_name(ruling.verdict), "do",
				 ruling.too_many ? "fewer_recipients" : action_name(ruling.action), "stage",
				 stage_name(fact.stage), "problem", ruling.say, "check", ruling.check, "document",
				 ruling.document, "sender", ruling.tell));
}
