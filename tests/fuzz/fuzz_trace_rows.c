/*
 * fuzz_trace_rows.c - lines of events as rows: whatever a line says, it is a row, or none, and never a failure; and
 * whichever lines are kept, each is looked at within its own octets.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/trace/file.h"
#include "core/trace/sift.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

static struct trace_file *open_file(void)
{
	static char path[] = "/tmp/fuzz-trace-XXXXXX/trace.db";
	char problem[TRACE_PROBLEM_SIZE], *slash = strrchr(path, '/');
	struct trace_file *file;

	*slash = '\0';
	need(mkdtemp(path) != NULL);
	*slash = '/';
	need(trace_file_open(path, &file, problem) == TRACE_OK);
	/* Nobody else needs its name. */
	(void)unlink(path);
	*slash = '\0';
	return file;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct trace_file *file;
	static struct sift sift = {.detail = SIFT_AUTO};
	static struct fact fact;
	const char *at = (const char *)data, *end = at + size;

	if (!file)
		file = open_file();
	while (at < end) {
		const char *eol = memchr(at, '\n', (size_t)(end - at));
		size_t length = (size_t)((eol ? eol : end) - at);
		/* In a block of its own, so that a look behind it is seen. */
		char *line = malloc(length + 1);
		need(line != NULL);
		memcpy(line, at, length);
		(void)sift_line(&sift, line, length);
		if (fact_parse(line, length, &fact))
			need(trace_file_put(file, &fact) == TRACE_OK);
		free(line);
		at += length + 1;
	}
	trace_file_rollback(file);
	return 0;
}
