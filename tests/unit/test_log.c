/*
 * tests/unit/test_log.c - events as JSON lines: escaping, limits, loss; the writer on all sorts of descriptors.
 *
 * The wall clock is the test's own, so that lines can be compared as a whole. Every line that comes out of
 * any test goes through a small JSON checker. A hang ends by the alarm.
 */
#include "core/base/log.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log_private.h"
#include "tests/unit/check.h"

enum { CAPACITY = 32768 };

#define HEAD "{\"time\":\"2026-02-28T23:59:59.007Z\",\"event\":\"e\",\"level\":\"info\",\"shard\":3"

static _Atomic(uint64_t) wall_ns;

uint64_t clock_wall_ns(void)
{
	return wall_ns;
}

static void clock_set(uint64_t second, unsigned ms)
{
	wall_ns = second * CLOCK_NS_PER_S + ms * CLOCK_NS_PER_MS;
}

static void clock_usual(void)
{
	clock_set(1772323199, 7);
}

static uint64_t elapsed_ms(const struct timespec *since)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)((now.tv_sec - since->tv_sec) * 1000 + (now.tv_nsec - since->tv_nsec) / 1000000);
}

/* --- The JSON checker (RFC 8259), for one flat object of strings, numbers and literals. --- */

static const char *json_string(const char *at)
{
	if (*at++ != '"')
		return NULL;
	while (*at != '"') {
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			return NULL;
		if (*at++ != '\\')
			continue;
		if (*at == 'u') {
			for (int i = 1; i <= 4; i++) {
				if (at[i] == '\0' || strchr("0123456789abcdef", at[i]) == NULL)
					return NULL;
			}
			at += 5;
		} else if (*at != '\0' && strchr("\"\\nrt", *at) != NULL) {
			at++;
		} else {
			return NULL;
		}
	}
	return at + 1;
}

static const char *json_value(const char *at)
{
	static const char *const literals[] = {"true", "false", "null", "{}", "[1,2]"};

	for (size_t i = 0; i < sizeof(literals) / sizeof(literals[0]); i++) {
		if (strncmp(at, literals[i], strlen(literals[i])) == 0)
			return at + strlen(literals[i]);
	}
	if (*at == '"')
		return json_string(at);
	at += *at == '-';
	if (*at < '0' || *at > '9' || (*at == '0' && at[1] >= '0' && at[1] <= '9'))
		return NULL;
	return at + strspn(at, "0123456789");
}

/* Is `line` (without line end) one object? */
static bool json_valid(const char *line)
{
	const char *at = line;

	if (*at++ != '{')
		return false;
	for (;;) {
		at = json_string(at);
		if (at == NULL || *at++ != ':')
			return false;
		at = json_value(at);
		if (at == NULL)
			return false;
		if (*at == '}')
			return at[1] == '\0';
		if (*at++ != ',')
			return false;
	}
}

/* Well-formed UTF-8? (Written apart from the code under test, by decoding.) */
static bool utf8_valid(const char *line)
{
	const unsigned char *at = (const unsigned char *)line;

	while (*at != 0) {
		unsigned need = *at < 0x80 ? 0 : *at >= 0xf0 ? 3 : *at >= 0xe0 ? 2 : *at >= 0xc2 ? 1 : 9;
		uint32_t value = need == 0 ? *at : *at & (0x3fu >> need);
		for (at++; need > 0; need--, at++) {
			if (need == 9 || (*at & 0xc0) != 0x80)
				return false;
			value = value << 6 | (*at & 0x3f);
		}
		if ((value >= 0xd800 && value <= 0xdfff) || value > 0x10ffff)
			return false;
	}
	return true;
}

static void check_line(const char *line)
{
	if (!json_valid(line) || !utf8_valid(line)) {
		CHECK(false);
		fprintf(stderr, "not JSON: %s\n", line);
	}
}

