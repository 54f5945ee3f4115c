/*
 * core/base/log.h - JSON events, one per line, on standard error.
 *
 * Each shard formats into its own `struct log` (single producer); one writer thread moves the octets to the
 * descriptor, so that a slow terminal or a full pipe never blocks a shard. When a shard's buffer is full the
 * event is dropped whole and counted; the next event that fits is preceded by {"event":"log_lost",...}.
 *
 *     struct log_event e;
 *     log_begin_at(&e, log, LOG_LEVEL_NOTICE, "delivered");
 *     log_string(&e, "host", host, strlen(host));
 *     log_number(&e, "code", 250);
 *     log_end(&e);
 *
 * Every event carries "time" (RFC 3339, UTC, milliseconds), "event", "level" and "shard". Event and field names are
 * literals where they are logged: tests/tidy.py compares them with docs/events.md. Strings from peers are
 * escaped (control, quote, backslash; octets that are not UTF-8 become \ufffd) and cut at
 * LOG_STRING_MAX octets (RELIABILITY DOS-06).
 */
#ifndef POSTRIDER_BASE_LOG_H
#define POSTRIDER_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { LOG_EVENT_MAX = 4096, LOG_STRING_MAX = 512 };

/* How much an event asks of the operator; as in RFC 5424 6.2.1, of which these are 6, 5, 4 and 3. */
enum log_level {
	LOG_LEVEL_INFO,    /* the daily business */
	LOG_LEVEL_NOTICE,  /* usual, but worth a look: somebody was refused, something waits */
	LOG_LEVEL_WARNING, /* goes wrong for somebody, and may mend itself */
	LOG_LEVEL_ERROR,   /* does not mend itself: somebody has to act */
};

struct log;

struct log_event {
	struct log *log; /* NULL: formatted nowhere */
	char *out;       /* next octet; the buffer always has LOG_EVENT_MAX free at log_begin() */
	char *limit;
	char *start;
	bool in_list, in_item;
};

/* `capacity`: octets, power of two. `shard`: -1 for the process itself. NULL without memory. */
struct log *log_new(int shard, size_t capacity);
void log_free(struct log *log);
/* In memory that somebody else has, and frees: so many octets, which stand at the beginning of a cache line. */
size_t log_footprint(size_t capacity);
struct log *log_make(void *memory, int shard, size_t capacity);

/* Of level info. */
void log_begin(struct log_event *e, struct log *log, const char *event);
void log_begin_at(struct log_event *e, struct log *log, enum log_level level, const char *event);
static inline void log_string(struct log_event *e, const char *key, const void *text, size_t length);
static inline void log_text(struct log_event *e, const char *key, const char *text); /* NUL-terminated */
static inline void log_number(struct log_event *e, const char *key, uint64_t value);
static inline void log_signed(struct log_event *e, const char *key, int64_t value);
static inline void log_bool(struct log_event *e, const char *key, bool value);
/* A time by the wall clock, as in "time". */
void log_time(struct log_event *e, const char *key, uint64_t wall_ns);
void log_end(struct log_event *e);
/* A list of objects: log_item() begins each one, and what follows belongs to it. False: there is no room for one of
 * about `room` octets; nothing was begun, and the list should end. */
void log_list_begin(struct log_event *e, const char *key);
bool log_item(struct log_event *e, size_t room);
void log_list_end(struct log_event *e);
/* Value is pasted as it is: it must be JSON. */
void log_json(struct log_event *e, const char *key, const char *json, size_t length);

/* The writer: a thread that drains `count` logs into `fd` until log_writer_stop(), which drains the rest. */
struct log_writer;
struct log_writer *log_writer_start(int fd, struct log **logs, unsigned count);
/* The same, into the journal's socket at `journal` (journal.h), which stays; NULL: into fd. */
struct log_writer *log_writer_start_with(int fd, const char *journal, struct log **logs, unsigned count);
void log_writer_stop(struct log_writer *writer);
/* Who looks at lines besides: one of each. */
enum log_tap { LOG_TAP_TRACE, LOG_TAP_RECENT, LOG_TAP_INCIDENTS, LOG_TAP_NEWEST, LOG_TAP_WEBHOOK, LOG_TAPS };
/* From now on `tap` sees all lines, whole ones, on the writer's thread before they are moved; it must not wait. NULL:
 * nobody any more, also not in this moment. */
typedef void log_tap_fn(void *context, const char *lines, size_t length);
void log_writer_tap(struct log_writer *writer, enum log_tap which, log_tap_fn *tap, void *context);
/* The same, of all but those of mail that was taken or delivered (line_is_usual()), which are the most by far. */
void log_writer_tap_unusual(struct log_writer *writer, enum log_tap which, log_tap_fn *tap, void *context);
/* What a process that was killed has left in its logs (lines_kept.h) goes on its way: what taps have not seen to them,
 * and what was not moved yet behind it, before all else. They stay until log_writer_adopt(writer, NULL, 0) has
 * returned, or the stop. */
void log_writer_adopt(struct log_writer *writer, struct log *const *logs, unsigned count);
/* Nothing of it waits to be moved. */
bool log_is_moved(const struct log *log);
/* Moves what is there into `fd` now, on the caller's thread (before threads run, in simulation). */
void log_drain(struct log *log, int fd);

/* ---- what is above, where the key is a literal and its length is known ---- */

void log_string_of(struct log_event *e, const char *key, size_t key_length, const void *text, size_t length);
void log_number_of(struct log_event *e, const char *key, size_t key_length, uint64_t value);
void log_signed_of(struct log_event *e, const char *key, size_t key_length, int64_t value);
void log_bool_of(struct log_event *e, const char *key, size_t key_length, bool value);

static inline void log_string(struct log_event *e, const char *key, const void *text, size_t length)
{
	log_string_of(e, key, strlen(key), text, length);
}

static inline void log_text(struct log_event *e, const char *key, const char *text)
{
	log_string_of(e, key, strlen(key), text, strlen(text));
}

static inline void log_number(struct log_event *e, const char *key, uint64_t value)
{
	log_number_of(e, key, strlen(key), value);
}

static inline void log_signed(struct log_event *e, const char *key, int64_t value)
{
	log_signed_of(e, key, strlen(key), value);
}

static inline void log_bool(struct log_event *e, const char *key, bool value)
{
	log_bool_of(e, key, strlen(key), value);
}

#endif
