/*
 * core/tools/queue_export.c - see queue_export.h.
 *
 * NAME.json comes last, by renaming: where it is, the message is there whole. So one that was exported before is left
 * out, and an export that was broken off goes on. By itself, each message would wait twice for the disk: so up to BATCH
 * of them are written, all that is written is made durable at once, and then they are renamed. By syncfs(): with an
 * fsync() for each file 5,000 messages took several times as long on the spool's own file system, with another program
 * that wrote much there, and live mail waited no less (p99 of 72 and 79 ms for 26 to 124).
 */
#include "core/tools/queue_export.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/tools/ask.h"
#include "core/tools/parcel.h"
#include "core/tools/queue_find.h"
#include "core/tools/table.h"
#include "core/tools/written.h"

enum { EXIT_FILE = 74, FILTER_FIRST = 256, NAME_SIZE = 64, DESTINATION = 300, BATCH = 256 };

struct exporting {
	struct ask ask;
	struct queue_find find;
	const char *to;
	int directory;
	struct id_list ids;
	json_t *missing, *out; /* owned; `out`: what became of each */
	bool filtered;
	size_t exported, before, gone, failed;
	/* NAME.eml and NAME.json.part are there, and not durable yet. */
	char names[BATCH][NAME_SIZE];
	size_t name_count;
};

