/*
 * core/tools/top.c - see top.h.
 *
 * What is known is in top_model.h, how it looks in top_view.h, the terminal in top_terminal.h, what keys do in
 * top_keys.h; top_gather.h asks.
 */
#include "core/tools/top.h"

#include <getopt.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/tools/ask.h"
#include "core/tools/table.h"
#include "core/tools/top_gather.h"
#include "core/tools/top_keys.h"
#include "core/tools/top_model.h"
#include "core/tools/top_terminal.h"
#include "core/tools/top_view.h"
#include "core/tools/written.h"

enum { LOOK_MS = 100, ONCE_ROWS = 60, ONCE_LIST = 1000, OUTPUT_FAILED = 74, MORE = 100 };
enum { DESTINATIONS_MAX = 10000, DEVICES_MAX = 1000 };

struct top_options {
	struct ask ask;
	double interval_s;
	bool once;
};

static int usage(FILE *out, int status)
{
	fputs("usage: postrider top [--interval SECONDS] [--config FILE | --socket PATH] [--utc]\n"
	      "       postrider top --once [--json] [--interval SECONDS] [--config FILE | --socket PATH] [--utc]\n",
	      out);
	return status;
}

/* From a tenth of a second to an hour; 0: it is none. */
static double interval_of(const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || (*end != '\0' && strcmp(end, "s") != 0) || !(value >= 0.1 && value <= 3600))
		return 0;
	return value;
}

static int take_options(struct top_options *o, int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},   {"socket", required_argument, NULL, 's'},
		{"interval", required_argument, NULL, 'i'}, {"once", no_argument, NULL, 'o'},
		{"json", no_argument, NULL, 'j'},           {"utc", no_argument, NULL, 'u'},
		{"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0}};
	int option;

	optind = 1;
	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (option == 'o')
			o->once = true;
		else if (option == 'i' && (o->interval_s = interval_of(optarg)) == 0) {
			table_say("postrider: top: --interval: write seconds from 0.1 to 3600, not %s", optarg);
			return ASK_USAGE;
		} else if (option == 'h')
			return -1;
		else if (option != 'i' && !ask_option(&o->ask, option, optarg))
			return usage(stderr, ASK_USAGE);
	}
	if (optind != argc)
		return usage(stderr, ASK_USAGE);
	if (o->ask.json && !o->once) {
		table_say("postrider: top: --json wants --once: what there is now, for programs");
		return ASK_USAGE;
	}
	return 0;
}

/* ---- once ------------------------------------------------------------------------------------------------------- */

static int write_text(const struct top_options *o, const struct top_model *model)
{
	struct top_view view = {.once = true, .utc = o->ask.utc, .wall_s = (int64_t)time(NULL)};
	struct top_screen screen = {0};
	int rows = (int)(model->destination_count + model->error_count + model->device_count) + 10;

	if (!top_screen_size(&screen, rows < ONCE_ROWS ? rows : ONCE_ROWS, TABLE_COLUMNS,
			     strcmp(nl_langinfo(CODESET), "UTF-8") == 0))
		return ASK_SOFTWARE;
	top_draw(model, &view, &screen);
	top_screen_write(&screen, stdout);
	top_screen_free(&screen);
	return 0;
}

/* Two answers, for there to be rates. */
static int once(const struct top_options *o)
{
	const struct top_question question = {
		.sort = top_sort_names[TOP_BY_WAITING], .destinations = ONCE_LIST, .devices = DEVICES_MAX};
	struct timespec pause = {.tv_sec = (time_t)o->interval_s,
				 .tv_nsec = (long)((o->interval_s - (double)(time_t)o->interval_s) * 1e9)};
	struct top_model model;
	int status = 0;

	top_model_init(&model);
	for (int i = 0; i < 2 && status == 0; i++) {
		struct top_gathered gathered;
		if (i == 1)
			nanosleep(&pause, NULL);
		top_gather(&o->ask, &question, &gathered);
		status = gathered.exit_status;
		if (status != 0)
			table_say("postrider: top: %s", gathered.problem);
		else if (!top_gathered_take(&gathered, &model))
			status = ASK_SOFTWARE;
		top_gathered_free(&gathered);
	}
	if (status == 0 && o->ask.json)
		written_json(stdout, top_model_json(&model));
	else if (status == 0)
		status = write_text(o, &model);
	if (status == 0 && model.missing)
		status = ASK_PART;
	top_model_deinit(&model);
	return fflush(stdout) != 0 || ferror(stdout) ? OUTPUT_FAILED : status;
}

