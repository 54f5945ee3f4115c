/*
 * bench/micro.h - the frame of the micro_* programs: rounds, their times, and what callgrind shall count.
 *
 * A program is a table of operations. Without options each is run in rounds and printed as a line
 *     NAME  best N ns  median N ns  [N GB/s]
 * With --count nothing is timed: bench/micro runs the program under callgrind, which collects only inside
 * micro_measured() and writes its counts whenever that returns. Each operation then goes through it twice, with its
 * number of repeats and with three times as many, so that the difference has no part of what a call costs once.
 */
#ifndef POSTRIDER_BENCH_MICRO_H
#define POSTRIDER_BENCH_MICRO_H

#include <stddef.h>
#include <stdint.h>

struct micro_operation {
	const char *name;
	unsigned repeat; /* in a round */
	size_t octets;   /* that one operation handles: for GB/s; 0: does not apply */
	const void *parameter;
	/* Does `count` operations: all that is measured. */
	void (*run)(const struct micro_operation *operation, unsigned count);
	/* Not measured, each may be NULL: once before the first round; before and after each. */
	void (*setup)(const struct micro_operation *operation);
	void (*before)(const struct micro_operation *operation, unsigned count);
	void (*after)(const struct micro_operation *operation, unsigned count);
	const char *uncounted; /* why its instructions say nothing; NULL: they are counted */
};

/* Results go here so that no work can be left out. */
extern volatile uint64_t micro_sink;

/* Parses the options and returns the index of the first operand; wrong arguments end the program with status 64.
 * `operands` is for the usage: "CERTIFICATES", or "". */
int micro_start(int argc, char **argv, const char *operands);
/* A line for whoever compares results: what they depend on beside the code. */
void micro_note(const char *what, const char *text);
void micro_run(const struct micro_operation *operations, size_t count);
_Noreturn void micro_fail(const char *what, const char *why);

uint64_t micro_now_ns(void);
/* Sorts, so that times[0] is the best and times[count / 2] the median. */
void micro_sort(double *times, unsigned count);

#endif
