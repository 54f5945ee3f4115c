/*
 * core/base/journal.c - see journal.h.
 */
#include "core/base/journal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { NAME_MAX_OCTETS = 64, LENGTH_OCTETS = 8 };
static const char prefix[] = "POSTRIDER_";

bool journal_is_stream(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uint64_t device, inode;
	struct stat st;
	char rest;

	return stream && sscanf(stream, "%" SCNu64 ":%" SCNu64 "%c", &device, &inode, &rest) == 2 &&
	       fstat(fd, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

/* ---- an entry --------------------------------------------------------------------------------------------------- */

struct writer {
	char *out;
	size_t length;
};

struct reader {
	const char *at, *end;
};

static bool has_room(const struct writer *w, size_t octets)
{
	return octets <= JOURNAL_ENTRY_MAX - w->length;
}

static void put(struct writer *w, const char *data, size_t length)
{
	memcpy(w->out + w->length, data, length);
	w->length += length;
}

/* With its length where the value goes over several lines. */
static void put_field(struct writer *w, const char *name, size_t name_length, const char *value, size_t length)
{
	bool lines = memchr(value, '\n', length) != NULL;

	if (!has_room(w, name_length + length + LENGTH_OCTETS + 2))
		return;
	put(w, name, name_length);
	put(w, lines ? "\n" : "=", 1);
	for (unsigned i = 0; lines && i < LENGTH_OCTETS; i++)
		put(w, &(char){(char)((uint64_t)length >> (8 * i))}, 1);
	put(w, value, length);
	put(w, "\n", 1);
}

static void put_text(struct writer *w, const char *name, const char *value)
{
	put_field(w, name, strlen(name), value, strlen(value));
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* As UTF-8, of three octets at most: what is half of a pair stands for nothing. */
static size_t encode(unsigned code, char *out)
{
	if (code >= 0xd800 && code <= 0xdfff)
		code = 0xfffd;
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	out[0] = (char)(0xe0 | code >> 12);
	out[1] = (char)(0x80 | (code >> 6 & 0x3f));
	out[2] = (char)(0x80 | (code & 0x3f));
	return 3;
}

/* Behind a backslash. 0: it is none. What it stands for is never longer than what is written. */
static size_t unescape(struct reader *r, char *out)
{
	static const char plain[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	const char *found;
	unsigned code = 0;

	if (r->at == r->end)
		return 0;
	found = *r->at ? strchr(plain, *r->at) : NULL;
	if (found) {
		r->at++;
		*out = meant[found - plain];
		return 1;
	}
	if (*r->at != 'u' || r->end - r->at < 5)
		return 0;
	for (int i = 1; i <= 4; i++) {
		int value = digit(r->at[i]);
		if (value < 0)
			return 0;
		code = code << 4 | (unsigned)value;
	}
	r->at += 5;
	return encode(code, out);
}

/* From its opening quote on; out: as long as the rest of the line. -1: it is none. */
static ssize_t read_string(struct reader *r, char *out)
{
	size_t length = 0;

	if (r->at == r->end || *r->at != '"')
		return -1;
	for (r->at++; r->at < r->end; r->at++) {
		if (*r->at == '"') {
			r->at++;
			return (ssize_t)length;
		}
		if (*r->at == '\\') {
			size_t more;
			r->at++;
			more = unescape(r, out + length);
			if (more == 0)
				return -1;
			length += more;
			r->at--;
		} else {
			out[length++] = *r->at;
		}
	}
	return -1;
}

/* A number, a word, a list or an object: up to the comma or brace behind it. */
static bool skip_value(struct reader *r)
{
	const char *from = r->at;
	unsigned depth = 0;
	bool quoted = false;

	for (; r->at < r->end; r->at++) {
		char c = *r->at;
		if (quoted) {
			if (c == '\\' && r->at + 1 < r->end)
				r->at++;
			else
				quoted = c != '"';
		} else if (depth == 0 && (c == ',' || c == '}')) {
			return r->at > from;
		} else if (c == '"') {
			quoted = true;
		} else if (c == '[' || c == '{') {
			depth++;
		} else if (c == ']' || c == '}') {
			if (depth-- == 0)
				return false;
		}
	}
	return false;
}

/* False: no field has such a name. */
static bool name_of(const char *key, size_t length, char name[NAME_MAX_OCTETS + 1], size_t *name_length)
{
	size_t n = sizeof(prefix) - 1;

	if (length == 0 || n + length > NAME_MAX_OCTETS)
		return false;
	memcpy(name, prefix, n);
	for (size_t i = 0; i < length; i++) {
		if (!isalnum((unsigned char)key[i]) && key[i] != '_')
			return false;
		name[n++] = (char)toupper((unsigned char)key[i]);
	}
	*name_length = n;
	return true;
}

static const char *priority_of(const char *level, size_t length)
{
	static const char *const levels[][2] = {{"notice", "5"}, {"warning", "4"}, {"error", "3"}};

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strlen(levels[i][0]) == length && memcmp(levels[i][0], level, length) == 0)
			return levels[i][1];
	}
	return "6";
}

/* A key and its value. False: there is none that can be understood. */
static bool read_pair(struct reader *r, struct writer *w, const char **priority)
{
	char key[LOG_EVENT_MAX], text[LOG_EVENT_MAX], name[NAME_MAX_OCTETS + 1];
	ssize_t key_length = read_string(r, key), length;
	const char *value = text;
	size_t name_length;

	if (key_length < 0 || r->at == r->end || *r->at != ':')
		return false;
	r->at++;
	if (r->at < r->end && *r->at == '"') {
		length = read_string(r, text);
		if (length < 0)
			return false;
	} else {
		value = r->at;
		if (!skip_value(r))
			return false;
		length = r->at - value;
	}
	if (key_length == 5 && memcmp(key, "level", 5) == 0)
		*priority = priority_of(value, (size_t)length);
	if (name_of(key, (size_t)key_length, name, &name_length))
		put_field(w, name, name_length, value, (size_t)length);
	return true;
}

size_t journal_entry(const char *line, size_t length, char out[JOURNAL_ENTRY_MAX])
{
	struct writer w = {.out = out};
	struct reader r = {.at = line, .end = line + length};
	const char *priority = "6";

	put_text(&w, "SYSLOG_IDENTIFIER", "postrider");
	put_field(&w, "MESSAGE", sizeof("MESSAGE") - 1, line, length);
	if (length <= LOG_EVENT_MAX && length > 0 && *line == '{') {
		do
			r.at++;
		while (read_pair(&r, &w, &priority) && r.at < r.end && *r.at == ',');
	}
	put_text(&w, "PRIORITY", priority);
	return w.length;
}

/* ---- sending ---------------------------------------------------------------------------------------------------- */

void journal_init(struct journal *journal, const char *path)
{
	*journal = (struct journal){.path = path, .fd = -1};
}

static void disconnect(struct journal *journal)
{
	if (journal->fd >= 0)
		close(journal->fd);
	journal->fd = -1;
}

void journal_deinit(struct journal *journal)
{
	disconnect(journal);
}

static bool connected(struct journal *journal)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (journal->fd >= 0)
		return true;
	journal->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (journal->fd < 0)
		return false;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", journal->path);
	if (connect(journal->fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return true;
	disconnect(journal);
	return false;
}

/* By a file that nobody can change any more. */
static int send_large(int fd, const char *data, size_t length)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr message = {.msg_control = &control, .msg_controllen = sizeof(control)};
	int file = memfd_create("postrider-event", MFD_CLOEXEC | MFD_ALLOW_SEALING), r = 0;

	if (file < 0)
		return -errno;
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &file, sizeof(file));
	if (write(file, data, length) != (ssize_t)length)
		r = -EIO;
	else if (fcntl(file, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0 ||
		 sendmsg(fd, &message, MSG_NOSIGNAL) < 0)
		r = -errno;
	close(file);
	return r;
}

static int send_once(int fd, const char *data, size_t length)
{
	if (send(fd, data, length, MSG_NOSIGNAL) >= 0)
		return 0;
	return errno == EMSGSIZE || errno == ENOBUFS ? send_large(fd, data, length) : -errno;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* For as long as there is patience left. */
static void wait_until_it_takes(struct journal *journal)
{
	struct pollfd ready = {.fd = journal->fd, .events = POLLOUT};
	uint64_t began_ms = now_ms();

	if (began_ms - journal->since_ms >= JOURNAL_WITHIN_MS) {
		journal->since_ms = began_ms;
		journal->waited_ms = 0;
	}
	if (journal->waited_ms >= JOURNAL_PATIENCE_MS)
		return;
	(void)poll(&ready, 1, (int)(JOURNAL_PATIENCE_MS - journal->waited_ms));
	journal->waited_ms += now_ms() - began_ms;
}

/* Waits for one that is behind, but not for ever, and then not again. */
static int send_patiently(struct journal *journal, const char *data, size_t length)
{
	int r = send_once(journal->fd, data, length);

	if (r == -EAGAIN && !journal->behind) {
		wait_until_it_takes(journal);
		r = send_once(journal->fd, data, length);
	}
	journal->behind = r == -EAGAIN;
	return r;
}

bool journal_send(struct journal *journal, const char *line, size_t length)
{
	size_t octets = journal_entry(line, length, journal->entry);
	int r = connected(journal) ? send_patiently(journal, journal->entry, octets) : -ENOTCONN;

	/* It was restarted: there is another socket of that name. */
	if (r < 0 && r != -EAGAIN && journal->fd >= 0) {
		disconnect(journal);
		if (connected(journal))
			r = send_patiently(journal, journal->entry, octets);
	}
	journal->missed += r < 0;
	journal->took = r == 0;
	return r == 0;
}
