/*
 * core/agents/suppression_file.c - see suppression_file.h.
 */
#include "core/agents/suppression_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/durable.h"
#include "core/config/text_file.h"
#include "queue/hash.h"

static const char head[] = "postrider-suppressed 1\n";

enum { FILE_MAX = 1 << 30, SPARE_LINES = 1000 /* that a file may have too many before it is written anew */ };

/* ---- lines ------------------------------------------------------------------------------------------------------ */

size_t suppression_date(uint64_t wall_s, char out[32])
{
	time_t shown = (time_t)wall_s;
	struct tm tm;

	return strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&shown, &tm));
}

bool suppression_date_parse(struct span text, uint64_t *wall_s)
{
	struct tm tm = {0};
	char copy[32];
	const char *end;
	time_t found;

	if (text.length == 0 || text.length >= sizeof(copy))
		return false;
	memcpy(copy, text.data, text.length);
	copy[text.length] = '\0';
	end = strptime(copy, text.length > 10 ? "%Y-%m-%dT%H:%M:%SZ" : "%Y-%m-%d", &tm);
	if (!end || *end)
		return false;
	found = timegm(&tm);
	*wall_s = found > 0 ? (uint64_t)found : 0;
	return found >= 0;
}

size_t suppression_format(const struct suppression_entry *entry, char out[SUPPRESSION_LINE_MAX])
{
	size_t note = entry->note.length < SUPPRESSION_NOTE_MAX ? entry->note.length : SUPPRESSION_NOTE_MAX, n;

	out[0] = entry->removed ? '-' : '+';
	out[1] = ' ';
	n = 2 + suppression_date(entry->wall_s, out + 2);
	n += (size_t)snprintf(out + n, SUPPRESSION_LINE_MAX - n, " %s %.*s", suppression_reason_name(entry->reason),
			      (int)entry->address.length, entry->address.data);
	if (note > 0 && !entry->removed) {
		out[n++] = '\t';
		for (size_t i = 0; i < note; i++) {
			char c = entry->note.data[i];
			out[n++] = (unsigned char)c < ' ' || c == 0x7f ? ' ' : c;
		}
	}
	out[n++] = '\n';
	return n;
}

/* The next word of a line. */
static struct span word(struct span *rest)
{
	const char *end = rest->length ? memchr(rest->data, ' ', rest->length) : NULL;
	uint32_t length = end ? (uint32_t)(end - rest->data) : rest->length;
	struct span found = {rest->data, length};

	rest->data += end ? length + 1 : length;
	rest->length -= end ? length + 1 : length;
	return found;
}

/* As suppressed_name() makes them, as far as can be seen: what is damaged, or written otherwise by hand, would never
 * be found. */
static bool is_name(struct span address)
{
	if (address.length == 0 || address.length >= SMTP_PATH_MAX || !memchr(address.data, '@', address.length))
		return false;
	for (uint32_t i = 0; i < address.length; i++) {
		unsigned char c = (unsigned char)address.data[i];
		if (c < ' ' || c == 0x7f || (c >= 'A' && c <= 'Z'))
			return false;
	}
	return true;
}

/* Without what an editor put around it: a mark of UTF-8, and the other half of a line's end. */
static struct span bare(struct span line)
{
	static const char mark[] = "\xef\xbb\xbf";

	if (line.length >= 3 && memcmp(line.data, mark, 3) == 0)
		line = (struct span){line.data + 3, line.length - 3};
	line.length -= line.length > 0 && line.data[line.length - 1] == '\r';
	return line;
}

static bool is_head(struct span line)
{
	line = bare(line);
	return line.length == sizeof(head) - 2 && memcmp(line.data, head, line.length) == 0;
}

bool suppression_parse(struct span whole, struct suppression_entry *entry)
{
	struct span line = bare(whole), sign = word(&line), date = word(&line), reason = word(&line);
	const char *tab = line.length ? memchr(line.data, '\t', line.length) : NULL;
	char name[16];

	*entry = (struct suppression_entry){.address = line};
	if (sign.length != 1 || (sign.data[0] != '+' && sign.data[0] != '-') || reason.length >= sizeof(name) ||
	    !suppression_date_parse(date, &entry->wall_s))
		return false;
	entry->removed = sign.data[0] == '-';
	memcpy(name, reason.data, reason.length);
	name[reason.length] = '\0';
	entry->reason = suppression_reason_of(name);
	if (tab) {
		entry->address.length = (uint32_t)(tab - line.data);
		entry->note = (struct span){tab + 1, (uint32_t)(line.data + line.length - tab - 1)};
	}
	return entry->reason != SUPPRESSION_NONE && is_name(entry->address);
}

