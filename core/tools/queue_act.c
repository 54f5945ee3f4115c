/*
 * core/tools/queue_act.c - `postrider queue hold|release|retry|delete`: messages by their ids, on the command line or,
 * with `-`, one a line on standard input; or all that filters of `queue list` find, which are listed first: so it is
 * known how many they are, and nothing is hit that comes later. What is asked for goes in pieces, and what came of each
 * is added up. Who interrupts it hears how far it came; what it has asked for is done.
 */
#include "core/tools/queue_act.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/tools/ask.h"
#include "core/tools/queue_find.h"
#include "core/tools/table.h"
#include "core/tools/written.h"

enum { PIECE = 5000, FILTER_FIRST = 256 };

static const struct verb {
	const char *name, *path, *done; /* done: "... 3 messages" */
} verbs[] = {
	{"hold", "/v1/queue/hold", "held"},
	{"release", "/v1/queue/release", "released"},
	{"retry", "/v1/queue/retry", "tried now"},
	{"delete", "/v1/queue/delete", "deleted"},
};

/* What is said of those that are not done. */
static const struct {
	const char *result, *say;
	int status;
} results[] = {
	{"done", NULL, ASK_DONE},
	{"as_it_was", "nothing to do", ASK_DONE},
	{"not_found", "not in the queue", ASK_NOT},
	{"is_held", "held: release it first", ASK_NOT},
	{"in_delivery", "in delivery: it holds when the attempt that is under way has not delivered it", ASK_PART},
	{"being_deleted", "being deleted, when the attempt that is under way has ended", ASK_PART},
	{"unreadable", "cannot be read: it can only be deleted, without --bounce", ASK_NOT},
	{"no_room", "not done: the disk is full", ASK_PART},
	{"failed", "not done: the spool has failed, or there is no memory", ASK_PART},
};
enum { RESULTS = sizeof(results) / sizeof(results[0]) };

struct acting {
	struct ask ask;
	const struct verb *verb;
	struct queue_find find;
	const char *reason;
	bool filtered, now, report, yes;
	struct id_list ids;
	json_t *missing; /* owned */
	size_t answered; /* of the ids, from the first */
	size_t told, counts[RESULTS];
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
	(void)number;
	interrupted = 1;
}

/* Once, behind the piece that is under way: a second one ends the program as ever. */
static void heed_interrupts(void)
{
	struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESETHAND | SA_RESTART};

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
}

static int usage(FILE *out, int status)
{
	fputs("usage: postrider queue hold|release|retry|delete ID...|FILTER... [--destination NAME] [--reason TEXT]\n"
	      "           [--now] (retry)  [--bounce] [--yes] (delete)\n"
	      "           [--config FILE | --socket PATH] [--json]\n"
	      "       An ID of - reads ids from standard input, the first word of each line. Filters are those of\n"
	      "       postrider queue list; --destination alone is one, and in any case only its recipients are "
	      "meant.\n",
	      out);
	return status;
}

/* Only a person at a terminal is asked. */
static bool may_delete(const struct acting *a)
{
	char answer[16];

	if (a->yes || strcmp(a->verb->name, "delete") != 0)
		return true;
	fprintf(stderr, "%zu message%s would be deleted%s", a->ids.count, a->ids.count == 1 ? "" : "s",
		a->report ? ", with a report to their senders" : ", and nobody would hear of it");
	if (!isatty(STDIN_FILENO)) {
		fputs(": with --yes they are\n", stderr);
		return false;
	}
	fputs(". Delete? [y/N] ", stderr);
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

/* One of a piece: what came of it is told at once, as nobody has room for ten million of them. */
static void count(struct acting *a, const json_t *one)
{
	const char *result = json_string_value(json_object_get(one, "result"));
	size_t k = 0;

	while (result && k < RESULTS && strcmp(results[k].result, result) != 0)
		k++;
	if (result && k < RESULTS)
		a->counts[k]++;
	if (a->ask.json) {
		fputs(a->told == 0 ? "{\"results\": [" : ", ", stdout);
		written_json_piece(stdout, one);
	} else if (result && k > 0 && k < RESULTS) {
		table_safe(stdout, json_string_value(json_object_get(one, "id")));
		printf(": %s\n", results[k].say);
	}
	a->told++;
}

/* ---- those that fit --------------------------------------------------------------------------------------------- */

static int find(struct acting *a)
{
	int status = queue_find(&a->ask, &a->find, &a->ids, a->missing);

	if (status == 0 && a->ids.count == 0) {
		fputs("nothing that fits is queued\n", stderr);
		return ASK_NOT;
	}
	return status;
}

/* ---- what is done ----------------------------------------------------------------------------------------------- */

static int send_piece(struct acting *a, size_t from)
{
	json_t *piece = json_array(), *body, *answer = NULL, *one;
	char id[ID_LIST_TEXT];
	size_t i, k;
	int status;

	for (i = from; i < from + PIECE && i < a->ids.count; i++)
		json_array_append_new(piece, json_string(id_list_text(&a->ids, i, id)));
	body = json_pack("{so ss* ss*}", "ids", piece, "destination", a->find.destination, "reason", a->reason);
	if (a->now)
		json_object_set_new(body, "now", json_true());
	if (a->report)
		json_object_set_new(body, "report", json_true());
	status = ask_send(&a->ask, "POST", a->verb->path, body, &answer);
	json_decref(body);
	if (status == 0) {
		json_array_foreach(json_object_get(answer, "results"), k, one) count(a, one);
		queue_find_add_missing(a->missing, answer);
		a->answered = i;
	}
	json_decref(answer);
	return status;
}

static int print(const struct acting *a)
{
	int status = json_array_size(a->missing) > 0 ? ASK_PART : ASK_DONE;
	json_t *one;
	size_t i, k;

	for (k = 0; k < RESULTS; k++)
		status = a->counts[k] > 0 && results[k].status > status ? results[k].status : status;
	if (a->ask.json) {
		fputs(a->told == 0 ? "{\"results\": [], \"missing\": " : "], \"missing\": ", stdout);
		written_json_piece(stdout, a->missing);
		fputs("}\n", stdout);
		return status;
	}
	printf("%zu message%s %s\n", a->counts[0], a->counts[0] == 1 ? "" : "s", a->verb->done);
	json_array_foreach(a->missing, i, one) printf("shard %lld did not answer: what it has of them is not known\n",
						      (long long)json_integer_value(one));
	return status;
}

/* What was done of it is told even where the rest could not be. */
static int tell(const struct acting *a, int status)
{
	size_t left = a->ids.count - a->answered;
	int printed = a->answered > 0 ? print(a) : ASK_DONE;

	if (left > 0 && (a->answered > 0 || status == 0)) {
		fprintf(stderr, "no answer for %zu of %zu messages: give it again\n", left, a->ids.count);
		printed = ASK_PART;
	}
	return status ? status : printed;
}

static int run(struct acting *a)
{
	int status = ask_open(&a->ask);

	ask_many(&a->ask);
	if (status == 0 && a->filtered)
		status = find(a);
	if (status == 0 && !may_delete(a))
		status = ASK_NOT;
	if (status == 0) {
		heed_interrupts();
		while (status == 0 && a->answered < a->ids.count && !interrupted)
			status = send_piece(a, a->answered);
		status = tell(a, status);
	}
	ask_close(&a->ask);
	return status;
}

static const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	return NULL;
}

