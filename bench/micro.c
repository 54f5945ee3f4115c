/*
 * bench/micro.c - rounds, times and counted calls of the micro_* programs. See micro.h for the contract.
 */
#include "bench/micro.h"

#include <gnu/libc-version.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS_MAX = 10000, DIVISOR_MAX = 1000000, COUNTED_TIMES = 3 };

volatile uint64_t micro_sink;

static const char *program = "micro";
static unsigned rounds = 100, divisor = 1;
static bool counting;

/* The name is what bench/micro gives to callgrind: it must stay a function of its own. */
void micro_measured(const struct micro_operation *operation, unsigned count);

__attribute__((noinline)) void micro_measured(const struct micro_operation *operation, unsigned count)
{
	operation->run(operation, count);
	/* Not a tail call either, or callgrind would see it return before the work. */
	__asm__ volatile("" ::: "memory");
}

uint64_t micro_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void micro_fail(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s: %s\n", program, what, why);
	exit(1);
}

static _Noreturn void usage(FILE *out, int status, const char *operands)
{
	fprintf(out,
		"usage: %s [--rounds N] [--divide N] [--count] %s\n"
		"  --rounds N  measure each operation so many times (100)\n"
		"  --divide N  do an Nth of the usual repeats in a round (1)\n"
		"  --count     for bench/micro under callgrind: no times\n",
		program, operands);
	exit(status);
}

static unsigned number(const char *text, unsigned max, const char *operands)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || value < 1 || value > max)
		usage(stderr, 64, operands);
	return (unsigned)value;
}

static void notes(void)
{
#ifdef __clang__
	micro_note("compiler", "clang " __clang_version__);
#else
	micro_note("compiler", "gcc " __VERSION__);
#endif
#ifndef __OPTIMIZE__
	micro_note("compiler", "without optimisation: its figures mean nothing");
#endif
	micro_note("libc", gnu_get_libc_version());
}

int micro_start(int argc, char **argv, const char *operands)
{
	const char *slash = strrchr(argv[0], '/');
	int i = 1;

	program = slash ? slash + 1 : argv[0];
	for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
		if (strcmp(argv[i], "--help") == 0)
			usage(stdout, 0, operands);
		if (strcmp(argv[i], "--count") == 0)
			counting = true;
		else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
			rounds = number(argv[++i], ROUNDS_MAX, operands);
		else if (strcmp(argv[i], "--divide") == 0 && i + 1 < argc)
			divisor = number(argv[++i], DIVISOR_MAX, operands);
		else
			usage(stderr, 64, operands);
	}
	if ((i < argc) != (*operands != '\0'))
		usage(stderr, 64, operands);
	notes();
	return i;
}

void micro_note(const char *what, const char *text)
{
	printf("# %s: %s\n", what, text);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void micro_sort(double *times, unsigned count)
{
	qsort(times, count, sizeof times[0], compare);
}

/* One round; the time of its measured part. The first ones, to get caches and tables ready, are not measured. */
static uint64_t round_run(const struct micro_operation *operation, unsigned count, bool measured)
{
	if (operation->before)
		operation->before(operation, count);
	uint64_t start_ns = micro_now_ns();
	if (measured)
		micro_measured(operation, count);
	else
		operation->run(operation, count);
	uint64_t took_ns = micro_now_ns() - start_ns;
	if (operation->after)
		operation->after(operation, count);
	return took_ns;
}

static void times_take(const struct micro_operation *operation, unsigned repeat)
{
	static double times[ROUNDS_MAX];

	round_run(operation, repeat, false);
	for (unsigned r = 0; r < rounds; r++)
		times[r] = (double)round_run(operation, repeat, true) / repeat;
	micro_sort(times, rounds);
	printf("%-28s best %11.1f ns  median %11.1f ns", operation->name, times[0], times[rounds / 2]);
	if (operation->octets)
		printf("  %7.2f GB/s", (double)operation->octets / times[rounds / 2]);
	printf("\n");
	fflush(stdout);
}

static void counts_take(const struct micro_operation *operation, unsigned repeat)
{
	if (operation->uncounted) {
		printf("uncounted %s %s\n", operation->name, operation->uncounted);
		return;
	}
	round_run(operation, repeat * COUNTED_TIMES, false);
	for (unsigned times = 1; times <= COUNTED_TIMES; times += COUNTED_TIMES - 1) {
		round_run(operation, repeat * times, true);
		printf("counted %s %u\n", operation->name, repeat * times);
	}
}

void micro_run(const struct micro_operation *operations, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct micro_operation *operation = &operations[i];
		unsigned repeat = operation->repeat / divisor ? operation->repeat / divisor : 1;

		if (operation->setup)
			operation->setup(operation);
		if (counting)
			counts_take(operation, repeat);
		else
			times_take(operation, repeat);
	}
}
