/*
 * bench/common.c - argument parsing, JSON output, line files and limits for the bench tools.
 * See common.h for the contract.
 */
#include "bench/common.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"

const char *common_program = "bench";

static void common_message(const char *format, va_list arguments)
{
	char text[1024];
	vsnprintf(text, sizeof(text), format, arguments);
	fprintf(stderr, "%s: %s\n", common_program, text);
}

void common_fail(int status, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	common_message(format, arguments);
	va_end(arguments);
	if (status == COMMON_EXIT_USAGE)
		fprintf(stderr, "%s: --help lists every option\n", common_program);
	/* Other threads may be at work: leave without running destructors under their feet. */
	fflush(NULL);
	_exit(status);
}

void common_help(int argc, char **argv, const char *text)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") != 0 && strcmp(argv[i], "-h") != 0)
			continue;
		fputs(text, stdout);
		exit(COMMON_EXIT_OK);
	}
}

void common_warn(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	common_message(format, arguments);
	va_end(arguments);
}

uint64_t common_number(const char *option, const char *text, uint64_t min, uint64_t max)
{
	char *end;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || *end || errno || value < min || value > max)
		common_fail(COMMON_EXIT_USAGE, "%s takes a whole number from %llu to %llu, not \"%s\"", option,
			    (unsigned long long)min, (unsigned long long)max, text);
	return value;
}

uint64_t common_size(const char *option, const char *text)
{
	static const struct {
		const char *suffix;
		unsigned shift;
	} units[] = {{"", 0}, {"B", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"k", 10}, {"m", 20}};
	char *end;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	if (isdigit((unsigned char)text[0]) && !errno && value < (UINT64_C(1) << 33))
		for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
			if (strcasecmp(end, units[i].suffix) == 0 && value << units[i].shift < (UINT64_C(1) << 33))
				return value << units[i].shift;
	common_fail(COMMON_EXIT_USAGE, "%s takes a size such as 4096, 4KiB or 1MiB (below 8GiB), not \"%s\"", option,
		    text);
}

uint64_t common_duration_ns(const char *option, const char *text)
{
	static const struct {
		const char *suffix;
		double seconds;
	} units[] = {{"", 1}, {"s", 1}, {"ms", 0.001}, {"m", 60}, {"h", 3600}};
	char *end;
	double value = strtod(text, &end);
	if ((isdigit((unsigned char)text[0]) || text[0] == '.') && isfinite(value))
		for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
			if (strcmp(end, units[i].suffix) == 0 && value * units[i].seconds < 1e7)
				return (uint64_t)(value * units[i].seconds * 1e9);
	common_fail(COMMON_EXIT_USAGE, "%s takes a time such as 10s, 250ms or 2m, not \"%s\"", option, text);
}

double common_probability(const char *option, const char *text)
{
	char *end;
	double value = strtod(text, &end);
	if (end == text || *end || !(value >= 0 && value <= 1))
		common_fail(COMMON_EXIT_USAGE, "%s takes a probability from 0 to 1, not \"%s\"", option, text);
	return value;
}

void common_address(const char *option, const char *text, struct ring_address *out)
{
	char host[COMMON_ADDRESS_TEXT];
	const char *colon = strrchr(text, ':');
	const char *start = text;
	size_t length = colon ? (size_t)(colon - text) : 0;
	if (length >= 2 && text[0] == '[' && colon[-1] == ']') {
		start++;
		length -= 2;
	}
	memset(out, 0, sizeof(*out));
	if (!colon || length == 0 || length >= sizeof(host))
		goto wrong;
	memcpy(host, start, length);
	host[length] = '\0';
	uint16_t port = htons((uint16_t)common_number(option, colon + 1, 0, 65535));
	if (start == text && inet_pton(AF_INET, host, &out->v4.sin_addr) == 1) {
		out->v4.sin_family = AF_INET;
		out->v4.sin_port = port;
		out->length = sizeof(out->v4);
		return;
	}
	if (start != text && inet_pton(AF_INET6, host, &out->v6.sin6_addr) == 1) {
		out->v6.sin6_family = AF_INET6;
		out->v6.sin6_port = port;
		out->length = sizeof(out->v6);
		return;
	}
wrong:
	common_fail(COMMON_EXIT_USAGE,
		    "%s takes a numeric address and a port, 127.0.0.1:2525 or [::1]:2525, not \"%s\"", option, text);
}

