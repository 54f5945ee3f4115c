/*
 * bench/common.h - what both bench tools share: argument parsing, JSON output, line files, resource limits.
 *
 * Nothing here is on the path of a message except line_buffer_*(), which only copies into memory; the write
 * happens once per turn at most. A bad argument ends the program with one sentence and exit status 2, an
 * environment that does not work (a file that cannot be written) with one sentence and exit status 3.
 */
#ifndef POSTRIDER_BENCH_COMMON_H
#define POSTRIDER_BENCH_COMMON_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/ring.h"

enum { COMMON_EXIT_OK = 0, COMMON_EXIT_LOST = 1, COMMON_EXIT_USAGE = 2, COMMON_EXIT_ENVIRONMENT = 3 };
enum { COMMON_ADDRESS_TEXT = 64, COMMON_SEQUENCE_DIGITS = 12 };

/* The header line both tools agree on: this name, then COMMON_SEQUENCE_DIGITS digits. */
#define COMMON_SEQUENCE_HEADER "X-Postrider-Sequence: "

/* The name messages on standard error begin with; set once at the start of main(). */
extern const char *common_program;

_Noreturn void common_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Where one of the arguments is --help or -h: prints the text and ends with 0. */
void common_help(int argc, char **argv, const char *text);
void common_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Parsers of option values: they return the value or end the program with a sentence that names `option`. */
uint64_t common_number(const char *option, const char *text, uint64_t min, uint64_t max);
uint64_t common_size(const char *option, const char *text);        /* 4096, 4KiB, 1MiB, 1GiB */
uint64_t common_duration_ns(const char *option, const char *text); /* 10, 10s, 250ms, 2m, 1h */
double common_probability(const char *option, const char *text);
void common_address(const char *option, const char *text, struct ring_address *out);
/* Is the text one of the names? Its index; `names` ends with NULL. */
unsigned common_choice(const char *option, const char *text, const char *const *names);

void common_address_format(const struct ring_address *address, char out[COMMON_ADDRESS_TEXT]);
/* As many descriptors as this process may have; returns how many that is. */
uint64_t common_raise_descriptors(void);
/* User and system time of the whole process. */
double common_cpu_seconds(void);
/* Blocks SIGINT and SIGTERM in the caller and the threads it starts, and ignores SIGPIPE. */
void common_signals_block(void);
/* Waits for SIGINT or SIGTERM at most that long; true when one came. */
bool common_signal_wait(unsigned timeout_ms);
/* Writes everything, whatever it takes; 0 or a negative errno. */
int common_write_all(int fd, const void *data, size_t length);
/* Twelve digits, zero-padded, no NUL. */
void common_sequence_format(uint64_t sequence, char out[COMMON_SEQUENCE_DIGITS]);

/*
 * A line file is appended to by several threads. Each thread collects in its own line_buffer and hands over
 * whole lines with one write(), so a reader never sees more than what was put there and lines never mix.
 */
struct line_file {
	int fd;
	pthread_mutex_t lock;
};

enum { LINE_BUFFER_SIZE = 32768, LINE_FLUSH_MS = 5 };

struct line_buffer {
	struct line_file *file; /* NULL: lines go nowhere */
	uint64_t oldest_ns;     /* when the first line now waiting was put; UINT64_MAX when empty */
	size_t length;
	char data[LINE_BUFFER_SIZE];
};

void line_file_open(struct line_file *file, const char *option, const char *path, bool append);
void line_file_write(struct line_file *file, const void *data, size_t length);
void line_file_close(struct line_file *file);
void line_buffer_init(struct line_buffer *buffer, struct line_file *file);
void line_buffer_number(struct line_buffer *buffer, uint64_t number, uint64_t now_ns);
/* Writes when something has waited LINE_FLUSH_MS, or anyway with `force`. */
void line_buffer_flush(struct line_buffer *buffer, uint64_t now_ns, bool force);
/* When line_buffer_flush() has work to do again; UINT64_MAX for never. */
uint64_t line_buffer_due_ns(const struct line_buffer *buffer);

/* A growing piece of memory. Running out of memory ends the program: these are tools, not the relay. */
struct buffer {
	uint8_t *data; /* owned */
	size_t length, capacity;
};

void buffer_grow(struct buffer *buffer, size_t more); /* afterwards capacity - length >= more */
void buffer_append(struct buffer *buffer, const void *data, size_t length);
void buffer_print(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buffer_free(struct buffer *buffer);

/* JSON into a buffer: the comma before a member is added where one is needed. key NULL: an array's element. */
void json_begin(struct buffer *out, const char *key, char bracket);
void json_end(struct buffer *out, char bracket);
void json_number(struct buffer *out, const char *key, uint64_t value);
void json_real(struct buffer *out, const char *key, double value);
void json_bool(struct buffer *out, const char *key, bool value);
void json_string(struct buffer *out, const char *key, const void *text, size_t length);
/* Writes the buffer and a newline to the file, or to standard output when path is NULL or "-". */
void json_save(const struct buffer *json, const char *path);

#endif
