/*
 * core/tools/explain.c - see explain.h. dist/postrider.8 has the command line and the form of --json.
 */
#include "core/tools/explain.h"

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/config/config.h"
#include "core/deliver/verdict.h"
#include "core/smtp/enhanced.h"
#include "core/tools/said.h"
#include "core/tools/table.h"
#include "core/tools/written.h"

enum { STATUS_UNKNOWN = 1, STATUS_USAGE = 64, STATUS_CONFIG = 78 };
enum { INPUT_MAX = 8192, COLUMNS = 100 };

struct explain {
	const char *stage, *config, *destination;
	bool json;
};

static int usage(FILE *out, int status)
{
	fputs("usage: postrider explain [--stage STAGE] [--config FILE [--destination NAME]] [--json] REPLY\n"
	      "       REPLY: such as \"550 5.7.64 TenantAttribution\", or a line of a log; -: standard input\n",
	      out);
	return status;
}

static int wrong(const char *what, const char *which)
{
	table_say("postrider: %s%s", what, which);
	return STATUS_USAGE;
}

/* ---- the reply ---------------------------------------------------------------------------------------------------*/

static size_t gather(char **words, int count, char text[INPUT_MAX])
{
	size_t length = 0;

	if (count == 1 && strcmp(words[0], "-") == 0)
		return fread(text, 1, INPUT_MAX, stdin);
	for (int i = 0; i < count; i++) {
		int n = snprintf(text + length, INPUT_MAX - length, "%s%s", i ? " " : "", words[i]);
		if (n < 0 || (size_t)n >= INPUT_MAX - length)
			return INPUT_MAX - 1;
		length += (size_t)n;
	}
	return length;
}

static struct ruling judge(const struct said *said, const struct verdict_rules *rules, enum stage *stage)
{
	struct verdict_fact fact = {said->stage, said->code, {said->text, (uint32_t)said->length}};
	struct ruling ruling = said->staged ? verdict_judge(&fact, rules) : verdict_judge_unstaged(&fact, rules);

	*stage = fact.stage;
	return ruling;
}

/* ---- what is said about it ----------------------------------------------------------------------------------------*/

static const char *deed(const struct ruling *ruling)
{
	if (ruling->too_many)
		return "sends what was not taken in another transaction, at once";
	switch (ruling->action) {
	case ACTION_SENT:
		return "takes the message for sent";
	case ACTION_FAIL:
		return "gives up: refused for good";
	case ACTION_HOLD:
		return ruling->scope == SCOPE_MESSAGE
			       ? "holds the message: it waits without expiring, others go on, and the operator is told"
			       : "holds all mail of the host: it waits without expiring, and the operator is told";
	case ACTION_SLOW:
		return "tries again, and sends less for a while";
	case ACTION_SIGN_IN:
		return "signs in anew, once, and tries again; refused again it holds the mailbox, and where nobody "
		       "signs in all mail of the host";
	case ACTION_LEAVE_MAILBOX:
		return "leaves this mailbox for a while and tries by another";
	case ACTION_OTHER_PATH:
		return "sends it by the destination's fallback, at once; where there is none it holds the message";
	default:
		return "tries again by the schedule";
	}
}

static char printable(char c)
{
	return (unsigned char)c < ' ' || (unsigned char)c >= 0x7f ? '?' : c;
}

/* A label, and the text broken between words. */
static void put(const char *label, const char *text)
{
	enum { INDENT = 11 };
	size_t column = INDENT;

	if (!text)
		return;
	printf("%-*s", INDENT, label);
	while (*text) {
		size_t word = strcspn(text, " ");
		if (column + word > COLUMNS && column > INDENT) {
			printf("\n%*s", INDENT, "");
			column = INDENT;
		} else if (column > INDENT) {
			putchar(' ');
		}
		for (size_t i = 0; i < word; i++)
			putchar(printable(text[i]));
		column += word + 1;
		text += word;
		text += *text == ' ';
	}
	putchar('\n');
}

static void put_text(const struct said *said, enum stage stage, const struct ruling *ruling)
{
	char flat[SAID_TEXT_MAX + 32];

	snprintf(flat, sizeof(flat), "%u %.*s", said->code, (int)said->length, said->text);
	for (char *p = flat; *p; p++)
		*p = *p == '\n' ? ' ' : *p;
	put("reply", flat);
	if (said->staged)
		put("stage", stage_name(stage));
	put("postrider", deed(ruling));
	if (ruling->say)
		put("problem", ruling->say);
	else
		put("problem", ruling->known ? "nothing for the operator to do"
					     : "no rule knows this text; its first digit alone decides");
	if (ruling->reason != REASON_NONE)
		put("cause", reason_name(ruling->reason));
	put("check", ruling->check);
	put("see", ruling->document);
	put("sender", ruling->tell);
}

