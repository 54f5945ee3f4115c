/*
 * core/base/log.c - formats events as JSON lines into the shard's buffer.
 *
 * Purpose
 *   Two events per message at tens of thousands of messages a second: formatting is by hand, the date is
 *   made once per second, and nothing here makes a system call or waits.
 *
 * Ownership
 *   A log belongs to one producing thread; only `tail` is moved by another (log_writer.c). At most one event
 *   is open at a time. Text given to log_*() is copied.
 *
 * Invariants
 *   tail <= head <= tail + capacity, and head always stands behind a line's end.
 *   While an event is open: out <= limit, and behind `limit` there is room for LOG_TAIL.
 *
 * Failure
 *   A full buffer drops the event as a whole and counts it. An event that outgrows LOG_EVENT_MAX cuts the
 *   string that does not fit, or leaves the field out, and says "truncated":true; it stays valid JSON.
 */
#include "core/base/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/log_private.h"

#define LOG_TAIL ",\"truncated\":true}\n"

/* One octet, eight times. */
#define LOG_EIGHT(octet) (UINT64_C(0x0101010101010101) * (octet))

enum {
	LOG_LOST_MAX = 160,  /* octets of a log_lost event, amply */
	LOG_ESCAPE_MAX = 6,  /* octets one octet of text becomes at most: \u001f */
	LOG_DIGITS_MAX = 20, /* of a 64-bit number */
};

/* Octets that stand for themselves: ASCII without control characters, quote and backslash. */
static const bool log_plain[256] = {
	[' ' ... '!'] = true,
	['#' ... '['] = true,
	[']' ... '~'] = true,
};

static const char log_digit_pairs[] = "00010203040506070809101112131415161718192021222324"
				      "25262728293031323334353637383940414243444546474849"
				      "50515253545556575859606162636465666768697071727374"
				      "75767778798081828384858687888990919293949596979899";

static_assert(sizeof(log_digit_pairs) == 201, "100 pairs");

/* What stands between an event's name and the rest. */
#define LOG_LEVEL(name)                                                                                                \
	{                                                                                                              \
		"\",\"level\":\"" name "\"", sizeof("\",\"level\":\"" name "\"") - 1,                                  \
	}
static const struct log_level_text {
	const char *text;
	size_t length;
} log_levels[] = {
	[LOG_LEVEL_INFO] = LOG_LEVEL("info"),
	[LOG_LEVEL_NOTICE] = LOG_LEVEL("notice"),
	[LOG_LEVEL_WARNING] = LOG_LEVEL("warning"),
	[LOG_LEVEL_ERROR] = LOG_LEVEL("error"),
};

static char *log_put(char *out, const void *data, size_t length)
{
	memcpy(out, data, length);
	return out + length;
}

/* Most keys have four octets to sixteen: two that may overlap are copied without a call. */
static char *log_put_short(char *out, const char *text, size_t length)
{
	uint64_t first, last;
	uint32_t front, back;

	if (length > 16 || length < 4)
		return log_put(out, text, length);
	if (length >= 8) {
		memcpy(&first, text, 8);
		memcpy(&last, text + length - 8, 8);
		memcpy(out, &first, 8);
		memcpy(out + length - 8, &last, 8);
	} else {
		memcpy(&front, text, 4);
		memcpy(&back, text + length - 4, 4);
		memcpy(out, &front, 4);
		memcpy(out + length - 4, &back, 4);
	}
	return out + length;
}

/* Writes exactly two digits; value < 100. */
static char *log_put_pair(char *out, unsigned value)
{
	assert(value < 100);
	return log_put(out, &log_digit_pairs[2 * value], 2);
}

static char *log_put_number(char *out, uint64_t value)
{
	char digits[LOG_DIGITS_MAX], *first = digits + sizeof(digits);

	while (value >= 100) {
		first -= 2;
		log_put_pair(first, value % 100);
		value /= 100;
	}
	if (value >= 10) {
		first -= 2;
		log_put_pair(first, (unsigned)value);
	} else {
		*--first = (char)('0' + value);
	}
	return log_put(out, first, (size_t)(digits + sizeof(digits) - first));
}