size_t suppression_read(const char *text, size_t length, suppression_fn *fn, void *context, size_t *bad)
{
	size_t at = 0;
	const char *end;

	*bad = 0;
	while (at < length && (end = memchr(text + at, '\n', length - at)) != NULL) {
		struct span line = {text + at, (uint32_t)(end - (text + at))};
		struct suppression_entry entry;
		at = (size_t)(end - text) + 1;
		if (suppression_parse(line, &entry))
			fn(context, &entry);
		else
			*bad += !is_head(line);
	}
	return at;
}

/* ---- the file --------------------------------------------------------------------------------------------------- */

/* The directory's own, so that a list which root began is the relay's. */
static void give_to_owner(int fd, const char *path)
{
	char copy[PATH_MAX];
	struct stat st;

	snprintf(copy, sizeof(copy), "%s", path);
	if (geteuid() == 0 && stat(dirname(copy), &st) == 0 && fchown(fd, st.st_uid, st.st_gid) < 0)
		(void)fchmod(fd, 0644);
}

static bool is_at(int fd, const char *path)
{
	struct stat one, other;

	return fstat(fd, &one) == 0 && stat(path, &other) == 0 && one.st_dev == other.st_dev &&
	       one.st_ino == other.st_ino;
}

/* With its lock, until it is closed. Descriptor or -errno. */
static int open_locked(const char *path)
{
	for (;;) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
		struct stat st;
		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX) < 0 || fstat(fd, &st) < 0) {
			int r = -errno;
			close(fd);
			return r;
		}
		/* Another one was put in its place meanwhile. */
		if (!is_at(fd, path)) {
			close(fd);
			continue;
		}
		if (st.st_size == 0)
			give_to_owner(fd, path);
		return fd;
	}
}

/* Where its last whole line ends; -errno. *foreign: what is behind that nobody here began to write: it stays. */
static int64_t whole_end(int fd, bool *foreign)
{
	char tail[SUPPRESSION_LINE_MAX];
	off_t size = lseek(fd, 0, SEEK_END), from = size > (off_t)sizeof(tail) ? size - (off_t)sizeof(tail) : 0;
	ssize_t n = size < 0 ? -1 : pread(fd, tail, (size_t)(size - from), from);
	const char *end = n > 0 ? memrchr(tail, '\n', (size_t)n) : NULL;

	if (n < 0)
		return -errno;
	/* No line of ours is as long; or it begins otherwise than the head would. */
	*foreign = n > 0 && !end && (from > 0 || (size_t)n >= sizeof(head) || memcmp(tail, head, (size_t)n) != 0);
	if (*foreign)
		return size;
	return end ? from + (end - tail) + 1 : 0;
}

/* What lines begin with at this place of the file. */
static struct span before_lines(int64_t end, bool foreign)
{
	if (end == 0)
		return span_text(head);
	return span_text(foreign ? "\n" : "");
}

static int append(int fd, const char *lines, size_t length)
{
	bool foreign;
	int64_t end = whole_end(fd, &foreign);
	struct span first;
	int r;

	if (end < 0)
		return (int)end;
	if (ftruncate(fd, end) < 0)
		return -errno;
	first = before_lines(end, foreign);
	r = durable_write(fd, first.data, first.length, (uint64_t)end);
	if (r == 0)
		r = durable_write(fd, lines, length, (uint64_t)end + first.length);
	if (r == 0 && fdatasync(fd) < 0)
		r = -errno;
	/* Half of it would be read as if it was there. */
	if (r < 0 && ftruncate(fd, end) < 0)
		return r;
	return r;
}

int suppression_append(const char *path, const char *lines, size_t length)
{
	int fd = open_locked(path), r;
	struct stat st;
	bool fresh;

	if (fd < 0)
		return fd;
	fresh = fstat(fd, &st) == 0 && st.st_size == 0;
	r = append(fd, lines, length);
	if (r == 0 && fresh)
		r = durable_sync_directory(path);
	close(fd);
	return r;
}

/* ---- all of it -------------------------------------------------------------------------------------------------- */

struct change {
	uint64_t hash;
	size_t at; /* in the text, and in the order of the file */
};

struct changes {
	struct change *list;
	size_t count, room;
	const char *text;
	bool no_memory;
};

static void note_change(void *context, const struct suppression_entry *entry)
{
	struct changes *c = context;

	if (c->count == c->room && !c->no_memory) {
		size_t room = c->room ? 2 * c->room : 1024;
		struct change *more = realloc(c->list, room * sizeof(*more));
		c->no_memory = !more;
		if (more) {
			c->list = more;
			c->room = room;
		}
	}
	/* Its line begins four words before; it is found again by its address. */
	if (!c->no_memory)
		c->list[c->count++] = (struct change){queue_hash(entry->address.data, entry->address.length),
						      (size_t)(entry->address.data - c->text)};
}