unsigned common_choice(const char *option, const char *text, const char *const *names)
{
	char all[256] = "";
	for (unsigned i = 0; names[i]; i++) {
		if (strcmp(names[i], text) == 0)
			return i;
		size_t used = strlen(all);
		snprintf(all + used, sizeof(all) - used, "%s%s", i ? ", " : "", names[i]);
	}
	common_fail(COMMON_EXIT_USAGE, "%s takes one of %s, not \"%s\"", option, all, text);
}

void common_address_format(const struct ring_address *address, char out[COMMON_ADDRESS_TEXT])
{
	char host[INET6_ADDRSTRLEN] = "?";
	if (address->any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &address->v6.sin6_addr, host, sizeof(host));
		snprintf(out, COMMON_ADDRESS_TEXT, "[%s]:%u", host, ntohs(address->v6.sin6_port));
	} else {
		inet_ntop(AF_INET, &address->v4.sin_addr, host, sizeof(host));
		snprintf(out, COMMON_ADDRESS_TEXT, "%s:%u", host, ntohs(address->v4.sin_port));
	}
}

uint64_t common_raise_descriptors(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		common_warn("the descriptor limit could not be raised: %s", strerror(errno));
	getrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur;
}

double common_cpu_seconds(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void common_signal_set(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
}

void common_signals_block(void)
{
	sigset_t set;
	common_signal_set(&set);
	int error = pthread_sigmask(SIG_BLOCK, &set, NULL);
	assert(error == 0);
	signal(SIGPIPE, SIG_IGN);
}

bool common_signal_wait(unsigned timeout_ms)
{
	sigset_t set;
	common_signal_set(&set);
	struct timespec timeout = {timeout_ms / 1000, (long)(timeout_ms % 1000) * 1000000};
	return sigtimedwait(&set, NULL, &timeout) > 0;
}

int common_write_all(int fd, const void *data, size_t length)
{
	const uint8_t *next = data;
	while (length > 0) {
		ssize_t written = write(fd, next, length);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		next += written;
		length -= (size_t)written;
	}
	return 0;
}

void common_sequence_format(uint64_t sequence, char out[COMMON_SEQUENCE_DIGITS])
{
	for (int i = COMMON_SEQUENCE_DIGITS - 1; i >= 0; i--) {
		out[i] = (char)('0' + sequence % 10);
		sequence /= 10;
	}
}

void line_file_open(struct line_file *file, const char *option, const char *path, bool append)
{
	file->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND | (append ? 0 : O_TRUNC), 0644);
	if (file->fd < 0)
		common_fail(COMMON_EXIT_USAGE, "%s cannot open %s: %s", option, path, strerror(errno));
	int error = pthread_mutex_init(&file->lock, NULL);
	assert(error == 0);
}

void line_file_write(struct line_file *file, const void *data, size_t length)
{
	pthread_mutex_lock(&file->lock);
	int error = common_write_all(file->fd, data, length);
	pthread_mutex_unlock(&file->lock);
	if (error < 0)
		common_fail(COMMON_EXIT_ENVIRONMENT, "writing a result file failed: %s", strerror(-error));
}