/* Takes everything out of the log into *text (owned by the caller). */
static size_t drain(struct log *log, char **text)
{
	int fd = memfd_create("log", MFD_CLOEXEC);

	CHECK(fd >= 0);
	log_drain(log, fd);
	off_t size = lseek(fd, 0, SEEK_END);
	*text = calloc(1, (size_t)size + 1);
	CHECK_EQ(pread(fd, *text, (size_t)size, 0), size);
	close(fd);
	return (size_t)size;
}

/* Drains one line and compares what follows HEAD. */
static void expect_line(struct log *log, const char *rest)
{
	char expected[2 * LOG_EVENT_MAX], *line;
	size_t length = drain(log, &line);

	snprintf(expected, sizeof(expected), HEAD "%s}\n", rest);
	CHECK_STR(line, expected);
	if (length > 0)
		line[length - 1] = '\0';
	check_line(line);
	free(line);
}

static void test_fields(void)
{
	struct log *log = log_new(3, CAPACITY);
	struct log_event e;

	clock_usual();
	log_begin(&e, log, "e");
	log_end(&e);
	expect_line(log, "");

	log_begin(&e, log, "e");
	log_text(&e, "host", "mx.example");
	log_string(&e, "empty", NULL, 0);
	log_number(&e, "zero", 0);
	log_number(&e, "nine", 9);
	log_number(&e, "ten", 10);
	log_number(&e, "hundred", 100);
	log_number(&e, "code", 250);
	log_number(&e, "most", UINT64_MAX);
	log_signed(&e, "below", -5);
	log_signed(&e, "least", INT64_MIN);
	log_signed(&e, "above", INT64_MAX);
	log_bool(&e, "yes", true);
	log_bool(&e, "no", false);
	log_json(&e, "list", "[1,2]", 5);
	log_end(&e);
	expect_line(log, ",\"host\":\"mx.example\",\"empty\":\"\",\"zero\":0,\"nine\":9,\"ten\":10,\"hundred\":100,"
			 "\"code\":250,\"most\":18446744073709551615,\"below\":-5,\"least\":-9223372036854775808,"
			 "\"above\":9223372036854775807,\"yes\":true,\"no\":false,\"list\":[1,2]");
	log_free(log);
}

static void test_levels(void)
{
	static const char *const names[] = {"info", "notice", "warning", "error"};
	struct log *log = log_new(3, CAPACITY);

	clock_usual();
	for (int level = LOG_LEVEL_INFO; level <= LOG_LEVEL_ERROR; level++) {
		char expected[200], *line;
		struct log_event e;
		log_begin_at(&e, log, (enum log_level)level, "e");
		log_number(&e, "n", 1);
		log_end(&e);
		drain(log, &line);
		snprintf(expected, sizeof(expected),
			 "{\"time\":\"2026-02-28T23:59:59.007Z\",\"event\":\"e\",\"level\":\"%s\",\"shard\":3,\"n\":1}"
			 "\n",
			 names[level]);
		CHECK_STR(line, expected);
		free(line);
	}
	log_free(log);
}

static void test_no_log(void)
{
	struct log_event e;

	log_begin(&e, NULL, "e");
	log_text(&e, "a", "b");
	log_number(&e, "a", 1);
	log_signed(&e, "a", 1);
	log_bool(&e, "a", true);
	log_json(&e, "a", "{}", 2);
	log_end(&e);
	CHECK(e.log == NULL);
	log_free(NULL);
}