static char *log_put_signed(char *out, int64_t value)
{
	if (value >= 0)
		return log_put_number(out, (uint64_t)value);
	*out++ = '-';
	return log_put_number(out, -(uint64_t)value);
}

/*
 * Date and time of a second since 1970, without the C library's locks and time zones. Days are counted from
 * 1 March of the year 0, so that the leap day is the last of its year: 146097 days make 400 years.
 */
static void log_stamp(char out[LOG_STAMP_SIZE], uint64_t second)
{
	uint64_t days = second / 86400 + 719468;
	unsigned rest = (unsigned)(second % 86400);
	unsigned era_day = (unsigned)(days % 146097);
	unsigned era_year = (era_day - era_day / 1460 + era_day / 36524 - era_day / 146096) / 365;
	unsigned year_day = era_day - (365 * era_year + era_year / 4 - era_year / 100);
	unsigned march_month = (5 * year_day + 2) / 153;
	unsigned day = year_day - (153 * march_month + 2) / 5 + 1;
	unsigned month = march_month < 10 ? march_month + 3 : march_month - 9;
	unsigned year = (unsigned)(days / 146097 * 400) + era_year + (month <= 2);

	out = log_put_pair(out, year / 100);
	out = log_put_pair(out, year % 100);
	*out++ = '-';
	out = log_put_pair(out, month);
	*out++ = '-';
	out = log_put_pair(out, day);
	*out++ = 'T';
	out = log_put_pair(out, rest / 3600);
	*out++ = ':';
	out = log_put_pair(out, rest / 60 % 60);
	*out++ = ':';
	out = log_put_pair(out, rest % 60);
	*out = '\0';
}

static void log_init(struct log *log, char *buffer, int shard, size_t capacity)
{
	assert(capacity >= 4 * LOG_EVENT_MAX);
	assert((capacity & (capacity - 1)) == 0);

	memset(log, 0, sizeof(*log));
	log->buffer = buffer;
	atomic_init(&log->head, 0);
	atomic_init(&log->tail, 0);
	atomic_init(&log->shown, 0);
	log->capacity = capacity;
	log->second = UINT64_MAX;

	char *out = log_put(log->shard, ",\"shard\":", strlen(",\"shard\":"));
	out = log_put_signed(out, shard);
	log->shard_length = (uint8_t)(out - log->shard);
}

struct log *log_new(int shard, size_t capacity)
{
	struct log *log = aligned_alloc(LOG_CACHE_LINE, sizeof(*log));
	char *buffer = malloc(capacity + LOG_EVENT_MAX);

	if (log == NULL || buffer == NULL) {
		free(log);
		free(buffer);
		return NULL;
	}
	log_init(log, buffer, shard, capacity);
	return log;
}

size_t log_footprint(size_t capacity)
{
	return sizeof(struct log) + capacity + LOG_EVENT_MAX;
}

struct log *log_make(void *memory, int shard, size_t capacity)
{
	struct log *log = memory;

	log_init(log, (char *)(log + 1), shard, capacity);
	log->kept = true;
	return log;
}

void log_free(struct log *log)
{
	if (log == NULL || log->kept)
		return;
	assert(!log->open);
	free(log->buffer);
	free(log);
}

/* Is there room for `length` octets? The consumer's cursor is looked at only when the old copy says no. */
static bool log_room(struct log *log, size_t length)
{
	uint64_t head = atomic_load_explicit(&log->head, memory_order_relaxed);

	if (log->capacity - (head - log->tail_seen) >= length)
		return true;
	/* Acquire: the consumer has read these octets before we overwrite them. */
	log->tail_seen = atomic_load_explicit(&log->tail, memory_order_acquire);
	assert(log->tail_seen <= head && head - log->tail_seen <= log->capacity);
	return log->capacity - (head - log->tail_seen) >= length;
}