/* ---- on a terminal ---------------------------------------------------------------------------------------------- */

/* So many that moving about has something to move to. */
static struct top_question question_of(const struct top_view *view)
{
	struct top_question question = {.sort = top_sort_names[view->sort]};
	size_t destinations = view->panels[TOP_DESTINATIONS].first + MORE;
	size_t devices = view->panels[TOP_DEVICES].first + MORE;

	snprintf(question.match, sizeof(question.match), "%s", view->filter);
	destinations += (size_t)view->panels[TOP_DESTINATIONS].rows;
	devices += (size_t)view->panels[TOP_DEVICES].rows;
	question.destinations = destinations < DESTINATIONS_MAX ? destinations : DESTINATIONS_MAX;
	question.devices = devices < DEVICES_MAX ? devices : DEVICES_MAX;
	return question;
}

static bool same(const struct top_question *one, const struct top_question *other)
{
	return one->sort == other->sort && strcmp(one->match, other->match) == 0 &&
	       one->destinations == other->destinations && one->devices == other->devices;
}

/* Until somebody ends it. */
static void show(const struct top_options *o, struct top_gatherer *gatherer, struct top_model *model,
		 struct top_screen *screen)
{
	struct top_keys keys;
	struct top_question asked = {0};
	bool changed = true;
	int64_t drawn_s = 0;

	top_keys_init(&keys, &o->ask);
	keys.view.utc = o->ask.utc;
	for (;;) {
		struct top_question question = question_of(&keys.view);
		struct top_gathered gathered;
		uint32_t key;
		if (!same(&question, &asked)) {
			/* Another filter or order is wanted at once; further rows in time. */
			top_gatherer_ask(gatherer, &question,
					 question.sort != asked.sort || strcmp(question.match, asked.match) != 0);
			asked = question;
		}
		if (top_gatherer_take(gatherer, &gathered)) {
			(void)top_gathered_take(&gathered, model);
			top_gathered_free(&gathered);
			changed = true;
		}
		changed |= top_keys_turn(&keys, model);
		keys.view.wall_s = (int64_t)time(NULL);
		if ((changed || keys.view.wall_s != drawn_s) && top_terminal_size(screen)) {
			top_draw(model, &keys.view, screen);
			top_terminal_show(screen);
			drawn_s = keys.view.wall_s;
		}
		key = top_terminal_key(LOOK_MS);
		changed = key != TOP_KEY_NONE;
		if (key == TOP_KEY_GONE || !top_keys_press(&keys, model, key))
			break;
	}
	top_keys_deinit(&keys);
}

static int on_terminal(struct top_options *o)
{
	const struct top_question first = {
		.sort = top_sort_names[TOP_BY_WAITING], .destinations = MORE, .devices = MORE};
	struct top_gatherer *gatherer;
	struct top_screen screen = {0};
	struct top_model model;
	char problem[512];
	int ended;

	if (!top_terminal_open(problem, sizeof(problem))) {
		table_say("postrider: top: %s", problem);
		return ASK_USAGE;
	}
	gatherer = top_gatherer_start(&o->ask, o->interval_s, &first);
	top_model_init(&model);
	if (gatherer) {
		show(o, gatherer, &model, &screen);
		top_gatherer_stop(gatherer);
	}
	top_terminal_close();
	top_screen_free(&screen);
	top_model_deinit(&model);
	if (!gatherer) {
		table_say("postrider: top: no thread can be started");
		return ASK_SOFTWARE;
	}
	ended = top_terminal_signal();
	/* As one that does not catch it. */
	return ended && ended != SIGINT ? 128 + ended : 0;
}

int top_command(int argc, char **argv)
{
	struct top_options o = {.ask = {.command = "top"}, .interval_s = 1};
	char problem[512] = "";
	int status = take_options(&o, argc, argv);

	if (status != 0)
		return status < 0 ? usage(stdout, 0) : status;
	(void)setlocale(LC_CTYPE, "");
	o.ask.problem = problem;
	o.ask.problem_size = sizeof(problem);
	status = ask_open(&o.ask);
	o.ask.problem = NULL;
	/* One that is not there now may come; where it is known. */
	if (status != 0 && (o.once || status != ASK_UNAVAILABLE)) {
		table_say("postrider: top: %s", problem);
		return status;
	}
	return o.once ? once(&o) : on_terminal(&o);
}