static void test_time(void)
{
	static const struct {
		uint64_t second;
		unsigned ms;
		const char *text;
	} cases[] = {
		{0, 0, "1970-01-01T00:00:00.000Z"},           {68169599, 999, "1972-02-28T23:59:59.999Z"},
		{68169600, 1, "1972-02-29T00:00:00.001Z"},    {68256000, 10, "1972-03-01T00:00:00.010Z"},
		{951782400, 100, "2000-02-29T00:00:00.100Z"}, {1735689599, 0, "2024-12-31T23:59:59.000Z"},
		{2147483648, 0, "2038-01-19T03:14:08.000Z"},  {4107542399, 0, "2100-02-28T23:59:59.000Z"},
		{4107542400, 0, "2100-03-01T00:00:00.000Z"},
	};
	struct log *log = log_new(-1, CAPACITY);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct log_event e;
		char expected[200], *line;
		clock_set(cases[i].second, cases[i].ms);
		log_begin(&e, log, "ready");
		log_end(&e);
		drain(log, &line);
		snprintf(expected, sizeof(expected),
			 "{\"time\":\"%s\",\"event\":\"ready\",\"level\":\"info\",\"shard\":-1}\n", cases[i].text);
		CHECK_STR(line, expected);
		free(line);
	}
	/* Each day from 1970 to 2150 against the C library. */
	int wrong = 0;
	for (uint64_t day = 0; day < 66000; day++) {
		struct log_event e;
		char expected[32], *line;
		time_t second = (time_t)(day * 86400 + day % 86400);
		struct tm parts;
		clock_set((uint64_t)second, 0);
		log_begin(&e, log, "e");
		strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S.", gmtime_r(&second, &parts));
		wrong += memcmp(e.start + strlen("{\"time\":\""), expected, strlen(expected)) != 0;
		log_end(&e);
		if (day % 100 == 0) {
			drain(log, &line);
			free(line);
		}
	}
	CHECK_EQ(wrong, 0);
	log_free(log);
}

static void test_escape(void)
{
#define BAD "\\ufffd"
	static const struct {
		const char *text;
		size_t length;
		const char *json;
	} cases[] = {
		{"plain ~!#[]", 11, "plain ~!#[]"},
		{"\"", 1, "\\\""},
		{"\\", 1, "\\\\"},
		{"a\nb\rc\td", 7, "a\\nb\\rc\\td"},
		{"\0\x01\x1f\x7f", 4, "\\u0000\\u0001\\u001f\\u007f"},
		{"\x1b[31m", 5, "\\u001b[31m"},
		{"\",\"event\":\"x", 12, "\\\",\\\"event\\\":\\\"x"},
		{"gr\xc3\xbc\xc3\x9f", 6, "gr\xc3\xbc\xc3\x9f"},
		{"\xe2\x82\xac", 3, "\xe2\x82\xac"},
		{"\xf0\x9f\x93\xa8", 4, "\xf0\x9f\x93\xa8"},
		{"\xf4\x8f\xbf\xbf", 4, "\xf4\x8f\xbf\xbf"},
		{"\xed\x9f\xbf\xee\x80\x80", 6, "\xed\x9f\xbf\xee\x80\x80"},
		{"\xc2\x9b", 2, "\\u009b"}, /* a control character of C1 */
		{"\xc2\xa0", 2, "\xc2\xa0"},
		{"\xff", 1, BAD},
		{"\x80", 1, BAD},
		{"a\xc3", 2, "a" BAD}, /* ends too early */
		{"\xc3(", 2, BAD "("},
		{"\xe2\x82", 2, BAD BAD},
		{"\xe2\x82z", 3, BAD BAD "z"},
		{"\xf0\x9f\x93", 3, BAD BAD BAD},
		{"\xc0\xaf", 2, BAD BAD}, /* overlong */
		{"\xc1\xbf", 2, BAD BAD},
		{"\xe0\x9f\xbf", 3, BAD BAD BAD},
		{"\xf0\x8f\xbf\xbf", 4, BAD BAD BAD BAD},
		{"\xed\xa0\x80", 3, BAD BAD BAD},         /* a surrogate */
		{"\xf4\x90\x80\x80", 4, BAD BAD BAD BAD}, /* beyond U+10FFFF */
		{"\xf5\x80\x80\x80", 4, BAD BAD BAD BAD},
	};
	struct log *log = log_new(3, CAPACITY);

	clock_usual();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct log_event e;
		char rest[300];
		/* Exactly as long as it is, so that a look beyond the end is seen by the sanitizer. */
		char *text = malloc(cases[i].length);
		memcpy(text, cases[i].text, cases[i].length);
		log_begin(&e, log, "e");
		log_string(&e, "text", text, cases[i].length);
		log_end(&e);
		snprintf(rest, sizeof(rest), ",\"text\":\"%s\"", cases[i].json);
		expect_line(log, rest);
		free(text);
	}
	log_free(log);
