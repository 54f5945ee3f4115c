/*
 * core/control/explaining.c - GET /v1/explain: what a reply of a next hop means, and what to do: the words of
 * `postrider explain`, by the same rules (core/deliver/verdict.h). Those of a destination are of the newest
 * configuration; where none is named, the first one's, as the command has it.
 */
#include <stdlib.h>
#include <string.h>

#include "core/config/config.h"
#include "core/control/desk.h"
#include "core/control/handlers.h"
#include "core/deliver/verdict.h"

enum { TEXT_MAX = 8192 }; /* as much as the command reads */

/* NULL: none by that name. */
static const struct config_destination *find(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->destination_count; i++) {
		if (!config->destinations[i].gone && (!name || strcmp(config->destinations[i].name, name) == 0))
			return &config->destinations[i];
	}
	return NULL;
}

static json_t *ruling_json(struct verdict_fact *fact, bool staged, const struct verdict_rules *rules)
{
	struct ruling ruling = staged ? verdict_judge(fact, rules) : verdict_judge_unstaged(fact, rules);

	return json_pack("{sb ss ss ss ss* ss* ss* ss*}", "known", (int)ruling.known, "verdict",
			 verdict_name(ruling.verdict), "do",
			 ruling.too_many ? "fewer_recipients" : action_name(ruling.action), "stage",
			 stage_name(fact->stage), "problem", ruling.say, "check", ruling.check, "document",
			 ruling.document, "sender", ruling.tell);
}

/* What was said of one that is gone since, or of a host, is judged without rules of its own. */
void handle_explain(struct control_request *request)
{
	const char *code = request_value(request, "code"), *text = request_value(request, "text"),
		   *stage = request_value(request, "stage"), *name = request_value(request, "destination");
	unsigned long number = code ? strtoul(code, NULL, 10) : 0;
	const struct config_destination *destination;
	struct verdict_fact fact;
	json_t *answer;

	if (number < 200 || number > 599 || !text || strlen(text) > TEXT_MAX) {
		request_fail(request, ANSWER_BAD, "write code, as in 550, and text; stage and destination where known");
		return;
	}
	fact = (struct verdict_fact){.code = (unsigned)number, .text = span_text(text)};
	destination = find(desk_config_take(request->desk), name);
	answer =
		ruling_json(&fact, stage && verdict_stage(stage, &fact.stage), destination ? destination->rules : NULL);
	desk_config_return(request->desk);
	request_answer(request, ANSWER_OK, answer);
}
