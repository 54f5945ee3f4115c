/*
 * trace_rows.c - what the trace's file costs: rows a second, octets a message, and how long each key takes to find.
 *
 *     bench/trace_rows FILE MESSAGES [DAYS [MORE]]
 *
 * Writes messages with one recipient and one attempt, spread over so many days, as lines of events that are parsed as
 * in the relay; a FILE that is there already is taken as one of an earlier run with the same numbers. Then looks for
 * each key, in a process that has none of the file's pages itself: cold, each time behind taking the file out of the
 * system's cache (what the disk below keeps is its own), and warm. There are ten thousand senders, a hundred clients,
 * a million recipients, one client that sent ten, and nothing that is still queued. With MORE it does not look, but
 * writes so many behind those, and cuts the oldest day and then as much as the file has too much for nine tenths of
 * its size.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/trace/file.h"
#include "core/trace/search.h"

enum { BATCH = 5000, TRIES = 20, SLICE = 50000 };
#define BEGIN_MS UINT64_C(1795824000000)

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 31) * UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
	return x ^ x >> 32;
}

static struct message_id id_of(uint64_t i, double step_ms)
{
	return (struct message_id){(BEGIN_MS + (uint64_t)((double)i * step_ms)) * 1000000 + i % 1000000, i};
}

static void put(struct trace_file *file, const char *line, int length)
{
	static struct fact fact;

	if (!fact_parse(line, (size_t)length, &fact) || trace_file_put(file, &fact) != TRACE_OK) {
		fprintf(stderr, "%s: %.*s\n", trace_file_problem(file), length, line);
		exit(1);
	}
}

static void one(struct trace_file *file, uint64_t i, uint64_t count, double step_ms)
{
	struct message_id id = id_of(i, step_ms);
	char line[1024], name[MESSAGE_ID_TEXT], stamp[40];
	time_t seconds = (time_t)(id.high / 1000000000);
	uint64_t r = mix(i);
	struct tm parts;

	gmtime_r(&seconds, &parts);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &parts);
	message_id_text(id, name);
	put(file, line,
	    snprintf(
		    line, sizeof(line),
		    "{\"time\":\"%s.%03uZ\",\"event\":\"accepted\",\"level\":\"info\",\"shard\":0,\"id\":\"%.26s\","
		    "\"peer\":\"10.1.2.%u\",\"client\":\"%s%u\",\"sender\":\"sender%u@example.org\",\"recipients\":1,"
		    "\"octets\":%u,\"recipient\":\"person%u@example.com\",\"destination\":\"office365\",\"message_id\":"
		    "\"<%" PRIx64 "@example.org>\",\"ms\":3}",
		    stamp, (unsigned)(id.high / 1000000 % 1000), name, (unsigned)(r % 250),
		    i % (count / 10) == 7 ? "rare" : "client", i % (count / 10) == 7 ? 0 : (unsigned)(r >> 8) % 100,
		    (unsigned)(r >> 16) % 10000, (unsigned)(r >> 32) % 100000, (unsigned)(mix(r) % 1000000), r));
	put(file, line,
	    snprintf(line, sizeof(line),
		     "{\"time\":\"%s.%03uZ\",\"event\":\"attempt\",\"level\":\"info\",\"shard\":0,\"id\":\"%.26s\","
		     "\"result\":\"%s\",\"destination\":\"office365\",\"host\":\"mail.example.com:25\",\"tls\":\"TLSv1."
		     "3\","
		     "\"cipher\":\"TLS13-AES128-GCM-SHA256\",\"verified\":true,\"proof\":\"chain\",\"recipients\":1,"
		     "\"recipient\":\"person%u@example.com\",\"octets\":4096,\"attempt\":1,\"stage\":\"content\","
		     "\"code\":"
		     "250,\"reply\":\"2.0.0 Ok: queued as %" PRIx64 "\",\"ms\":4,\"queued_ms\":9}",
		     stamp, (unsigned)(id.high / 1000000 % 1000), name, r % 5000 == 0 ? "failed" : "delivered",
		     (unsigned)(mix(r) % 1000000), r));
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Only what is on the disk leaves the cache. */
static void forget(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
		perror(path);
	close(fd);
}

static unsigned look(const char *path, struct search_filter *filter, double took[TRIES], bool cold)
{
	unsigned count = 0;

	for (int i = 0; i < TRIES; i++) {
		char problem[TRACE_PROBLEM_SIZE];
		struct search *search;
		int64_t numbers[20];
		double start;
		if (cold)
			forget(path);
		start = now(CLOCK_MONOTONIC);
		if (search_open(path, &search, problem) != TRACE_OK ||
		    search_find(search, filter, numbers, &count) != TRACE_OK) {
			fprintf(stderr, "%s\n", problem);
			exit(1);
		}
		search_close(search);
		took[i] = (now(CLOCK_MONOTONIC) - start) * 1000;
	}
	qsort(took, TRIES, sizeof(took[0]), compare);
	return count;
}

static void find(const char *path, const char *what, struct search_filter *filter)
{
	double cold[TRIES], warm[TRIES];
	unsigned count;

	filter->limit = 20;
	filter->until_ms = filter->until_ms ? filter->until_ms : UINT64_MAX;
	(void)look(path, filter, cold, true);
	count = look(path, filter, warm, false);
	printf("%-30s cold %9.2f ms median, %9.2f most; warm %8.2f, %8.2f; %u found\n", what, cold[TRIES / 2],
	       cold[TRIES - 1], warm[TRIES / 2], warm[TRIES - 1], count);
	fflush(stdout);
}