/* What a peer said may be anything: as elsewhere, a ? for what cannot be printed. Lines stay. */
static void copy_reply(const struct said *said, char out[SAID_TEXT_MAX + 1])
{
	for (size_t i = 0; i < said->length; i++)
		out[i] = said->text[i] == '\n' ? '\n' : printable(said->text[i]);
	out[said->length] = '\0';
}

static void put_json(const struct said *said, enum stage stage, const struct ruling *ruling)
{
	static const char *const scopes[] = {"message", "host", "mailbox", "destination"};
	uint32_t enhanced = smtp_enhanced_code(said->code, (struct span){said->text, (uint32_t)said->length});
	bool slow = ruling->action == ACTION_SLOW, scoped = slow || ruling->action == ACTION_HOLD;
	char reply[SAID_TEXT_MAX + 1], enhanced_text[32];

	copy_reply(said, reply);
	snprintf(enhanced_text, sizeof(enhanced_text), "%u.%u.%u", smtp_enhanced_class(enhanced),
		 smtp_enhanced_subject(enhanced), smtp_enhanced_detail(enhanced));
	written_json(
		stdout,
		json_pack("{s:i, s:s*, s:s, s:s, s:b, s:s, s:s, s:s*, s:o*, s:o*, s:s*, s:s*, s:s*, s:s*, s:s*}",
			  "code", (int)said->code, "enhanced", enhanced ? enhanced_text : NULL, "reply", reply, "stage",
			  stage_name(stage), "known", (int)ruling->known, "verdict", verdict_name(ruling->verdict),
			  "do", ruling->too_many ? "fewer_recipients" : action_name(ruling->action), "of",
			  scoped ? scopes[ruling->scope] : NULL, "by", slow ? json_integer(ruling->slow_by) : NULL,
			  "for_s", slow ? json_integer(ruling->slow_s) : NULL, "cause",
			  ruling->reason != REASON_NONE ? reason_name(ruling->reason) : NULL, "problem", ruling->say,
			  "check", ruling->check, "document", ruling->document, "sender", ruling->tell));
}

static int explain(const struct explain *options, const struct said *said, const struct verdict_rules *rules)
{
	enum stage stage;
	struct ruling ruling = judge(said, rules, &stage);

	(options->json ? put_json : put_text)(said, stage, &ruling);
	return ruling.known ? 0 : STATUS_UNKNOWN;
}

/* ---- with a configuration -----------------------------------------------------------------------------------------*/

static int explain_by(const struct explain *options, const struct said *said)
{
	struct config_problems problems;
	struct config *config = config_load(options->config, &problems);
	const struct config_destination *destination = NULL;
	int status;

	if (!config) {
		fprintf(stderr, "%s\n", config_problems_first(&problems));
		return STATUS_CONFIG;
	}
	for (size_t i = 0; i < config->destination_count; i++) {
		if (!options->destination || strcmp(config->destinations[i].name, options->destination) == 0) {
			destination = &config->destinations[i];
			break;
		}
	}
	status = destination ? explain(options, said, destination->rules)
			     : wrong("there is no destination ", options->destination);
	config_free(config);
	return status;
}

int explain_command(int argc, char **argv)
{
	static const struct option long_options[] = {{"stage", required_argument, NULL, 's'},
						     {"config", required_argument, NULL, 'c'},
						     {"destination", required_argument, NULL, 'd'},
						     {"json", no_argument, NULL, 'j'},
						     {"help", no_argument, NULL, 'h'},
						     {NULL, 0, NULL, 0}};
	struct explain options = {.json = false};
	static char text[INPUT_MAX];
	struct said said;
	int option;

	optind = 1;
	while ((option = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1) {
		switch (option) {
		case 's':
			options.stage = optarg;
			break;
		case 'c':
			options.config = optarg;
			break;
		case 'd':
			options.destination = optarg;
			break;
		case 'j':
			options.json = true;
			break;
		default:
			return option == 'h' ? usage(stdout, 0) : usage(stderr, STATUS_USAGE);
		}
	}
	if (optind == argc || (options.destination && !options.config))
		return usage(stderr, STATUS_USAGE);
	if (!said_parse(text, gather(argv + optind, argc - optind, text), &said))
		return wrong("there is no refusal in this: write it as in \"550 5.7.64 TenantAttribution\"", "");
	if (options.stage) {
		said.staged = verdict_stage(options.stage, &said.stage);
		if (!said.staged)
			return wrong("there is no stage ", options.stage);
	}
	return options.config ? explain_by(&options, &said) : explain(&options, &said, NULL);
}