#undef BAD
}

/* Every octet at every place of a longer run: text is looked at in eights where it can be. */
static void test_escape_places(void)
{
	struct log *log = log_new(3, CAPACITY);

	clock_usual();
	for (unsigned octet = 0; octet < 256; octet++) {
		for (unsigned place = 0; place < 19; place++) {
			struct log_event e;
			char text[20] = "abcdefghijklmnopqrs", rest[100], escaped[8];
			if (octet >= 0x80)
				strcpy(escaped, "\\ufffd");
			else if (octet == '"' || octet == '\\')
				snprintf(escaped, sizeof(escaped), "\\%c", octet);
			else if (octet == '\n' || octet == '\r' || octet == '\t')
				snprintf(escaped, sizeof(escaped), "\\%c", "tn  r"[octet - '\t']);
			else if (octet < 0x20 || octet == 0x7f)
				snprintf(escaped, sizeof(escaped), "\\u%04x", octet);
			else
				snprintf(escaped, sizeof(escaped), "%c", octet);
			snprintf(rest, sizeof(rest), ",\"text\":\"%.*s%s%s\"", place, text, escaped, text + place + 1);
			text[place] = (char)octet;
			log_begin(&e, log, "e");
			log_string(&e, "text", text, 19);
			log_end(&e);
			expect_line(log, rest);
		}
	}
	log_free(log);
}

/* Cut at LOG_STRING_MAX octets of text, before a character that would lie across the limit. */
static void test_string_limit(void)
{
	static const struct {
		size_t plain; /* octets of 'x' before the character */
		const char *character;
		bool kept;
	} cases[] = {
		{LOG_STRING_MAX - 1, "y", true},
		{LOG_STRING_MAX, "y", false},
		{LOG_STRING_MAX - 2, "\xc3\xbc", true},
		{LOG_STRING_MAX - 1, "\xc3\xbc", false},
		{LOG_STRING_MAX - 3, "\xe2\x82\xac", true},
		{LOG_STRING_MAX - 2, "\xe2\x82\xac", false},
		{LOG_STRING_MAX - 4, "\xf0\x9f\x93\xa8", true},
		{LOG_STRING_MAX - 3, "\xf0\x9f\x93\xa8", false},
		{LOG_STRING_MAX - 1, "\xf0\x9f\x93\xa8", false},
	};
	struct log *log = log_new(3, CAPACITY);

	clock_usual();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct log_event e;
		char text[LOG_STRING_MAX + 200], rest[LOG_STRING_MAX + 400];
		memset(text, 'x', sizeof(text));
		text[cases[i].plain] = '\0';
		snprintf(rest, sizeof(rest), ",\"text\":\"%s%s\"", text, cases[i].kept ? cases[i].character : "");
		strcat(text, cases[i].character);
		strcat(text, "zzzzzzzzzz");
		log_begin(&e, log, "e");
		log_string(&e, "text", text, strlen(text));
		log_end(&e);
		expect_line(log, rest);
	}
	log_free(log);
}

/* An event that outgrows its room says so, ends properly, and never exceeds LOG_EVENT_MAX. */
static void test_event_limit(void)
{
	struct log *log = log_new(0, CAPACITY);
	char control[600], quotes[600];

	memset(control, 1, sizeof(control));
	memset(quotes, '"', sizeof(quotes));
	for (unsigned fill = 0; fill < 700; fill++) {
		struct log_event e;
		char *line;
		log_begin(&e, log, "e");
		log_string(&e, "a", control, LOG_STRING_MAX);
		log_string(&e, "b", quotes, fill < LOG_STRING_MAX ? fill : LOG_STRING_MAX);
		log_string(&e, "c", control, fill % 20);
		for (int i = 0; i < 5; i++) {
			log_string(&e, "d", quotes, 10);
			log_number(&e, "n", UINT64_MAX);
			log_bool(&e, "f", false);
			log_json(&e, "j", "[1,2]", 5);
		}
		log_string(&e, "z", control, LOG_STRING_MAX);
		log_end(&e);
		size_t length = drain(log, &line);
		CHECK(length > 0 && length <= LOG_EVENT_MAX);
		CHECK(line[length - 1] == '\n');
		line[length - 1] = '\0';
		check_line(line);
		CHECK(strstr(line, ",\"truncated\":true}") != NULL);
		free(line);
	}
	log_free(log);
}

