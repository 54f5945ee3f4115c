/*
 * core/checking.c - see checking.h.
 */
#include "core/checking.h"

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/base/ring.h"
#include "core/config/config.h"
#include "core/relay/ceiling.h"
#include "core/relay/check.h"
#include "core/tools/usage.h"
#include "core/tools/written.h"
#include "tls/tls.h"

enum { EXIT_USAGE = 64, EXIT_CONFIG = 78 };

/* Of --json; NULL: what is found is written as text, at once. */
static json_t *found;

static void tell(bool warning, const char *line)
{
	if (found)
		json_array_append_new(found,
				      json_pack("{sb so}", "warning", warning, "text", written_text(span_text(line))));
	else
		fprintf(stderr, "%s\n", line);
}

static void tell_problems(const struct config_problems *problems)
{
	if (!found)
		config_problems_print(problems);
	for (unsigned i = 0; found && i < problems->count; i++)
		tell(problems->list[i].warning, problems->list[i].text);
}

/* How much each destination takes at most. */
static json_t *ceilings(const struct config *config)
{
	json_t *list = found ? json_array() : NULL;
	char ceiling[512];

	for (size_t d = 0; d < config->destination_count; d++) {
		if (!ceiling_text(&config->destinations[d], ceiling, sizeof(ceiling)))
			continue;
		if (list)
			json_array_append_new(list, json_pack("{ss so}", "destination", config->destinations[d].name,
							      "text", written_text(span_text(ceiling))));
		else
			printf("%s: %s\n", config->file, ceiling);
	}
	return list;
}

static int check(const char *file, FILE *show)
{
	static struct config_problems problems;
	struct config *config = config_load_shown(file, &problems, show);
	json_t *list = NULL;
	bool ok = config != NULL;

	tell_problems(&problems);
	if (ok) {
		tls_global_init();
		ok = check_surroundings(config, tell) == 0;
	}
	if (ok)
		list = ceilings(config);
	config_free(config);
	if (found)
		written_json(stdout, json_pack("{sb so so}", "ok", ok, "problems", found, "ceilings",
					       list ? list : json_array()));
	return ok ? 0 : EXIT_CONFIG;
}

int check_command(int argc, char **argv)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
						{"show", no_argument, NULL, 's'},
						{"json", no_argument, NULL, 'j'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	const char *file = NULL;
	FILE *show = NULL;
	bool json = false;
	int option;

	optind = 1;
	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (option == 'c')
			file = optarg;
		else if (option == 's')
			show = stdout;
		else if (option == 'j')
			json = true;
		else
			return option == 'h' ? usage(stdout, 0) : usage(stderr, EXIT_USAGE);
	}
	if (!file || optind != argc || (show && json))
		return usage(stderr, EXIT_USAGE);
	found = json ? json_array() : NULL;
	return check(file, show);
}

int version_command(int argc, char **argv)
{
	struct ring_problem problem;
	int r = ring_probe(&problem);

	tls_global_init();
	if (argc > 1 && strcmp(argv[1], "--json") == 0)
		written_json(stdout,
			     json_pack("{ss ss ss sb so}", "version", POSTRIDER_VERSION, "tls_library", tls_library(),
				       "acceleration", tls_acceleration(), "io_uring", r == 0, "problem",
				       r == 0 ? json_null() : written_text(span_text(problem.text))));
	else
		printf("postrider %s\n%s, %s\nio_uring: %s\n", POSTRIDER_VERSION, tls_library(), tls_acceleration(),
		       r == 0 ? "usable" : problem.text);
	return 0;
}
