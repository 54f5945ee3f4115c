/*
 * core/tools/page.c - see page.h. dist/postrider.8 has the command line.
 */
#include "core/tools/page.h"

#include <getopt.h>
#include <stdio.h>

#include "core/tools/ask.h"
#include "core/tools/table.h"
#include "core/tools/written.h"

static int usage(FILE *out, int status)
{
	fputs("usage: postrider page [--config FILE | --socket PATH] [--json]\n", out);
	return status;
}

int page_command(int argc, char **argv)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
						{"socket", required_argument, NULL, 's'},
						{"json", no_argument, NULL, 'j'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	struct ask ask = {.command = "page"};
	json_t *answer = NULL, *body;
	int option, status;

	optind = 1;
	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (!ask_option(&ask, option, optarg))
			return option == 'h' ? usage(stdout, 0) : usage(stderr, ASK_USAGE);
	}
	if (optind != argc)
		return usage(stderr, ASK_USAGE);
	status = ask_open(&ask);
	if (status == 0) {
		body = json_object();
		status = ask_send(&ask, "POST", "/v1/page", body, &answer);
		json_decref(body);
	}
	if (status != 0)
		return status;
	if (ask.json) {
		written_json(stdout, answer);
		return ASK_DONE;
	}
	table_safe(stdout, ask_text(answer, "url"));
	printf("\n");
	fprintf(stderr,
		"Open it in a browser of this machine within %" JSON_INTEGER_FORMAT " minutes; it lets in once. From "
		"elsewhere: ssh -L PORT:localhost:PORT, with the port of the link.\n",
		ask_number(answer, "seconds") / 60);
	json_decref(answer);
	return ASK_DONE;
}