/* Reads the decimal after `key` in the line; -1 when it is not there. */
static long long field(const char *line, const char *key)
{
	const char *at = strstr(line, key);

	return at == NULL ? -1 : atoll(at + strlen(key));
}

struct tally {
	uint64_t events, lost, next; /* `next`: the "n" expected in the next event */
	uint64_t wrong;
};

/* Checks lines of numbered events: each is valid, numbers rise, and gaps are exactly what log_lost says. */
static void tally_lines(struct tally *tally, char *text)
{
	char *end;

	for (char *line = text; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		*end = '\0';
		check_line(line);
		if (strstr(line, "\"event\":\"log_lost\"") != NULL) {
			tally->lost += (uint64_t)field(line, "\"count\":");
			tally->next += (uint64_t)field(line, "\"count\":");
			continue;
		}
		tally->wrong += (uint64_t)field(line, "\"n\":") != tally->next;
		tally->next++;
		tally->events++;
	}
}

static void numbered_event(struct log *log, uint64_t n)
{
	struct log_event e;

	log_begin(&e, log, "e");
	log_number(&e, "n", n);
	log_string(&e, "text", "a line of some length with \" and \n in it", n % 40);
	log_end(&e);
}

/* Fills the log again and again without a consumer; all positions of the wrap come up. */
static void test_loss_and_wrap(void)
{
	struct log *log = log_new(7, CAPACITY);
	struct tally tally = {0};
	uint64_t n = 0;

	for (int round = 0; round < 300; round++) {
		/* Some rounds overflow, some do not. */
		unsigned burst = round % 3 == 0 ? 700 : 50 + (unsigned)round % 7;
		char *text;
		for (unsigned i = 0; i < burst; i++)
			numbered_event(log, n++);
		drain(log, &text);
		tally_lines(&tally, text);
		free(text);
	}
	numbered_event(log, n++);
	char *text;
	drain(log, &text);
	tally_lines(&tally, text);
	free(text);
	CHECK_EQ(tally.wrong, 0);
	CHECK(tally.lost > 1000);
	CHECK_EQ(tally.events + tally.lost, n);
	log_free(log);
}

/* --- The writer. --- */

enum { PRODUCERS = 2 };

struct reader {
	pthread_t thread;
	int fd;
	struct tally tally[PRODUCERS];
};

/* Reads to the end and tallies the lines by their shard. */
static void *reader_run(void *context)
{
	struct reader *reader = context;
	size_t size = 0, room = 1 << 16;
	char *text = malloc(room), *end;
	ssize_t got;

	while ((got = read(reader->fd, text + size, room - size - 1)) > 0) {
		size += (size_t)got;
		if (room - size < 1 << 14) {
			room *= 2;
			text = realloc(text, room);
		}
	}
	text[size] = '\0';
	for (char *line = text; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		char saved = end[1];
		end[1] = '\0';
		long long shard = field(line, "\"shard\":");
		if (shard >= 0 && shard < PRODUCERS)
			tally_lines(&reader->tally[shard], line);
		else
			reader->tally[0].wrong++;
		end[1] = saved;
	}
	free(text);
	return NULL;
}

static void reader_start(struct reader *reader, int fd)
{
	memset(reader, 0, sizeof(*reader));
	reader->fd = fd;
	CHECK_EQ(pthread_create(&reader->thread, NULL, reader_run, reader), 0);
}