static int by_hash(const void *a, const void *b)
{
	const struct change *one = a, *other = b;

	if (one->hash != other->hash)
		return one->hash < other->hash ? -1 : 1;
	return one->at < other->at ? -1 : one->at > other->at;
}

static int by_place(const void *a, const void *b)
{
	const struct change *one = a, *other = b;

	return one->at < other->at ? -1 : one->at > other->at;
}

/* The line that has this place in it. */
static struct span line_of(const char *text, size_t length, size_t at)
{
	const char *before = memrchr(text, '\n', at), *begin = before ? before + 1 : text;
	const char *end = memchr(text + at, '\n', length - at);

	return (struct span){begin, (uint32_t)((end ? end : text + length) - begin)};
}

/* The last change of each, where it is not its removal. */
static void keep_last(struct changes *c, size_t length)
{
	size_t kept = 0;

	qsort(c->list, c->count, sizeof(*c->list), by_hash);
	for (size_t i = 0; i < c->count; i++) {
		if (i + 1 < c->count && c->list[i + 1].hash == c->list[i].hash)
			continue;
		if (line_of(c->text, length, c->list[i].at).data[0] == '+')
			c->list[kept++] = c->list[i];
	}
	c->count = kept;
	qsort(c->list, c->count, sizeof(*c->list), by_place);
}

static int load(const char *path, char **text, size_t *length, struct changes *c, size_t *lines)
{
	bool opened;
	size_t bad;
	int r = text_file_read(path, FILE_MAX, text, length, &opened);

	*c = (struct changes){0};
	if (r < 0)
		return r;
	c->text = *text;
	(void)suppression_read(*text, *length, note_change, c, &bad);
	*lines = c->count;
	if (c->no_memory) {
		free(c->list);
		free(*text);
		return -ENOMEM;
	}
	if (c->count > 0)
		keep_last(c, *length);
	return 0;
}

int suppression_list(const char *path, suppression_fn *fn, void *context)
{
	struct suppression_entry entry;
	struct changes c;
	size_t length, lines;
	char *text;
	int r = load(path, &text, &length, &c, &lines);

	if (r < 0)
		return r;
	for (size_t i = 0; i < c.count; i++) {
		if (suppression_parse(line_of(text, length, c.list[i].at), &entry))
			fn(context, &entry);
	}
	free(c.list);
	free(text);
	return 0;
}

/* What is not understood is not taken away: somebody wrote it. But what is longer than any line is none. */
static bool is_kept(struct span line)
{
	struct suppression_entry entry;

	return line.length > 0 && line.length <= SUPPRESSION_LINE_MAX && !is_head(line) &&
	       !suppression_parse(line, &entry);
}

static int rewrite(const char *path, const char *text, size_t length, const struct changes *c)
{
	char *out = malloc(length + sizeof(head));
	size_t n = sizeof(head) - 1, at = 0, i = 0;
	const char *end;
	int r;

	if (!out)
		return -ENOMEM;
	memcpy(out, head, n);
	while (at < length && (end = memchr(text + at, '\n', length - at)) != NULL) {
		struct span line = {text + at, (uint32_t)(end - (text + at))};
		size_t behind = (size_t)(end - text) + 1;
		bool last = i < c->count && c->list[i].at < behind;
		i += last;
		at = behind;
		if (!last && !is_kept(line))
			continue;
		memcpy(out + n, line.data, line.length);
		n += line.length;
		out[n++] = '\n';
	}
	r = durable_replace(path, out, n);
	free(out);
	return r;
}

bool suppression_is_due(const char *path, size_t appended)
{
	enum { LEAST = 1 << 16, PARTS = 8 };
	uint64_t size, step = LEAST;
	struct stat st;

	if (stat(path, &st) < 0 || (uint64_t)st.st_size < appended)
		return true;
	size = (uint64_t)st.st_size;
	while (step < size / PARTS)
		step *= 2;
	return size / step != (size - appended) / step;
}

int suppression_compact(const char *path, size_t *live)
{
	int fd = open_locked(path), r;
	struct changes c;
	size_t length, lines;
	char *text;

	*live = 0;
	if (fd < 0)
		return fd;
	r = load(path, &text, &length, &c, &lines);
	if (r == 0) {
		*live = c.count;
		if (lines > 2 * c.count + SPARE_LINES)
			r = rewrite(path, text, length, &c);
		free(c.list);
		free(text);
	}
	close(fd);
	return r;
}