static void find_all(const char *path, uint64_t count, double step_ms)
{
	uint64_t middle = BEGIN_MS + (uint64_t)((double)count / 2 * step_ms);
	char recipient[64], sender[64];
	uint64_t r = mix(count / 7);

#define FIND(what, ...) find(path, what, &(struct search_filter){__VA_ARGS__})
	FIND("id", .result = ROW_RESULTS, .has_id = true, .id = id_of(count / 7, step_ms));
	snprintf(recipient, sizeof(recipient), "person%u@example.com", (unsigned)(mix(r) % 1000000));
	snprintf(sender, sizeof(sender), "sender%u@example.org", (unsigned)(r >> 16) % 10000);
	FIND("recipient", .result = ROW_RESULTS, .recipient = recipient);
	FIND("recipient, nobody", .result = ROW_RESULTS, .recipient = "nobody@example.com");
	FIND("sender", .result = ROW_RESULTS, .sender = "sender77@example.org");
	FIND("sender, nobody", .result = ROW_RESULTS, .sender = "nobody@example.org");
	FIND("client, usual", .result = ROW_RESULTS, .client = "client7");
	FIND("client, rare", .result = ROW_RESULTS, .client = "rare0");
	FIND("device, nobody", .result = ROW_RESULTS, .device = "copier");
	FIND("destination", .result = ROW_RESULTS, .destination = "office365");
	FIND("failed", .result = ROW_FAILED);
	FIND("queued, none", .result = ROW_QUEUED);
	FIND("time alone", .result = ROW_RESULTS, .until_ms = middle);
	FIND("sender and recipient", .result = ROW_RESULTS, .sender = sender, .recipient = recipient);
	FIND("sender and rare client", .result = ROW_RESULTS, .sender = "sender77@example.org", .client = "rare0");
	FIND("sender, failed", .result = ROW_FAILED, .sender = "sender77@example.org");
	FIND("client, failed", .result = ROW_FAILED, .client = "client7");
	FIND("client, a minute", .result = ROW_RESULTS, .client = "client7", .since_ms = middle,
	     .until_ms = middle + 60000);
#undef FIND
}

static void fill(struct trace_file *file, uint64_t from, uint64_t to, uint64_t count, double step_ms)
{
	double wall = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);

	for (uint64_t i = from; i < to; i++) {
		one(file, i, count, step_ms);
		if ((i % BATCH == BATCH - 1 || i == to - 1) && trace_file_commit(file) != TRACE_OK) {
			fprintf(stderr, "%s\n", trace_file_problem(file));
			exit(1);
		}
	}
	wall = now(CLOCK_MONOTONIC) - wall;
	cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	printf("%" PRIu64 " messages: %.0f s, %.0f a second, %.1f us CPU each, %.0f octets each of all\n", to - from,
	       wall, (double)(to - from) / wall, cpu * 1e6 / (double)(to - from),
	       (double)trace_file_octets(file) / (double)to);
	fflush(stdout);
}

static void cut(struct trace_file *file, const char *what, uint64_t oldest_ms, uint64_t size_max)
{
	double start = now(CLOCK_MONOTONIC), most = 0;
	uint64_t before = trace_file_octets(file);
	unsigned slices = 0;

	for (bool more = true; more; slices++) {
		double began = now(CLOCK_MONOTONIC), took;
		if (trace_file_prune(file, oldest_ms, size_max, SLICE, &more) != TRACE_OK) {
			fprintf(stderr, "%s\n", trace_file_problem(file));
			exit(1);
		}
		took = now(CLOCK_MONOTONIC) - began;
		most = took > most ? took : most;
	}
	printf("%s: %.0f MB in %.1f s, in %u slices of %d messages, %.0f ms at most\n", what,
	       (double)(before - trace_file_octets(file)) / 1e6, now(CLOCK_MONOTONIC) - start, slices, SLICE,
	       most * 1000);
}

int main(int argc, char **argv)
{
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 0, more = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
	double days = argc > 3 ? atof(argv[3]) : 30, step_ms;
	char problem[TRACE_PROBLEM_SIZE];
	struct trace_file *file;
	bool there;

	if (count < 100 || days <= 0) {
		fprintf(stderr, "usage: %s FILE MESSAGES [DAYS [MORE]]\n", argv[0]);
		return 64;
	}
	step_ms = days * 86400000 / (double)count;
	there = access(argv[1], F_OK) == 0;
	if (trace_file_open(argv[1], &file, problem) != TRACE_OK) {
		fprintf(stderr, "%s\n", problem);
		return 1;
	}
	if (!there)
		fill(file, 0, count, count, step_ms);
	trace_file_close(file);
	if (more == 0) {
		find_all(argv[1], count, step_ms);
	} else if (trace_file_open(argv[1], &file, problem) == TRACE_OK) {
		fill(file, count, count + more, count, step_ms);
		cut(file, "the oldest day", BEGIN_MS + 86400000, UINT64_MAX);
		cut(file, "a tenth", 0, trace_file_octets(file) / 10 * 9);
		trace_file_close(file);
	}
	return 0;
}