struct producer {
	pthread_t thread;
	struct log *log;
	uint64_t events;
	unsigned pause_every; /* sleep a millisecond after so many events; 0: never */
};

static void *producer_run(void *context)
{
	struct producer *producer = context;

	for (uint64_t n = 0; n < producer->events; n++) {
		numbered_event(producer->log, n);
		if (producer->pause_every > 0 && n % producer->pause_every == 0)
			usleep(1000);
	}
	return NULL;
}

/*
 * Logs further events from `n` on until none is waiting to be told as lost. Returns how many events there
 * were in all. Something must be reading.
 */
static uint64_t settle(struct log *log, uint64_t n)
{
	do {
		usleep(20000);
		numbered_event(log, n++);
	} while (log->lost > 0);
	return n;
}

/* Two shards into one descriptor with a reader that keeps up: all arrives, in order, no lines mixed. */
static void run_writer(int write_fd, int read_fd)
{
	struct producer producers[PRODUCERS];
	struct log *logs[PRODUCERS];
	struct reader reader;

	for (int i = 0; i < PRODUCERS; i++) {
		logs[i] = log_new(i, 1 << 18);
		producers[i] = (struct producer){.log = logs[i], .events = 20000, .pause_every = 200};
	}
	struct log_writer *writer = log_writer_start(write_fd, logs, PRODUCERS);
	CHECK(writer != NULL);
	reader_start(&reader, read_fd);
	for (int i = 0; i < PRODUCERS; i++)
		CHECK_EQ(pthread_create(&producers[i].thread, NULL, producer_run, &producers[i]), 0);
	for (int i = 0; i < PRODUCERS; i++) {
		pthread_join(producers[i].thread, NULL);
		producers[i].events = settle(logs[i], producers[i].events);
	}
	log_writer_stop(writer);
	close(write_fd);
	pthread_join(reader.thread, NULL);
	close(read_fd);
	for (int i = 0; i < PRODUCERS; i++) {
		CHECK_EQ(reader.tally[i].wrong, 0);
		CHECK(reader.tally[i].events > 1000);
		/* A very busy machine may make the writer late, but what is lost must be told. */
		CHECK_EQ(reader.tally[i].events + reader.tally[i].lost, producers[i].events);
		log_free(logs[i]);
	}
}

static void test_writer_pipe(void)
{
	int ends[2];

	clock_usual();
	CHECK_EQ(pipe(ends), 0);
	run_writer(ends[1], ends[0]);
}