/* Opens an event for which there is room, of at most `size` octets. */
static void log_open(struct log_event *e, struct log *log, enum log_level level, const char *event, size_t size)
{
	const struct log_level_text *text = &log_levels[level];
	uint64_t head = atomic_load_explicit(&log->head, memory_order_relaxed);
	uint64_t now_ns = clock_wall_ns();
	uint64_t second = now_ns / CLOCK_NS_PER_S;
	unsigned ms = (unsigned)(now_ns % CLOCK_NS_PER_S / CLOCK_NS_PER_MS);
	size_t event_length = strlen(event);

	assert(event_length <= 64);
	assert(level <= LOG_LEVEL_ERROR);
	if (second != log->second) {
		log_stamp(log->stamp, second);
		log->second = second;
	}
	log->open = true;
	log->truncated = false;
	e->log = log;
	e->start = log->buffer + (head & (log->capacity - 1));
	e->limit = e->start + size - strlen(LOG_TAIL);

	char *out = log_put(e->start, "{\"time\":\"", 9);
	out = log_put(out, log->stamp, LOG_STAMP_SIZE - 1);
	*out++ = '.';
	*out++ = (char)('0' + ms / 100);
	out = log_put_pair(out, ms % 100);
	out = log_put(out, "Z\",\"event\":\"", 12);
	out = log_put(out, event, event_length);
	out = log_put(out, text->text, text->length);
	e->out = log_put(out, log->shard, log->shard_length);
}

void log_begin(struct log_event *e, struct log *log, const char *event)
{
	log_begin_at(e, log, LOG_LEVEL_INFO, event);
}

void log_begin_at(struct log_event *e, struct log *log, enum log_level level, const char *event)
{
	memset(e, 0, sizeof(*e));
	if (log == NULL)
		return;
	assert(!log->open);
	if (!log_room(log, LOG_EVENT_MAX + (log->lost > 0 ? LOG_LOST_MAX : 0))) {
		log->lost++;
		return;
	}
	if (log->lost > 0) {
		log_open(e, log, LOG_LEVEL_WARNING, "log_lost", LOG_LOST_MAX);
		log_number(e, "count", log->lost);
		log->lost = 0;
		log_end(e);
	}
	log_open(e, log, level, event, LOG_EVENT_MAX);
}

/*
 * Appends `,"key":` if then `value_size` octets of value fit as well. Keys are constants of ours and need
 * no escaping. NULL: nothing was written, the event is marked truncated (or goes nowhere).
 */
static char *log_key(struct log_event *e, const char *key, size_t length, size_t value_size)
{
	if (e->log == NULL)
		return NULL;
	assert(e->log->open);
	if ((size_t)(e->limit - e->out) < length + 4 + value_size) {
		e->log->truncated = true;
		return NULL;
	}
	char *out = e->out;
	if (out[-1] != '{')
		*out++ = ',';
	*out++ = '"';
	out = log_put_short(out, key, length);
	*out++ = '"';
	*out++ = ':';
	return out;
}

/*
 * Octets of the UTF-8 sequence that begins at text[0] (RFC 3629 4: no surrogates, nothing overlong,
 * nothing beyond U+10FFFF), or 0.
 */
static size_t log_utf8_length(const uint8_t *text, size_t length)
{
	uint8_t first = text[0], low = 0x80, high = 0xbf;
	size_t need;

	if (first >= 0xc2 && first <= 0xdf)
		need = 2;
	else if (first >= 0xe0 && first <= 0xef)
		need = 3;
	else if (first >= 0xf0 && first <= 0xf4)
		need = 4;
	else
		return 0;
	if (length < need)
		return 0;

	/* The second octet's range is what excludes the forbidden values. */
	if (first == 0xe0)
		low = 0xa0;
	else if (first == 0xed)
		high = 0x9f;
	else if (first == 0xf0)
		low = 0x90;
	else if (first == 0xf4)
		high = 0x8f;
	if (text[1] < low || text[1] > high)
		return 0;
	for (size_t i = 2; i < need; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	}
	return need;
}