/* 0, or the exit status; -1: help was all. */
static int take_options(struct acting *a, int argc, char **argv)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
						{"socket", required_argument, NULL, 's'},
						{"destination", required_argument, NULL, 'd'},
						{"reason", required_argument, NULL, 'r'},
						{"now", no_argument, NULL, 'n'},
						{"bounce", no_argument, NULL, 'b'},
						{"yes", no_argument, NULL, 'y'},
						{"json", no_argument, NULL, 'j'},
						{"help", no_argument, NULL, 'h'},
						{"to", required_argument, NULL, FILTER_FIRST},
						{"from", required_argument, NULL, 257},
						{"client", required_argument, NULL, 258},
						{"device", required_argument, NULL, 259},
						{"older", required_argument, NULL, 260},
						{"newer", required_argument, NULL, 261},
						{"state", required_argument, NULL, 262},
						{"attempts", required_argument, NULL, 263},
						{"error", required_argument, NULL, 264},
						{NULL, 0, NULL, 0}};
	int option;

	optind = 1;
	while ((option = getopt_long(argc, argv, "c:hy", options, NULL)) != -1) {
		if (option == 'd')
			a->find.destination = optarg;
		else if (option == 'r')
			a->reason = optarg;
		else if (option == 'n')
			a->now = true;
		else if (option == 'b')
			a->report = true;
		else if (option == 'y')
			a->yes = true;
		else if (option >= FILTER_FIRST)
			a->find.filters[option - FILTER_FIRST] = optarg;
		else if (!ask_option(&a->ask, option, optarg))
			return option == 'h' ? -1 : ASK_USAGE;
	}
	for (size_t i = 0; i < QUEUE_FILTERS; i++)
		a->filtered = a->filtered || a->find.filters[i];
	/* What a destination has, or of those that are named what it has of them. */
	a->filtered = a->filtered || (a->find.destination && optind >= argc);
	if (a->filtered && optind < argc) {
		fputs("postrider: queue: ids, or filters\n", stderr);
		return ASK_USAGE;
	}
	if ((a->now && strcmp(a->verb->name, "retry") != 0) || (a->report && strcmp(a->verb->name, "delete") != 0))
		return ASK_USAGE;
	if (a->report && !a->reason) {
		fputs("postrider: queue: --bounce wants --reason TEXT: the senders read it\n", stderr);
		return ASK_USAGE;
	}
	return 0;
}

int queue_act_command(int argc, char **argv)
{
	struct acting a = {.ask = {.command = "queue"}};
	int status;

	if (argc > 1 && strcmp(argv[1], "--help") == 0)
		return usage(stdout, 0);
	a.verb = argc > 1 ? verb_find(argv[1]) : NULL;
	if (!a.verb)
		return usage(stderr, ASK_USAGE);
	status = take_options(&a, argc - 1, argv + 1);
	if (status != 0)
		return status < 0 ? usage(stdout, 0) : usage(stderr, status);
	a.missing = json_array();
	for (int i = optind + 1; i < argc && status == 0; i++)
		status = queue_find_id(&a.ids, argv[i]);
	if (status == 0 && a.ids.count == 0 && !a.filtered)
		status = usage(stderr, ASK_USAGE);
	else if (status == 0)
		status = run(&a);
	id_list_free(&a.ids);
	json_decref(a.missing);
	return status;
}