static void test_writer_socket(void)
{
	int ends[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	run_writer(ends[1], ends[0]);
}

/*
 * Nobody reads: the producer goes on at full speed and loses events. Then the reader comes: everything that
 * was kept arrives, and what is missing is told.
 */
static void test_writer_stall(void)
{
	struct log *log = log_new(0, CAPACITY);
	struct producer producer = {.log = log, .events = 300000};
	struct rusage before, after;
	struct reader reader;
	int ends[2];

	CHECK_EQ(pipe(ends), 0);
	struct log_writer *writer = log_writer_start(ends[1], &log, 1);
	CHECK(writer != NULL);
	CHECK_EQ(getrusage(RUSAGE_THREAD, &before), 0);
	producer_run(&producer);
	CHECK_EQ(getrusage(RUSAGE_THREAD, &after), 0);
	/* It may have lost the processor to others, for as long as they like; it has not given it up to wait. */
	CHECK(after.ru_nvcsw - before.ru_nvcsw < 20);
	reader_start(&reader, ends[0]);
	producer.events = settle(log, producer.events);
	log_writer_stop(writer);
	close(ends[1]);
	pthread_join(reader.thread, NULL);
	close(ends[0]);
	CHECK_EQ(reader.tally[0].wrong, 0);
	CHECK(reader.tally[0].lost > 0);
	CHECK_EQ(reader.tally[0].events + reader.tally[0].lost, producer.events);
	log_free(log);
}

/* A reader that never comes does not keep the program from ending. */
static void test_writer_stop_stalled(void)
{
	struct log *log = log_new(0, 1 << 18);
	struct timespec begun;
	int ends[2];

	CHECK_EQ(pipe(ends), 0);
	struct log_writer *writer = log_writer_start(ends[1], &log, 1);
	for (uint64_t n = 0; n < 1500; n++)
		numbered_event(log, n);
	clock_gettime(CLOCK_MONOTONIC, &begun);
	log_writer_stop(writer);
	uint64_t took = elapsed_ms(&begun);
	CHECK(took >= 1000 && took < 10000);
	close(ends[0]);
	close(ends[1]);
	log_free(log);
}

/* Lists of objects, as many as fit; what is behind them still has its place. */
static void test_lists(void)
{
	struct log *log = log_new(0, CAPACITY);
	struct log_event e;
	unsigned items = 0;
	char *text;

	log_begin(&e, log, "listed");
	log_list_begin(&e, "none");
	log_list_end(&e);
	log_list_begin(&e, "some");
	for (uint64_t n = 0; n < 3; n++) {
		CHECK(log_item(&e, 100));
		log_number(&e, "n", n);
		if (n == 1)
			log_text(&e, "word", "a \"b\"");
	}
	log_list_end(&e);
	log_time(&e, "when", UINT64_C(1700000000007000000));
	log_bool(&e, "after", true);
	log_end(&e);
	drain(log, &text);
	CHECK(strstr(text, ",\"none\":[],\"some\":[{\"n\":0},{\"n\":1,\"word\":\"a "
			   "\\\"b\\\"\"},{\"n\":2}],\"when\":\"2023-11-14T22:13:20.007Z\",\"after\":true}"));
	free(text);

	log_begin(&e, log, "listed");
	log_list_begin(&e, "many");
	while (log_item(&e, 120)) {
		log_text(&e, "word", "sixty octets of text that stand for an address and its reply");
		items++;
	}
	log_list_end(&e);
	log_number(&e, "items", items);
	log_end(&e);
	drain(log, &text);
	CHECK(items > 40 && items < LOG_EVENT_MAX / 60);
	CHECK(strstr(text, "\"}],\"items\":"));
	free(text);
	log_free(log);
}

/* The reader is gone: no signal, no hang, and the log does not fill up. */
static void test_writer_broken(void)
{
	struct log *log = log_new(0, CAPACITY);
	int ends[2];

	CHECK_EQ(pipe(ends), 0);
	close(ends[0]);
	struct log_writer *writer = log_writer_start(ends[1], &log, 1);
	for (uint64_t n = 0; n < 1000; n++)
		numbered_event(log, n);
	log_writer_stop(writer);
	char *text;
	CHECK_EQ(drain(log, &text), 0);
	free(text);
	close(ends[1]);
	log_free(log);
}

/* What was logged before the stop is out when it returns, also to a plain file. */
static void test_writer_file(void)
{
	struct log *log = log_new(0, CAPACITY);
	int fd = memfd_create("log", MFD_CLOEXEC);
	char text[4096] = "";
	struct tally tally = {0};

	struct log_writer *writer = log_writer_start(fd, &log, 1);
	for (uint64_t n = 0; n < 10; n++)
		numbered_event(log, n);
	log_writer_stop(writer);
	CHECK(pread(fd, text, sizeof(text) - 1, 0) > 0);
	tally_lines(&tally, text);
	CHECK_EQ(tally.events, 10);
	CHECK_EQ(tally.wrong, 0);
	close(fd);
	log_free(log);
}

int main(void)
{
	alarm(600);
	RUN(test_fields);
	RUN(test_levels);
	RUN(test_lists);
	RUN(test_no_log);
	RUN(test_time);
	RUN(test_escape);
	RUN(test_escape_places);
	RUN(test_string_limit);
	RUN(test_event_limit);
	RUN(test_loss_and_wrap);
	RUN(test_writer_pipe);
	RUN(test_writer_socket);
	RUN(test_writer_stall);
	RUN(test_writer_stop_stalled);
	RUN(test_writer_broken);
	RUN(test_writer_file);
	return check_end();
}