static char *log_put_hex(char *out, unsigned value)
{
	static const char hex[] = "0123456789abcdef";

	out = log_put(out, "\\u00", 4);
	*out++ = hex[value >> 4 & 15];
	*out++ = hex[value & 15];
	return out;
}

/* One character of ASCII that does not stand for itself. */
static char *log_put_special(char *out, uint8_t octet)
{
	char letter;

	switch (octet) {
	case '"':
	case '\\':
		letter = (char)octet;
		break;
	case '\n':
		letter = 'n';
		break;
	case '\r':
		letter = 'r';
		break;
	case '\t':
		letter = 't';
		break;
	default:
		return log_put_hex(out, octet);
	}
	*out++ = '\\';
	*out++ = letter;
	return out;
}

/* Nonzero if any of the eight octets is zero. */
static uint64_t log_has_zero(uint64_t eight)
{
	return (eight - LOG_EIGHT(0x01)) & ~eight & LOG_EIGHT(0x80);
}

/* Does each of eight octets stand for itself? The table's answer, for eight at once. */
static bool log_plain_eight(uint64_t eight)
{
	uint64_t special = eight & LOG_EIGHT(0x80);

	special |= (eight - LOG_EIGHT(0x20)) & ~eight & LOG_EIGHT(0x80); /* some octet below 0x20 */
	special |= log_has_zero(eight ^ LOG_EIGHT(0x7f));
	special |= log_has_zero(eight ^ LOG_EIGHT('"'));
	special |= log_has_zero(eight ^ LOG_EIGHT('\\'));
	return special == 0;
}

/* Copies what stands for itself from text[at] on, at most up to text[stop]. Returns the octets copied. */
static size_t log_put_plain(char *out, const uint8_t *text, size_t at, size_t stop)
{
	size_t from = at;
	uint64_t eight;

	for (; stop - at >= sizeof(eight); at += sizeof(eight)) {
		memcpy(&eight, text + at, sizeof(eight));
		if (!log_plain_eight(eight))
			break;
		memcpy(out + (at - from), &eight, sizeof(eight));
	}
	/* What is left of a longer text is looked at once more together with what is before it. */
	if (at < stop && stop - at < sizeof(eight) && stop - from >= sizeof(eight)) {
		memcpy(&eight, text + stop - sizeof(eight), sizeof(eight));
		if (log_plain_eight(eight)) {
			memcpy(out + (stop - from) - sizeof(eight), &eight, sizeof(eight));
			return stop - from;
		}
	}
	for (; at < stop && log_plain[text[at]]; at++)
		out[at - from] = (char)text[at];
	return at - from;
}

/*
 * Escapes up to LOG_STRING_MAX octets of text into [out, limit), whole characters only; *cut when `limit`
 * came first. Returns the new end.
 */
static char *log_escape(char *out, const char *limit, const uint8_t *text, size_t length, bool *cut)
{
	size_t end = length < LOG_STRING_MAX ? length : LOG_STRING_MAX, at = 0;

	while (at < end) {
		size_t room = (size_t)(limit - out);
		size_t stop = end - at <= room ? end : at + room;
		size_t plain = log_put_plain(out, text, at, stop);
		out += plain;
		at += plain;
		if (at == end)
			break;
		if (limit - out < LOG_ESCAPE_MAX) {
			*cut = true;
			break;
		}

		size_t sequence = text[at] < 0x80 ? 1 : log_utf8_length(text + at, length - at);
		if (sequence == 0) {
			out = log_put(out, "\\ufffd", 6);
			at++;
			continue;
		}
		if (at + sequence > end)
			break;
		if (sequence == 1)
			out = log_put_special(out, text[at]);
		else if (text[at] == 0xc2 && text[at + 1] < 0xa0)
			out = log_put_hex(out, text[at + 1]); /* U+0080 to U+009F: terminals obey them too */
		else
			out = log_put(out, text + at, sequence);
		at += sequence;
	}
	return out;
}