void line_file_close(struct line_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

void line_buffer_init(struct line_buffer *buffer, struct line_file *file)
{
	buffer->file = file;
	buffer->length = 0;
	buffer->oldest_ns = UINT64_MAX;
}

void line_buffer_number(struct line_buffer *buffer, uint64_t number, uint64_t now_ns)
{
	char digits[24];
	size_t count = 0;
	if (!buffer->file)
		return;
	digits[sizeof(digits) - ++count] = '\n';
	do {
		digits[sizeof(digits) - ++count] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	if (buffer->length + count > LINE_BUFFER_SIZE)
		line_buffer_flush(buffer, now_ns, true);
	memcpy(buffer->data + buffer->length, digits + sizeof(digits) - count, count);
	buffer->length += count;
	if (buffer->oldest_ns == UINT64_MAX)
		buffer->oldest_ns = now_ns;
}

uint64_t line_buffer_due_ns(const struct line_buffer *buffer)
{
	return buffer->oldest_ns == UINT64_MAX ? UINT64_MAX : buffer->oldest_ns + LINE_FLUSH_MS * CLOCK_NS_PER_MS;
}

void line_buffer_flush(struct line_buffer *buffer, uint64_t now_ns, bool force)
{
	if (buffer->length == 0 || (!force && now_ns < line_buffer_due_ns(buffer)))
		return;
	line_file_write(buffer->file, buffer->data, buffer->length);
	buffer->length = 0;
	buffer->oldest_ns = UINT64_MAX;
}

void buffer_grow(struct buffer *buffer, size_t more)
{
	if (buffer->capacity - buffer->length >= more)
		return;
	size_t capacity = buffer->capacity ? buffer->capacity * 2 : 512;
	while (capacity - buffer->length < more)
		capacity *= 2;
	buffer->data = realloc(buffer->data, capacity);
	if (!buffer->data)
		common_fail(COMMON_EXIT_ENVIRONMENT, "out of memory");
	buffer->capacity = capacity;
}

void buffer_append(struct buffer *buffer, const void *data, size_t length)
{
	if (length == 0)
		return;
	buffer_grow(buffer, length);
	memcpy(buffer->data + buffer->length, data, length);
	buffer->length += length;
}

void buffer_print(struct buffer *buffer, const char *format, ...)
{
	va_list arguments;
	assert(format != NULL);
	va_start(arguments, format);
	int length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	assert(length >= 0);
	buffer_grow(buffer, (size_t)length + 1);
	va_start(arguments, format);
	vsnprintf((char *)buffer->data + buffer->length, (size_t)length + 1, format, arguments);
	va_end(arguments);
	buffer->length += (size_t)length;
}

void buffer_free(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){0};
}

/* The text of a string, quoted. Octets beyond ASCII become \u00xx: mail is octets, and so every one comes back. */
static void json_quote(struct buffer *out, const uint8_t *text, size_t length)
{
	buffer_append(out, "\"", 1);
	for (size_t i = 0; i < length; i++) {
		if (text[i] < 0x20 || text[i] >= 0x7f)
			buffer_print(out, "\\u%04x", text[i]);
		else if (text[i] == '"' || text[i] == '\\')
			buffer_print(out, "\\%c", text[i]);
		else
			buffer_append(out, text + i, 1);
	}
	buffer_append(out, "\"", 1);
}

static void json_key(struct buffer *out, const char *key)
{
	if (out->length > 0 && out->data[out->length - 1] != '{' && out->data[out->length - 1] != '[')
		buffer_append(out, ",", 1);
	if (key) {
		json_quote(out, (const uint8_t *)key, strlen(key));
		buffer_append(out, ":", 1);
	}
}

void json_begin(struct buffer *out, const char *key, char bracket)
{
	json_key(out, key);
	buffer_append(out, &bracket, 1);
}

void json_end(struct buffer *out, char bracket)
{
	buffer_append(out, &bracket, 1);
}

void json_number(struct buffer *out, const char *key, uint64_t value)
{
	json_key(out, key);
	buffer_print(out, "%llu", (unsigned long long)value);
}

void json_real(struct buffer *out, const char *key, double value)
{
	json_key(out, key);
	buffer_print(out, "%.6g", isfinite(value) ? value : 0.0);
}

void json_bool(struct buffer *out, const char *key, bool value)
{
	json_key(out, key);
	buffer_print(out, "%s", value ? "true" : "false");
}

void json_string(struct buffer *out, const char *key, const void *text, size_t length)
{
	json_key(out, key);
	json_quote(out, text, length);
}

void json_save(const struct buffer *json, const char *path)
{
	bool standard = !path || strcmp(path, "-") == 0;
	int fd = standard ? STDOUT_FILENO : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int error = fd < 0 ? -errno : common_write_all(fd, json->data, json->length);
	if (error == 0)
		error = common_write_all(fd, "\n", 1);
	if (error < 0)
		common_fail(COMMON_EXIT_ENVIRONMENT, "the result cannot be written to %s: %s",
			    standard ? "standard output" : path, strerror(-error));
	if (!standard)
		close(fd);
}