static int usage(FILE *out, int status)
{
	fputs("usage: postrider queue export [ID...|FILTER...] --directory DIR\n"
	      "           [--config FILE | --socket PATH] [--json]\n"
	      "       Each message as DIR/ID.eml, its envelope as DIR/ID.json; they stay in the queue. An ID of -\n"
	      "       reads ids from standard input. Filters are those of postrider queue list; without any: all.\n"
	      "       Of a spool that is not in use: postrider spool export.\n",
	      out);
	return status;
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

static bool file_problem(const char *name, const char *what)
{
	fprintf(stderr, "postrider: queue: %s cannot be %s: %s\n", name, what, strerror(errno));
	return false;
}

/* A new one of that name, in place of what was broken off. */
static int make(const struct exporting *e, const char *name)
{
	(void)unlinkat(e->directory, name, 0);
	return openat(e->directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/* It has all of its octets; they are not durable yet. */
static bool finish(int fd, const char *name)
{
	return close(fd) == 0 || file_problem(name, "written");
}

struct writing {
	int fd;
	uint64_t octets;
	int error;
};

static bool on_octets(void *context, const char *data, size_t length)
{
	struct writing *w = context;

	while (length > 0) {
		ssize_t n = write(w->fd, data, length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			w->error = errno;
			return false;
		}
		data += n;
		length -= (size_t)n;
		w->octets += (uint64_t)n;
	}
	return true;
}

/* 0, or the exit status after saying why. */
static int write_content(const struct exporting *e, const char *id, const char *name, uint64_t size)
{
	char part[2 * NAME_SIZE];
	struct ask_path path;
	struct writing w = {0};
	int status;

	snprintf(part, sizeof(part), "%s.part", name);
	w.fd = make(e, part);
	if (w.fd < 0) {
		file_problem(part, "made");
		return EXIT_FILE;
	}
	ask_path_begin(&path, "/v1/queue/messages");
	ask_path_segment(&path, id);
	ask_path_segment(&path, "content");
	status = ask_octets(&e->ask, path.text, on_octets, &w);
	if (w.error) {
		errno = w.error;
		file_problem(part, "written");
		status = EXIT_FILE;
	} else if (status == 0 && w.octets != size) {
		fprintf(stderr, "postrider: queue: %s: %" PRIu64 " octets came, of %" PRIu64 "\n", id, w.octets, size);
		status = ASK_PART;
	}
	if (status == 0 && finish(w.fd, part) && renameat(e->directory, part, e->directory, name) == 0)
		return 0;
	if (status == 0)
		file_problem(part, "renamed");
	else
		close(w.fd);
	(void)unlinkat(e->directory, part, 0);
	return status ? status : EXIT_FILE;
}

static int write_envelope(const struct exporting *e, const char *name, const json_t *message)
{
	json_t *json = parcel_of_answer(message);
	char part[2 * NAME_SIZE];
	int fd;

	snprintf(part, sizeof(part), "%s.json.part", name);
	fd = make(e, part);
	if (fd < 0 || json_dumpfd(json, fd, JSON_INDENT(1) | JSON_ENSURE_ASCII) < 0) {
		file_problem(part, fd < 0 ? "made" : "written");
		if (fd >= 0)
			close(fd);
		json_decref(json);
		return EXIT_FILE;
	}
	json_decref(json);
	return finish(fd, part) ? 0 : EXIT_FILE;
}

/* ---- messages --------------------------------------------------------------------------------------------------- */

static void note(struct exporting *e, const char *id, const char *result)
{
	if (e->ask.json)
		json_array_append_new(e->out, json_pack("{ss ss}", "id", id, "result", result));
	else if (strcmp(result, "exported") != 0 && strcmp(result, "there") != 0) {
		table_safe(stdout, id);
		printf(": %s\n", result);
	}
}

static bool is_in_batch(const struct exporting *e, const char *name)
{
	for (size_t i = 0; i < e->name_count; i++) {
		if (strcmp(e->names[i], name) == 0)
			return true;
	}
	return false;
}

/* It was noted as exported. */
static void fail(struct exporting *e, const char *name)
{
	json_t *one;
	size_t i;

	e->failed++;
	if (!e->ask.json)
		note(e, name, "failed");
	json_array_foreach(e->out, i, one)
	{
		if (strcmp(json_string_value(json_object_get(one, "id")), name) == 0)
			json_object_set_new(one, "result", json_string("failed"));
	}
}

/* What is written is durable, and gets its names. 0 or EXIT_FILE: then nobody takes for whole what may not be. */
static int end_batch(struct exporting *e)
{
	char from[2 * NAME_SIZE], to[2 * NAME_SIZE];
	int status = 0;

	if (e->name_count > 0 && syncfs(e->directory) < 0) {
		file_problem(e->to, "written");
		status = EXIT_FILE;
	}
	for (size_t i = 0; i < e->name_count; i++) {
		const char *name = e->names[i];
		snprintf(from, sizeof(from), "%s.json.part", name);
		snprintf(to, sizeof(to), "%s.json", name);
		if (status == 0 && renameat(e->directory, from, e->directory, to) < 0) {
			file_problem(from, "renamed");
			status = EXIT_FILE;
		}
		if (status == 0)
			e->exported++;
		else
			fail(e, name);
	}
	e->name_count = 0;
	return status;
}

/* Of one that several shards have, each part has its own recipients: ID, ID-1, ID-2, as from a spool. A part keeps its
 * number, so a second export takes none for another, though some have left the queue, or the shards are fewer. */
static int export_copy(struct exporting *e, const char *id, const json_t *message)
{
	unsigned part = (unsigned)ask_number(message, "part");
	char name[NAME_SIZE], eml[NAME_SIZE + 8], json[NAME_SIZE + 8];
	int status;

	snprintf(name, sizeof(name), part ? "%.40s-%u" : "%.40s", id, part);
	snprintf(eml, sizeof(eml), "%s.eml", name);
	snprintf(json, sizeof(json), "%s.json", name);
	if (is_in_batch(e, name) || faccessat(e->directory, json, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		e->before++;
		note(e, name, "there");
		return 0;
	}
	if (json_array_size(json_object_get(message, "envelope")) == 0) {
		fprintf(stderr, "postrider: queue: %s: its envelope cannot be read\n", id);
		e->failed++;
		note(e, name, "failed");
		return ASK_PART;
	}
	status = write_content(e, id, eml, (uint64_t)ask_number(message, "size"));
	if (status == 0)
		status = write_envelope(e, name, message);
	if (status == 0) {
		memcpy(e->names[e->name_count++], name, sizeof(name));
		note(e, name, "exported");
		return e->name_count == BATCH ? end_batch(e) : 0;
	}
	*(status == ASK_NOT ? &e->gone : &e->failed) += 1;
	note(e, name, status == ASK_NOT ? "gone" : "failed");
	return status == ASK_NOT && e->filtered ? 0 : status;
}

static int export_one(struct exporting *e, const char *id)
{
	struct ask_path path;
	json_t *answer = NULL, *one;
	int status, worst = 0;
	size_t i;

	ask_path_begin(&path, "/v1/queue/messages");
	ask_path_segment(&path, id);
	status = ask_get(&e->ask, path.text, &answer);
	if (status == ASK_NOT) {
		e->gone++;
		note(e, id, "gone");
		/* What was found by a filter may leave at any time. */
		return e->filtered ? 0 : status;
	}
	if (status != 0)
		return status;
	queue_find_add_missing(e->missing, answer);
	json_array_foreach(json_object_get(answer, "messages"), i, one)
	{
		status = export_copy(e, id, one);
		worst = status > worst ? status : worst;
	}
	json_decref(answer);
	return worst;
}

static int export_all(struct exporting *e)
{
	int status = 0, worst = 0;
	char id[ID_LIST_TEXT];
	size_t i;

	for (i = 0; i < e->ids.count; i++) {
		status = export_one(e, id_list_text(&e->ids, i, id));
		worst = status > worst ? status : worst;
		/* The next one would not fare better. */
		if (status == EXIT_FILE || status == ASK_UNAVAILABLE || status == ASK_PERMISSION)
			break;
	}
	status = end_batch(e);
	worst = status > worst ? status : worst;
	if (fsync(e->directory) < 0 && worst == 0) {
		file_problem(e->to, "written");
		worst = EXIT_FILE;
	}
	return worst;
}

static int tell(const struct exporting *e, int status)
{
	json_t *one;
	size_t i;

	if (json_array_size(e->missing) > 0 && status == 0)
		status = ASK_PART;
	json_array_foreach(e->missing, i, one) fprintf(stderr,
						       "postrider: queue: shard %" JSON_INTEGER_FORMAT
						       " did not answer: what it has was not exported\n",
						       json_integer_value(one));
	if (e->ask.json) {
		written_json(stdout, json_pack("{sO sO}", "results", e->out, "missing", e->missing));
		return status;
	}
	printf("%zu message%s exported to ", e->exported, e->exported == 1 ? "" : "s");
	table_safe(stdout, e->to);
	printf("\n");
	if (e->before > 0)
		printf("%zu were there already\n", e->before);
	if (e->gone > 0)
		printf("%zu left the queue meanwhile\n", e->gone);
	if (e->failed > 0)
		printf("%zu could not be exported\n", e->failed);
	return status;
}

static int run(struct exporting *e)
{
	int status = ask_open(&e->ask);

	ask_many(&e->ask);
	if (status == 0 && e->filtered)
		status = queue_find(&e->ask, &e->find, &e->ids, e->missing);
	if (status != 0)
		return status;
	if (mkdir(e->to, 0700) < 0 && errno != EEXIST) {
		file_problem(e->to, "made");
		return EXIT_FILE;
	}
	e->directory = open(e->to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (e->directory < 0) {
		file_problem(e->to, "opened");
		return EXIT_FILE;
	}
	status = export_all(e);
	close(e->directory);
	return tell(e, status);
}

/* ---- command line ----------------------------------------------------------------------------------------------- */

/* 0, or the exit status; -1: help was all. */
static int take_options(struct exporting *e, int argc, char **argv)
{
	struct option options[QUEUE_FILTERS + 8] = {{0}};
	int option, n = 0;

	for (; n < QUEUE_FILTERS; n++)
		options[n] = (struct option){queue_filters[n], required_argument, NULL, FILTER_FIRST + n};
	options[n++] = (struct option){"destination", required_argument, NULL, DESTINATION};
	options[n++] = (struct option){"directory", required_argument, NULL, 'd'};
	options[n++] = (struct option){"config", required_argument, NULL, 'c'};
	options[n++] = (struct option){"socket", required_argument, NULL, 's'};
	options[n++] = (struct option){"json", no_argument, NULL, 'j'};
	options[n] = (struct option){"help", no_argument, NULL, 'h'};
	optind = 1;
	while ((option = getopt_long(argc, argv, "c:d:h", options, NULL)) != -1) {
		if (option == 'd')
			e->to = optarg;
		else if (option == DESTINATION)
			e->find.destination = optarg;
		else if (option >= FILTER_FIRST && option < FILTER_FIRST + QUEUE_FILTERS)
			e->find.filters[option - FILTER_FIRST] = optarg;
		else if (!ask_option(&e->ask, option, optarg))
			return option == 'h' ? -1 : ASK_USAGE;
	}
	if (e->to)
		return 0;
	fputs("postrider: queue: where to: --directory DIR; --to is a recipient, as in queue list\n", stderr);
	return ASK_USAGE;
}

/* Ids alone, or filters alone, or neither, which is all. 0, or the exit status after saying why. */
static int take_ids(struct exporting *e, int argc, char **argv)
{
	bool filters = e->find.destination != NULL;
	int status = 0;

	for (size_t i = 0; i < QUEUE_FILTERS; i++)
		filters = filters || e->find.filters[i];
	e->filtered = optind + 1 >= argc;
	if (filters && !e->filtered) {
		fputs("postrider: queue: ids, or filters\n", stderr);
		return usage(stderr, ASK_USAGE);
	}
	for (int i = optind + 1; i < argc && status == 0; i++)
		status = queue_find_id(&e->ids, argv[i]);
	return status;
}

int queue_export_command(int argc, char **argv)
{
	struct exporting e = {.ask = {.command = "queue"}};
	int status = take_options(&e, argc - 1, argv + 1);

	if (status != 0)
		return status < 0 ? usage(stdout, 0) : usage(stderr, status);
	e.missing = json_array();
	e.out = json_array();
	status = take_ids(&e, argc, argv);
	if (status == 0)
		status = run(&e);
	ask_close(&e.ask);
	id_list_free(&e.ids);
	json_decref(e.missing);
	json_decref(e.out);
	return status;
}