void log_string_of(struct log_event *e, const char *key, size_t key_length, const void *text, size_t length)
{
	char *out = log_key(e, key, key_length, 2);

	if (out == NULL)
		return;
	*out++ = '"';
	out = log_escape(out, e->limit - 1, text, length, &e->log->truncated);
	*out++ = '"';
	e->out = out;
}

void log_number_of(struct log_event *e, const char *key, size_t key_length, uint64_t value)
{
	char *out = log_key(e, key, key_length, LOG_DIGITS_MAX);

	if (out != NULL)
		e->out = log_put_number(out, value);
}

void log_signed_of(struct log_event *e, const char *key, size_t key_length, int64_t value)
{
	char *out = log_key(e, key, key_length, 1 + LOG_DIGITS_MAX);

	if (out != NULL)
		e->out = log_put_signed(out, value);
}

void log_bool_of(struct log_event *e, const char *key, size_t key_length, bool value)
{
	char *out = log_key(e, key, key_length, strlen("false"));

	if (out != NULL)
		e->out = value ? log_put(out, "true", 4) : log_put(out, "false", 5);
}

void log_json(struct log_event *e, const char *key, const char *json, size_t length)
{
	char *out = log_key(e, key, strlen(key), length);

	if (out != NULL)
		e->out = log_put(out, json, length);
}

void log_time(struct log_event *e, const char *key, uint64_t wall_ns)
{
	unsigned ms = (unsigned)(wall_ns % CLOCK_NS_PER_S / CLOCK_NS_PER_MS);
	char *out = log_key(e, key, strlen(key), LOG_STAMP_SIZE + sizeof("\".000Z\""));

	if (out == NULL)
		return;
	*out++ = '"';
	log_stamp(out, wall_ns / CLOCK_NS_PER_S);
	out += LOG_STAMP_SIZE - 1;
	*out++ = '.';
	*out++ = (char)('0' + ms / 100);
	out = log_put_pair(out, ms % 100);
	e->out = log_put(out, "Z\"", 2);
}

void log_list_begin(struct log_event *e, const char *key)
{
	/* Room for what closes it is set aside. */
	char *out = log_key(e, key, strlen(key), strlen("[]}"));

	if (out == NULL)
		return;
	*out++ = '[';
	e->out = out;
	e->limit -= strlen("]}");
	e->in_list = true;
	e->in_item = false;
}

bool log_item(struct log_event *e, size_t room)
{
	if (e->log == NULL || !e->in_list || (size_t)(e->limit - e->out) < room)
		return false;
	if (e->in_item)
		e->out = log_put(e->out, "},", 2);
	*e->out++ = '{';
	e->in_item = true;
	return true;
}

void log_list_end(struct log_event *e)
{
	if (e->log == NULL || !e->in_list)
		return;
	e->limit += strlen("]}");
	if (e->in_item)
		*e->out++ = '}';
	*e->out++ = ']';
	e->in_list = e->in_item = false;
}

void log_end(struct log_event *e)
{
	struct log *log = e->log;

	if (log == NULL)
		return;
	assert(log->open);
	assert(e->out <= e->limit);
	if (log->truncated)
		e->out = log_put(e->out, LOG_TAIL, strlen(LOG_TAIL));
	else
		e->out = log_put(e->out, "}\n", 2);

	const char *end = log->buffer + log->capacity;
	if (e->out > end)
		memcpy(log->buffer, end, (size_t)(e->out - end));

	uint64_t head = atomic_load_explicit(&log->head, memory_order_relaxed);
	atomic_store_explicit(&log->head, head + (uint64_t)(e->out - e->start), memory_order_release);
	log->open = false;
	e->log = NULL;
}
